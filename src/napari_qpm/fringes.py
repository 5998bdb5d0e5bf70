"""The carrier of a hologram: found here, for readers (what is this?) and engines."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

__all__ = ["Carrier", "find_carrier"]

MIN_FREQUENCY = 0.05
"""Cycles/px below which structure is taken for image content, not for a carrier."""
MIN_PROMINENCE = 20.0
"""Peak over the median of its ring (amplitudes). Seen: holograms 190 to 1200,
ordinary pictures up to 18, noise 2."""
MAX_RIVAL = 0.6
"""Amplitude of a second independent peak over the first; crossed gratings have 1."""


@dataclass(frozen=True)
class Carrier:
    """The strongest periodic pattern of a frame.

    Parameters
    ----------
    frequency
        ``(fy, fx)`` in cycles/px, fx >= 0.
    prominence
        Its amplitude over the median amplitude at the same period.
    rival
        Amplitude of the next independent peak over that of this one.
    rival_frequency
        ``(fy, fx)`` of that next peak.
    """

    frequency: tuple[float, float]
    prominence: float
    rival: float
    rival_frequency: tuple[float, float]

    @property
    def is_clear(self) -> bool:
        """Whether this is the single carrier of an off-axis hologram."""
        return self.prominence >= MIN_PROMINENCE and self.rival <= MAX_RIVAL


def find_carrier(frame: NDArray[Any]) -> Carrier:
    """Return the strongest carrier of a frame ``(Y, X)``, clear or not.

    The spectrum of the windowed frame is smoothed first, so that a curved background,
    which spreads the sideband, still has one peak; a peak that is sharp is then refined
    to a fraction of a bin by a parabola through the logarithm of the spectrum.
    """
    image = np.asarray(frame, dtype=np.float32)
    image = np.nan_to_num(image - np.nanmean(image))
    ny, nx = image.shape
    window_y = np.hanning(ny).astype(np.float32)[:, None]
    window_x = np.hanning(nx).astype(np.float32)[None]
    power = np.abs(scipy.fft.rfft2(image * window_y * window_x)) ** 2
    fy = scipy.fft.fftfreq(ny)[:, None]
    fx = scipy.fft.rfftfreq(nx)[None]
    radius = np.hypot(fy, fx)
    width = max(1.0, 0.004 * min(ny, nx))
    smooth = scipy.ndimage.gaussian_filter(power, width, mode=("wrap", "reflect"))
    # fx = 0 holds both signs of fy: keep one of each pair.
    allowed = (radius > MIN_FREQUENCY) & ~((fx == 0) & (fy < 0))
    first = _argmax(np.where(allowed, smooth, 0))
    peak = float(smooth[first])
    y, x = float(fy[first[0], 0]), float(fx[0, first[1]])
    distance = float(np.hypot(y, x))
    own = (np.hypot(fy - y, fx - x) < distance / 3) | (
        np.hypot(fy + y, fx + x) < distance / 3
    )
    ring = allowed & ~own & (np.abs(radius - distance) < 0.1 * distance)
    floor = float(np.median(smooth[ring])) if ring.any() else 0.0
    second = _argmax(np.where(allowed & ~own, smooth, 0))
    return Carrier(
        frequency=_refine(power, first, width, nx),
        prominence=float(np.sqrt(peak / floor)) if floor > 0 else 0.0,
        rival=float(np.sqrt(smooth[second] / peak)) if peak > 0 else 1.0,
        rival_frequency=(float(fy[second[0], 0]), float(fx[0, second[1]])),
    )


def _argmax(values: NDArray[Any]) -> tuple[int, int]:
    i, j = np.unravel_index(int(values.argmax()), values.shape)
    return int(i), int(j)


def _refine(
    power: NDArray[np.float32], peak: tuple[int, int], width: float, nx: int
) -> tuple[float, float]:
    """Return the sub-bin frequency of the strongest raw bin near a smoothed peak."""
    ny, columns = power.shape
    reach = int(np.ceil(2 * width))
    rows = np.arange(peak[0] - reach, peak[0] + reach + 1)
    cols = np.arange(peak[1] - reach, peak[1] + reach + 1)
    cols = cols[(cols >= 0) & (cols < columns)]
    patch = power[np.ix_(rows % ny, cols)]
    i, j = _argmax(patch)
    row, col = int(rows[i]), int(cols[j])
    dy = _vertex(*(power[(row + step) % ny, col] for step in (-1, 0, 1)))
    dx = 0.0
    if 0 < col < columns - 1:
        dx = _vertex(*power[row % ny, col - 1 : col + 2])
    frequency_y = (row + dy) / ny
    frequency_y -= np.round(frequency_y)
    return float(frequency_y), float((col + dx) / nx)


def _vertex(left: float, centre: float, right: float) -> float:
    """Return where a Gaussian through three equidistant powers peaks, in steps."""
    if min(left, centre, right) <= 0:
        return 0.0
    a, b, c = np.log((left, centre, right))
    curvature = a - 2 * b + c
    if curvature >= 0:
        return 0.0
    return float(np.clip(0.5 * (a - c) / curvature, -0.5, 0.5))
