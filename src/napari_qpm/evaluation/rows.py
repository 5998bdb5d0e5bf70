"""The outcome of an evaluation: one row a method, the same for every kind of model."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_qpm.errors import FileFormatError

__all__ = ["NOT_RUN", "Evaluation", "Row"]

NOT_RUN = "not run"
_SHOWN = (
    ("psnr_db", "PSNR dB", ".2f"),
    ("mean_psnr_db", "mean PSNR", ".2f"),
    ("ssim", "SSIM", ".3f"),
    ("mae", "MAE", ".4f"),
    ("rms_rad", "rms rad", ".3f"),
    ("piston_corrected_psnr_db", "PSNR less piston", ".2f"),
)
"""Key, heading and format of the metrics that people see."""
_SHOWN_OF_CELLS = (
    ("dice", "Dice", ".3f"),
    ("dice_sd", "sd", ".3f"),
    ("ap50", "AP@0.5", ".3f"),
    ("ap50_sd", "sd", ".3f"),
    ("count_error", "count error", ".2f"),
)
"""The same of methods that find cells."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method on the set.

    Parameters
    ----------
    key
        Short name on the command line.
    method
        Name for people.
    metrics
        Its scores; empty where it was not run.
    groups
        Scores of parts of the set by the part's name.
    n
        Number of frames behind the metrics.
    params, macs
        Parameters, and multiply-accumulates for 1024 x 1024; None = no network.
    latency_ms
        From raw counts to phase, 1024 x 1024, on this machine.
    network_ms
        Of that, the network alone.
    source
        Where the numbers come from: this run, or command, revision and seeds.
    """

    key: str
    method: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    n: int = 0
    params: int | None = None
    macs: int | None = None
    latency_ms: float | None = None
    network_ms: float | None = None
    source: str = NOT_RUN

    @property
    def was_run(self) -> bool:
        """Whether there are metrics."""
        return bool(self.metrics)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; metrics that are unknown are null."""
        values = dataclasses.asdict(self)
        values["metrics"] = {
            name: value if math.isfinite(value) else None
            for name, value in self.metrics.items()
        } or {name: None for name, _, _ in _SHOWN}
        return values


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Rows of methods on one set, the evaluated model first.

    Parameters
    ----------
    model
        Its name.
    data
        The set in one sentence.
    seed
        Of the set.
    rows
        The methods.
    facts
        What else belongs to the numbers: weights, properties of the set, machine.
    """

    model: str
    data: str
    seed: int
    rows: tuple[Row, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as ``--json`` prints them."""
        return {
            "model": self.model,
            "data": self.data,
            "seed": self.seed,
            "rows": [self._with_nulls(row.to_dict()) for row in self.rows],
            **self.facts,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation of what `to_dict` gave.

        Raises
        ------
        FileFormatError
            The values are no evaluation.
        """
        facts = dict(values)
        facts.pop("event", None)
        try:
            rows = [dict(row) for row in facts.pop("rows")]
            for row in rows:
                known = {k: v for k, v in row["metrics"].items() if v is not None}
                row["metrics"] = known
            return cls(
                model=facts.pop("model"),
                data=facts.pop("data"),
                seed=facts.pop("seed"),
                rows=tuple(Row(**row) for row in rows),
                facts=facts,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(f"This is no evaluation of a model: {error}") from (
                error
            )

    @property
    def _columns(self) -> tuple[tuple[str, str, str], ...]:
        finds_cells = any("dice" in row.metrics for row in self.rows)
        return _SHOWN_OF_CELLS if finds_cells else _SHOWN

    def _with_nulls(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return a row with a null for each metric, where it was not run."""
        if all(value is None for value in values["metrics"].values()):
            values["metrics"] = {key: None for key, _, _ in self._columns}
        return values

    def row(self, key: str) -> Row | None:
        """Return the row of this key, if there is one."""
        return next((row for row in self.rows if row.key == key), None)

    def table(self) -> str:
        """Return the rows as a Markdown table."""
        columns = self._columns
        titles = [title for _, title, _ in columns]
        head = ["method", *titles, "params", "MAC", "latency ms", "n"]
        lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
        for row in self.rows:
            scores = [_number(row.metrics.get(key), form) for key, _, form in columns]
            if not row.was_run:
                scores[0] = NOT_RUN
            cost = [_large(row.params), _large(row.macs)]
            rest = [_number(row.latency_ms, ".0f"), str(row.n or "")]
            lines.append(_line([row.method, *scores, *cost, *rest]))
        return "\n".join(lines)

    def describe(self) -> str:
        """Return set, table and sources in words."""
        sources = [f"  {row.method}: {row.source}" for row in self.rows]
        remarks = [f"  {remark}" for remark in self.facts.get("remarks", ())]
        parts = [f"{self.model} on {self.data}", self.table(), "Sources:", *sources]
        return "\n".join([*parts, *(["Remarks:", *remarks] if remarks else [])])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, form: str) -> str:
    return "" if value is None or not math.isfinite(value) else format(value, form)


def _large(value: int | None) -> str:
    if value is None:
        return ""
    return f"{value / 1e9:.2f} G" if value >= 1e9 else f"{value / 1e6:.2f} M"
