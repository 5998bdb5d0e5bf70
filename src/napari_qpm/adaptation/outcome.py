"""What adapting a model brought, on the user's own frame."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_qpm.acquisition import PhaseMap
from napari_qpm.adaptation.own_frames import LabelledFrame
from napari_qpm.checks import check_frame, compare_phases, phase_at
from napari_qpm.jobs import CancelToken
from napari_qpm.provenance import Step
from napari_qpm.retrieval.nas_prnet_engine import NasPRNetParameters, phase_by_session
from napari_qpm.runtime import Session

__all__ = ["Adaptation", "Judgement", "judge"]

ROWS = {
    "residual": "Residual (1 = camera noise)",
    "inside_rms_rad": "Difference to classical in cells (rad rms)",
    "inside_correlation": "Correlation to classical in cells",
    "rms_rad": "Difference to classical (rad rms)",
    "correlation": "Correlation to classical",
}
LEAST_GAIN = 0.01
"""By which a new model must be better to be worth its name."""


@dataclass(frozen=True)
class Judgement:
    """How well a model does on one frame.

    Parameters
    ----------
    residual, verdict
        Score of the residual over the whole frame, and what all checks say.
    rms_rad, correlation, inside_rms_rad, inside_correlation
        Against the classical phase, piston removed, on the judged part of the frame.
    """

    residual: float
    verdict: str
    rms_rad: float
    correlation: float
    inside_rms_rad: float
    inside_correlation: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; what is not a number is None."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in dataclasses.asdict(self).items()
        }


@dataclass(frozen=True)
class Adaptation:
    """Outcome of adapting a model.

    Parameters
    ----------
    name
        Of the new model; `None` if none was saved.
    base
        Model that it came from.
    before, after
        Judgements on the frame.
    frame
        Name of that frame.
    held_out
        What the figures are worth: which part was kept out of the training.
    n_own, n_frames
        Own frames that taught, and those that were looked at.
    steps, minutes
        Of the training.
    note
        What the user should know.
    """

    name: str | None
    base: str
    before: Judgement
    after: Judgement
    frame: str
    held_out: str
    n_own: int
    n_frames: int
    steps: int
    minutes: float
    note: str = ""

    @property
    def is_better(self) -> bool:
        """Whether the new model does better on the frame."""
        return is_better(self.before, self.after)

    def rows(self) -> list[tuple[str, float, float]]:
        """Return ``(what, before, after)`` for every figure."""
        return [
            (title, getattr(self.before, name), getattr(self.after, name))
            for name, title in ROWS.items()
        ]

    def describe(self) -> str:
        """Return the outcome as text."""
        saved = (
            f"Saved as model {self.name}."
            if self.name
            else "No model was saved: it is no better than the one it came from."
        )
        effort = f"{self.minutes:.1f} min ({self.steps} steps)"
        taught = f"{self.n_own} of {self.n_frames} own frames taught"
        lines = [f"Adapted {self.base} in {effort}, {taught}. {saved}"]
        lines += [f"On {self.frame} ({self.held_out}):"]
        lines += [
            f"  {title}: {_number(before)} before, {_number(after)} after"
            for title, before, after in self.rows()
        ]
        checks = f"{self.before.verdict} before, {self.after.verdict} after"
        lines += [f"  Checks: {checks}", *filter(None, [self.note])]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them."""
        values = dataclasses.asdict(self)
        judged = {"before": self.before.to_dict(), "after": self.after.to_dict()}
        return values | judged | {"is_better": self.is_better}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Adaptation":
        """Return what `to_dict` gave; further keys are left out."""
        known = {f.name for f in dataclasses.fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        for name in ("before", "after"):
            numbers: dict[str, Any] = {
                key: float("nan") if value is None else value
                for key, value in given[name].items()
            }
            given[name] = Judgement(**numbers)
        return cls(**given)


def is_better(before: Judgement, after: Judgement) -> bool:
    """Return whether a model is nearer to the classical phase, or else to the frame."""
    for name in ("inside_rms_rad", "rms_rad", "residual"):
        old, new = getattr(before, name), getattr(after, name)
        if math.isfinite(new) and math.isfinite(old):
            return bool(new < (1 - LEAST_GAIN) * old)
    return False


def judge(
    session: Session,
    frame: LabelledFrame,
    step: int,
    first_column: int = 0,
    token: CancelToken | None = None,
) -> Judgement:
    """Return how well a model does on a frame.

    Parameters
    ----------
    session
        The model.
    frame
        With its classical phase.
    step
        Camera pixels per pixel of the network's grid.
    first_column
        Of that grid, from which on the phases are compared.
    """
    acquisition = frame.acquisition
    # The network's own answer: sharpening would hide what it has learned.
    parameters = NasPRNetParameters(scale=step, sharpened=False)
    made = phase_by_session(
        session,
        acquisition.read(0)[None],
        acquisition,
        parameters,
        token or CancelToken(),
    )
    values = parameters.model_dump(mode="json")
    made = made.replace(history=(Step("retrieve", "nas-prnet", values),))
    checks = check_frame(acquisition, made)
    classical = phase_at(frame.classical, 0, made.shape[1:], made.grid_scale)
    agreement = compare_phases(
        _part(made, made.read(0), first_column), _part(made, classical, first_column)
    )
    residual = checks.residual
    return Judgement(
        residual=float("nan") if residual is None else residual.values["score"],
        verdict=checks.verdict.value,
        rms_rad=agreement.rms_rad,
        correlation=agreement.correlation,
        inside_rms_rad=agreement.inside_rms_rad,
        inside_correlation=agreement.inside_correlation,
    )


def _part(like: PhaseMap, phase: "np.ndarray[Any, Any]", first_column: int) -> PhaseMap:
    return like.replace(phase=phase[None, :, first_column:], frame_notes=())


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "unknown"
