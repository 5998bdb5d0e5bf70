"""The three checks of a frame side by side: what one is blind to, another may see."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.checks.background_check import background_check, find_field
from napari_qpm.checks.frame_fit import fringe_misfit
from napari_qpm.checks.residual import (
    as_phase_map,
    has_frame_model,
    residual_check,
    residual_frame,
)
from napari_qpm.checks.smooth_phase import fit_smooth_phase, smooth_terms
from napari_qpm.checks.unwrap_check import find_turns, unwrap_check
from napari_qpm.checks.verdict import Check, Verdict

__all__ = ["Checks", "check_frame"]


@dataclass(frozen=True)
class Checks:
    """Outcome of the three checks of one frame.

    Parameters
    ----------
    residual
        Does the phase explain the raw frame? `None` where there is no raw frame.
    unwrapping
        Are whole turns where they belong?
    background
        Is the empty field flat and at zero?
    """

    residual: Check | None
    unwrapping: Check
    background: Check

    def __iter__(self) -> Iterator[Check]:
        """Iterate over the checks that were made."""
        found = (self.residual, self.unwrapping, self.background)
        return iter([check for check in found if check is not None])

    @property
    def verdict(self) -> Verdict:
        """The worst of the verdicts."""
        return max((check.verdict for check in self), key=lambda v: v.rank)

    def summary(self) -> str:
        """Return the verdicts in one line."""
        parts = [f"{check.title.lower()} {check.verdict.value}" for check in self]
        return f"Checks {self.verdict.value}: {', '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them."""
        found = {check.title.lower(): check.to_dict() for check in self}
        return {"verdict": self.verdict.value, **found}

    def describe(self) -> str:
        """Return what each check sees and cannot see, one line each."""
        lines = [check.describe() for check in self]
        if self.residual is None:
            lines.insert(
                0, "Residual: there is no raw frame of this plane to compare with."
            )
        return "\n".join(lines)


def check_frame(
    acquisition: Acquisition,
    phase: Any,
    t: int = 0,
    labels: NDArray[np.integer] | None = None,
) -> Checks:
    """Return the three checks of the phase of frame `t`.

    Parameters
    ----------
    acquisition
        The recording.
    phase
        Its `PhaseMap`, or an array ``(T, Y, X)`` or ``(Y, X)`` [rad].
    t
        Number of the frame; the one before is compared for jumps.
    labels
        ``(Y, X)`` cells of that frame on the grid of the phase, if they are known.
    """
    phase_map = as_phase_map(acquisition, phase)
    t %= phase_map.n_frames
    image = phase_map.read(t)
    frame = (
        residual_frame(acquisition, phase_map, t)
        if has_frame_model(acquisition, phase_map)
        else None
    )
    misfit = _own_misfit(phase_map, t) if frame is None else frame.misfit_rad
    previous = phase_map.read(t - 1) if t > 0 else None
    return Checks(
        residual=None if frame is None else residual_check(frame),
        unwrapping=unwrap_check(find_turns(image, misfit, previous), image.size),
        background=background_check(find_field(image, labels)),
    )


def _own_misfit(phase_map: PhaseMap, t: int) -> NDArray[np.float32] | None:
    """Return the difference of phase and recorded wrapped phase, if that is known."""
    if phase_map.wrapped is None:
        return None
    difference = np.exp(1j * (np.asarray(phase_map.wrapped[t]) - phase_map.read(t)))
    known = np.isfinite(difference)
    field = np.where(known, difference, 0).astype(np.complex64)
    smooth = fit_smooth_phase(field, smooth_terms(phase_map))
    return fringe_misfit(field, smooth.phasor(field.shape), known)
