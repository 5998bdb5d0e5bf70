"""Rows of networks that are not shipped, stored with what made them.

``baselines.json`` lies beside this file. A network without numbers has a row, too,
which says that and why it was not run.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_qpm.errors import FileFormatError
from napari_qpm.evaluation.rows import NOT_RUN, Row
from napari_qpm.files import write_atomically

__all__ = ["STORED", "Baseline", "keep_baseline", "read_baselines"]

STORED = Path(__file__).with_name("baselines.json")
ROWS = "rows"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A network that is compared with, and what it scored.

    Parameters
    ----------
    key, method
        Short name, and name for people.
    architecture, config
        As in a model's spec.
    metrics, groups, n
        As in `Row`; empty where it was not run.
    seed
        Of the set it was scored on.
    source
        Command, revision and seeds; or why there are no numbers.
    """

    key: str
    method: str
    architecture: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    n: int = 0
    seed: int | None = None
    source: str = NOT_RUN

    def row(self, seed: int | None) -> Row:
        """Return the row on the set of this seed, without cost and latency."""
        if not self.metrics:
            return Row(key=self.key, method=self.method, source=self.source)
        if self.seed != seed:
            reason = f"{NOT_RUN} on this set; stored is one of seed {self.seed}"
            return Row(key=self.key, method=self.method, source=reason)
        return Row(
            key=self.key,
            method=self.method,
            metrics=self.metrics,
            groups=self.groups,
            n=self.n,
            source=f"stored: {self.source}",
        )


def read_baselines(path: Path = STORED) -> tuple[Baseline, ...]:
    """Return the stored networks.

    Raises
    ------
    FileFormatError
        The file is no such list.
    """
    try:
        stored = json.loads(path.read_text("utf-8"))[ROWS]
        return tuple(Baseline(**values) for values in stored)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FileFormatError(f"{path} holds no stored rows: {error}") from error


def keep_baseline(baseline: Baseline, path: Path = STORED) -> None:
    """Store a network's row in place of the earlier one of this key.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    rows = {one.key: one for one in read_baselines(path)} | {baseline.key: baseline}
    values = {ROWS: [dataclasses.asdict(one) for one in rows.values()]}
    write_atomically(path, f"{json.dumps(values, indent=1)}\n".encode())
