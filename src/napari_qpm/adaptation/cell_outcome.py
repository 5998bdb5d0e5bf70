"""What fine-tuning a network that finds cells brought, on the user's own frames."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation.annotated import AnnotatedFrame
from napari_qpm.segmentation.dm_qpmnet_engine import (
    DMQPMNetPhaseParameters,
    labels_by_session,
)
from napari_qpm.segmentation.hold_out import HoldOut, cells_within
from napari_qpm.segmentation.scores import average_precision, dice

if TYPE_CHECKING:
    from napari_qpm.runtime import Session

__all__ = ["CellScores", "FineTuning", "judge_cells"]

ROWS = {
    "ap50": "Cells found (AP at IoU 0.5)",
    "dice": "Area of cells (Dice)",
    "n_found": "Number of cells",
}
LEAST_GAIN = 0.005
"""Of the mean of both scores, by which a new model must be better."""


@dataclass(frozen=True)
class CellScores:
    """How well a model does, mean over frames.

    Parameters
    ----------
    ap50
        ``TP / (TP + FP + FN)`` of cells matched at an overlap of 0.5.
    dice
        Of the areas.
    n_found, n_cells
        Number of cells that it found, and that there are, in all.
    """

    ap50: float
    dice: float
    n_found: int
    n_cells: int

    @property
    def mean(self) -> float:
        """What decides which of two models is better."""
        return (self.ap50 + self.dice) / 2


@dataclass(frozen=True)
class FineTuning:
    """Outcome of fine-tuning.

    Parameters
    ----------
    name
        Of the new model; `None` if none was saved.
    base
        Model that it came from.
    before, after
        Scores on what judges.
    frame
        What judges, in words.
    is_honest
        Whether that taught nothing.
    n_frames, n_cells
        Annotated frames, and cells in them, all together.
    steps, minutes
        Of the training.
    note
        What the user should know.
    """

    name: str | None
    base: str
    before: CellScores
    after: CellScores
    frame: str
    is_honest: bool
    n_frames: int
    n_cells: int
    steps: int
    minutes: float
    note: str = ""

    @property
    def is_better(self) -> bool:
        """Whether the new model does better."""
        return is_better(self.before, self.after)

    @property
    def held_out(self) -> str:
        """What the figures are worth."""
        if self.is_honest:
            return "which taught nothing"
        return "which also taught: too little to keep a part back"

    def rows(self) -> list[tuple[str, float, float]]:
        """Return ``(what, before, after)`` for every figure."""
        return [
            (title, float(getattr(self.before, name)), float(getattr(self.after, name)))
            for name, title in ROWS.items()
        ]

    def describe(self) -> str:
        """Return the outcome as text."""
        effort = f"{self.minutes:.1f} min ({self.steps} steps)"
        taught = f"{self.n_cells} cells in {_frames(self.n_frames)}"
        saved = (
            f"Saved as model {self.name}."
            if self.name
            else "No model was saved: it is no better than the one it came from."
        )
        if self.name and not self.is_better:
            saved += " It is no better than the one it came from."
        lines = [f"Taught {self.base} with {taught} in {effort}. {saved}"]
        lines += [f"On {self.frame} ({self.held_out}), {self.before.n_cells} cells:"]
        lines += [
            f"  {title}: {before:.4g} before, {after:.4g} after"
            for title, before, after in self.rows()
        ]
        return "\n".join(filter(None, [*lines, self.note]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them."""
        return dataclasses.asdict(self) | {"is_better": self.is_better}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FineTuning":
        """Return what `to_dict` gave; further keys are left out."""
        known = {f.name for f in dataclasses.fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        for name in ("before", "after"):
            given[name] = CellScores(**given[name])
        return cls(**given)


def is_better(before: CellScores, after: CellScores) -> bool:
    """Return whether a model is clearly better, by more than closer outlines."""
    return after.mean >= before.mean + LEAST_GAIN and after.ap50 >= before.ap50


def judge_cells(
    session: "Session",
    frames: Sequence[AnnotatedFrame],
    held_out: HoldOut,
    parameters: DMQPMNetPhaseParameters,
    token: CancelToken | None = None,
) -> CellScores:
    """Return how well a model finds the cells that judge, as the viewer would run it.

    Parameters
    ----------
    session
        The model.
    parameters
        How cells are parted.
    """
    precisions, overlaps, n_found, n_cells = [], [], 0, 0
    for frame, mask in zip(frames, held_out.judge, strict=True):
        if not mask.any():
            continue
        found = labels_by_session(
            session, frame.phase_map, parameters, token or CancelToken()
        )[0]
        overlaps.append(dice(frame.labels * mask, found * mask))
        truth, found = cells_within(frame.labels, mask), cells_within(found, mask)
        precisions.append(average_precision(truth, found))
        n_found += _count(found)
        n_cells += _count(truth)
    return CellScores(
        float(np.mean(precisions)), float(np.mean(overlaps)), n_found, n_cells
    )


def _count(labels: "np.ndarray[Any, Any]") -> int:
    return int((np.unique(labels) > 0).sum())


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
