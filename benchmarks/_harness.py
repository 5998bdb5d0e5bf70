"""Times candidates side by side and says whether a goal of the project is met.

All candidates of a table run round-robin in one process, so that other work on the
machine hits them alike. A goal is a ratio to a named peer: of the medians on a quiet
machine, of the minima when the load average says that it is not. Import this module
before torch or OpenCV: it asks OpenMP to sleep instead of spinning between calls.
"""

import argparse
import gc
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

BUSY_LOAD = 2.0
"""Load average above which minima decide."""
LEAST_ROUNDS = 5


@dataclass(frozen=True)
class Timing:
    """Milliseconds that one candidate took."""

    median: float
    minimum: float
    maximum: float
    n_rounds: int


@dataclass(frozen=True)
class Table:
    """Timings of one task; ratios say how many times slower the peer is."""

    title: str
    peer: str
    timings: dict[str, Timing]
    load: float

    @property
    def is_busy(self) -> bool:
        """Whether minima decide."""
        return self.load > BUSY_LOAD

    def ratio(self, name: str, peer: str = "") -> float:
        """Return how many times faster `name` is than the peer."""
        ours, theirs = self.timings[name], self.timings[peer or self.peer]
        if self.is_busy:
            return theirs.minimum / ours.minimum
        return theirs.median / ours.median

    def lines(self) -> list[str]:
        """Return the table as text."""
        kind = "minima" if self.is_busy else "medians"
        head = f"{'candidate':44s}{'median':>10s}{'min':>10s}{'max':>10s}{'n':>5s}"
        where = f"load {self.load:.2f}, ratio of {kind}"
        lines = [
            f"## {self.title} [ms], peer: {self.peer} ({where})",
            f"{head}{'ratio':>10s}",
        ]
        for name, t in self.timings.items():
            lines.append(
                f"{name:44s}{t.median:10.3f}{t.minimum:10.3f}{t.maximum:10.3f}"
                f"{t.n_rounds:5d}{self.ratio(name):10.2f}"
            )
        return lines


@dataclass(frozen=True)
class Goal:
    """One measured figure against what the project promises."""

    id: str
    what: str
    measured: float
    wanted: float
    at_least: bool = True

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps the promise."""
        if self.at_least:
            return self.measured >= self.wanted
        return self.measured <= self.wanted

    def line(self) -> str:
        """Return the verdict as text."""
        sign = ">=" if self.at_least else "<="
        verdict = "met" if self.is_met else "NOT MET"
        return (
            f"{self.id}: {self.what}: {self.measured:.4g} "
            f"(goal {sign} {self.wanted:g}): {verdict}"
        )


@dataclass
class Report:
    """What one benchmark script measured; `finish` prints the goals and writes JSON."""

    name: str
    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    figures: list[tuple[str, str]] = field(default_factory=list)

    def add_figure(self, what: str, value: str) -> None:
        """Keep and print one measured figure."""
        self.figures.append((what, value))
        print(f"{what}: {value}", flush=True)

    def add_table(self, table: Table) -> Table:
        """Keep and print a table."""
        self.tables.append(table)
        print("\n" + "\n".join(table.lines()), flush=True)
        return table

    def add_goal(self, goal: Goal) -> None:
        """Keep a goal for the end."""
        self.goals.append(goal)

    def markdown(self) -> str:
        """Return figures and goals as tables."""
        lines = ["| what | measured |", "|---|---|"]
        lines += [f"| {what} | {value} |" for what, value in self.figures]
        lines += ["", "| goal | measured | wanted | met |", "|---|---|---|---|"]
        for goal in self.goals:
            sign = ">=" if goal.at_least else "<="
            lines.append(
                f"| {goal.id}: {goal.what} | {goal.measured:.4g} "
                f"| {sign} {goal.wanted:g} | {'yes' if goal.is_met else 'no'} |"
            )
        where = f"{os.cpu_count()} processors, load {load_average():.1f} at the end"
        return "\n".join([*lines, "", f"{where}.", ""])

    def finish(self, json_path: Path | None, markdown_path: Path | None = None) -> int:
        """Print every goal, write the figures; return the number of goals missed."""
        if markdown_path is not None:
            markdown_path.write_text(self.markdown())
        print(f"\n# Goals of {self.name}")
        for goal in self.goals:
            print(goal.line())
        if json_path is not None:
            record = {
                "name": self.name,
                "machine": platform.processor() or platform.machine(),
                "n_cpus": os.cpu_count(),
                "python": platform.python_version(),
                "tables": [asdict(table) for table in self.tables],
                "figures": dict(self.figures),
                "goals": [asdict(g) | {"is_met": g.is_met} for g in self.goals],
                **self.extra,
            }
            json_path.write_text(json.dumps(record, indent=1) + "\n")
        return sum(not goal.is_met for goal in self.goals)


def compare(
    title: str,
    candidates: Mapping[str, Callable[[], Any]],
    *,
    peer: str,
    budget_s: float = 10.0,
    most_rounds: int = 200,
) -> Table:
    """Return timings of candidates that take turns until the budget is spent.

    A candidate that has used its share of the budget sits out after `LEAST_ROUNDS`
    rounds, so cheap ones get many rounds. Each round has another order: who comes after
    a long one finds caches and threads cold.
    """
    for run in candidates.values():
        run()
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    share_ms = 1e3 * budget_s / len(candidates)
    order = list(candidates.items())
    shuffle = random.Random(0).shuffle
    started = time.perf_counter()
    was_collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for n_done in range(most_rounds):
            shuffle(order)
            for name, run in order:
                if n_done >= LEAST_ROUNDS and sum(spent[name]) > share_ms:
                    continue
                before = time.perf_counter()
                run()
                spent[name].append(1e3 * (time.perf_counter() - before))
            is_over = time.perf_counter() - started > budget_s
            if is_over and n_done + 1 >= LEAST_ROUNDS:
                break
    finally:
        if was_collecting:
            gc.enable()
    timings = {
        name: Timing(statistics.median(t), min(t), max(t), len(t))
        for name, t in spent.items()
    }
    return Table(title, peer, timings, load_average())


def load_average() -> float:
    """Return the load of the last minute, 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def parse_arguments(description: str) -> argparse.Namespace:
    """Return `quick`, `json` and `markdown` of a benchmark's command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds, smaller frames"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures to this file"
    )
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write figures and goals as tables",
    )
    return parser.parse_args()
