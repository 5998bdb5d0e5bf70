"""What the sideband of an empty field would hold beside its carrier.

From a hologram of the empty field, or, without one, tilt and curvature of the hologram
itself. It is found before any unwrapping, so it may be wrapped.
"""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.retrieval.background import fit_wrapped_slopes
from napari_qpm.retrieval.demodulation import cached_demodulator

__all__ = ["surface_of_frame", "surface_of_reference"]

FILTER_SHARE = 1 / 3
"""Radius of the filter around the sideband over the carrier frequency."""

Carrier = tuple[float, float]
FloatImage = NDArray[np.float32]


def surface_of_reference(reference: FloatImage, carrier: Carrier) -> FloatImage:
    """Return the wrapped phase ``(Y, X)`` [rad] of an empty field's hologram.

    Parameters
    ----------
    reference
        ``(Y, X)`` raw counts without NaN.
    carrier
        ``(fy, fx)`` of the sideband [cycles/px].
    """
    return _wrapped(reference, carrier, full=True)


def surface_of_frame(hologram: FloatImage, carrier: Carrier) -> FloatImage:
    """Return tilt and curvature ``(Y, X)`` [rad] of a hologram with cells.

    Cells are outliers of the fit. What it leaves is left to the network.

    Parameters
    ----------
    hologram
        ``(Y, X)`` raw counts without NaN.
    carrier
        ``(fy, fx)`` of the sideband [cycles/px].
    """
    slopes = fit_wrapped_slopes(_wrapped(hologram, carrier, full=False))
    return slopes.evaluate((hologram.shape[0], hologram.shape[1]))


def _wrapped(hologram: FloatImage, carrier: Carrier, *, full: bool) -> FloatImage:
    radius = FILTER_SHARE * float(np.hypot(*carrier))
    shape = (int(hologram.shape[0]), int(hologram.shape[1]))
    demodulator = cached_demodulator(shape, carrier, radius, full=full)
    wrapped = np.angle(demodulator.field(hologram[None])[0])
    return np.asarray(wrapped, np.float32)
