"""The pinhole of a point-diffraction reference, from the light without its fringes.

The sum of the four analysers is ``|U|^2 + |R|^2``. Where the object U only shifts
phase, |U| is even, and the reference R is U without the frequencies above the pinhole's
cut-off: so the spectrum of the sum ends at twice that frequency, far before that of the
fringes. An object that absorbs puts detail of its own into the sum, and hides the end.
"""

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.calibration.noise_spectrum import window

__all__ = ["fit_pinhole"]

RING = 1.0
"""Width of a ring of the spectrum, in bins."""
OVER_NOISE = 4.0
"""Power over the noise from which a ring holds signal."""
LEAST_RINGS = 3
FURTHER = 1.5
"""How much further the fringes must reach than the sum."""
STEEP = 30.0
"""Power over the noise at four fifths of the end: a cut-off is steep."""
BEFORE_END = 0.8


def fit_pinhole(channels: NDArray[Any]) -> Finding:
    """Return the cut-off [cycles/px] of images ``(4, Y, X)`` behind 0 to 135 degrees.

    Parameters
    ----------
    channels
        Dark level taken off, gains divided out, of a field with objects.
    """
    i0, i45, i90, i135 = np.asarray(channels, np.float32)
    total = (i0 + i45 + i90 + i135) / 4
    level = float(total.mean())
    fringes = ((i0 - i90) + 1j * (i135 - i45)) / (2 * level)
    of_sum, of_fringes = _rings(total / level), _rings(fringes)
    end, end_of_fringes = _end(of_sum), _end(of_fringes)
    width = RING / min(total.shape)
    if end < LEAST_RINGS:
        return unknown(
            "Not identifiable: the light without its fringes is even. The pinhole "
            f"passes less than {LEAST_RINGS * width / 2:.2g} cycles/px, or the field "
            "is empty."
        )
    noise = _noise(of_sum)
    is_steep = of_sum[int(BEFORE_END * end)] > STEEP * noise
    if end_of_fringes < FURTHER * end or not is_steep:
        return unknown(
            "Not identifiable: the light without its fringes does not end before the "
            "fringes do. The object absorbs, or the pinhole passes all of it."
        )
    # The window widens every spectrum by a bin.
    edge = (end - 0.5) * width
    return Finding(
        edge / 2,
        width,
        f"The spectrum of the light without fringes ends at {edge:.4f} cycles/px, "
        "twice the cut-off, if the object does not absorb.",
    )


def _rings(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the typical power of rings around zero, out to half a cycle a pixel."""
    weights = window(image.shape)
    level = (image * weights).sum() / weights.sum()
    power = np.abs(scipy.fft.fft2((image - level) * weights)) ** 2
    fy, fx = (scipy.fft.fftfreq(n) for n in image.shape)
    ring = (np.hypot(fy[:, None], fx) * min(image.shape) / RING).astype(np.int64)
    count = int(min(image.shape) / (2 * RING))
    order = np.argsort(ring, axis=None, kind="stable")
    edges = np.searchsorted(ring.ravel()[order], np.arange(count + 1))
    values = power.ravel()[order]
    return np.array(
        [np.median(values[edges[k] : edges[k + 1]]) for k in range(count)], float
    )


def _noise(rings: NDArray[np.float64]) -> float:
    """Return the level of the quietest rings; those of a demosaiced image fall off."""
    return float(np.quantile(rings[len(rings) // 4 :], 0.75))


def _end(rings: NDArray[np.float64]) -> int:
    """Return the first ring that holds noise, and is followed by one that does."""
    is_quiet = rings < OVER_NOISE * _noise(rings)
    return int(np.argmax(is_quiet[:-1] & is_quiet[1:]))
