"""A network's phase, brought into line with the fringes of its own frame.

A network knows where cells are and how many turns they are high; the fringes know the
phase to a hundredth of a turn, but for whole turns and the empty field's curvature. So
the network's phase is taken out of the fringes: what is left is its error, small and
smooth enough to be unwrapped, and is added to it.
"""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import LayoutError
from napari_qpm.retrieval.background import fit_wrapped_slopes
from napari_qpm.retrieval.demodulation import Demodulator
from napari_qpm.retrieval.engine import Unwrapping
from napari_qpm.retrieval.off_axis_engine import fill_nan
from napari_qpm.retrieval.unwrapping import unwrap

__all__ = ["sharpen"]

FILTER_SHARE = 0.5
"""Radius of the filter around the sideband over the carrier frequency: what the network
has found already need not be kept clear of, so it may be wide."""
EMPTY_RAD, EMPTY_SHARE = 0.3, 0.05
"""Where the network sees less than this, or the lowest of it, the field is empty."""

FloatImage = NDArray[np.float32]


def sharpen(
    phase: FloatImage, frame: NDArray[np.generic], acquisition: Acquisition
) -> FloatImage:
    """Return a phase ``(Y, X)`` [rad] that follows the fringes of its frame.

    Parameters
    ----------
    phase
        ``(Y, X)`` [rad] on the camera's grid, right to about half a turn.
    frame
        ``(Y, X)`` raw counts.
    acquisition
        With sideband and sign known; a reference is divided out.

    Raises
    ------
    LayoutError
        Phase and frame have different shapes.
    MissingMetadataError
        The sideband is not known.
    """
    if phase.shape != frame.shape:
        raise LayoutError(
            f"The phase is {phase.shape}, its frame {frame.shape}; sharpening runs on "
            "the camera's grid."
        )
    guess = np.nan_to_num(phase)
    rest = np.angle(_field(frame, acquisition) * np.exp(-1j * guess))
    rest = rest.astype(np.float32)
    smooth = fit_wrapped_slopes(rest).evaluate((phase.shape[0], phase.shape[1]))
    turned = np.exp(1j * (rest - smooth))
    turned *= np.conj(turned.mean())
    error = unwrap(np.angle(turned).astype(np.float32), Unwrapping.AUTO).phase
    error -= 2 * np.pi * np.round(np.median(error) / (2 * np.pi))
    found = guess + error
    empty = guess <= max(EMPTY_RAD, float(np.quantile(guess, EMPTY_SHARE)))
    return np.asarray(found - np.median(found[empty]), np.float32)


def _field(
    frame: NDArray[np.generic], acquisition: Acquisition
) -> NDArray[np.complex64]:
    """Return the complex field ``(Y, X)`` of the sideband, its phase of our sign."""
    instrument = acquisition.instrument
    carrier = instrument.require(
        "sideband_cycles_per_px", "Sharpening", acquisition.name
    )
    radius = FILTER_SHARE * float(np.hypot(*carrier))
    shape = (int(frame.shape[0]), int(frame.shape[1]))
    demodulator = Demodulator(shape, carrier, radius, full=True)
    field = demodulator.field(fill_nan(frame[None])[0])[0]
    if acquisition.reference is not None:
        field = field * np.conj(
            demodulator.field(fill_nan(acquisition.reference)[0])[0]
        )
    is_reversed = (instrument.phase_sign or 1) < 0
    return np.asarray(np.conj(field) if is_reversed else field, np.complex64)
