"""What a model of the raw frame says of one phase: the frame that it explains."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameFit", "fringe_misfit", "usable_frame"]

DARK_SHARE = 0.3
"""Fringes with less than this share of the median amplitude have no phase to trust."""


@dataclass(frozen=True)
class FrameFit:
    """A raw frame re-made from a phase, with its nuisances fitted.

    Parameters
    ----------
    predicted
        ``(C, Y, X)`` mean counts; NaN where the phase is NaN.
    best
        ``(C, Y, X)``: the same with the frame's own fringes instead of a phase, the
        least that any phase of the same detail could leave. `None` where a frame does
        not show its phase directly.
    noise
        Noise of a raw pixel [counts] measured in the frame, or of each channel
        ``(C, 1, 1)``.
    misfit_rad
        ``(y, x)`` wrapped phase that the frame's fringes have beyond this phase and the
        fitted smooth one, on the grid of the fit; NaN where there are no fringes.
    sign
        Factor with which the phase explains the frame best.
    sign_is_free
        Whether both signs were tried, because a camera cannot tell them apart.
    margin_px
        Width of the frame's edge in which the model is not exact.
    sees_turns
        Whether a whole turn (2 pi) changes the frame.
    """

    predicted: NDArray[np.float32]
    best: NDArray[np.float32] | None
    noise: float | NDArray[np.float32]
    misfit_rad: NDArray[np.float32]
    sign: int
    sign_is_free: bool
    margin_px: int
    sees_turns: bool = False


def usable_frame(frame: NDArray[Any]) -> NDArray[np.float32]:
    """Return a raw frame ``(C, Y, X)`` as float32 with its mean in lost pixels."""
    values = frame.astype(np.float32)
    if frame.dtype.kind != "f":
        return values
    lost = ~np.isfinite(values)
    if lost.any():
        values[lost] = values[~lost].mean() if not lost.all() else 0
    return values


def fringe_misfit(
    measured: NDArray[np.complex64],
    modelled: NDArray[np.complex64],
    is_known: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return the phase of a measured field over a modelled one, NaN where dark."""
    misfit = np.angle(measured * np.conj(modelled)).astype(np.float32)
    amplitude = np.abs(measured)
    misfit[~is_known | (amplitude < DARK_SHARE * np.median(amplitude))] = np.nan
    return misfit
