"""Level and noise of the empty background of a phase image, whatever the confluence.

The background is the lowest clear peak of the histogram, not the highest one: in a
crowded field most pixels are cells, and negative halos make a tail below it, no peak.
Where gaps are so few that they make no clear peak, a faint peak near zero is taken,
because retrieved phase has its background there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import find_peaks

from napari_qpm.segmentation._level_kernels import bin_counts, block_deviations

__all__ = ["BackgroundLevel", "background_level"]

_NEAR_ZERO = 0.25
_RANGE_PERCENT = (0.1, 99.9)
_LEAST_PROMINENCE = 0.5
_PLATEAU = 0.7
_BINS_PER_NOISE = 3
_MOST_BINS = 20_000
_ENOUGH_VALUES = 400_000


@dataclass(frozen=True)
class _Search:
    """How finely peaks are looked for, and how high they are at least.

    The width of histogram bins follows the noise inside the quietest share of blocks.
    """

    block_px: int
    quiet_share: float
    least_height: float


_CLEAR = _Search(block_px=8, quiet_share=0.05, least_height=0.05)
_FAINT = _Search(block_px=4, quiet_share=0.002, least_height=0.005)


@dataclass(frozen=True)
class BackgroundLevel:
    """Level and standard deviation of the background, in units of the image."""

    level: float
    noise: float


def background_level(image: NDArray[np.floating]) -> BackgroundLevel:
    """Return level and noise of the background of a ``(Y, X)`` image.

    The noise is read from the lower flank of the peak, where no cell contributes, as
    twice the distance that holds the nearest 38.3 % of the values (half a standard
    deviation of a normal distribution); halos reach further down and hardly matter.

    Parameters
    ----------
    image
        Slightly smoothed phase; pixels that are not finite are left out.
    """
    values = image[np.isfinite(image)]
    if values.size == 0:
        return BackgroundLevel(0.0, 0.0)
    limits = np.percentile(_some_of(values), _RANGE_PERCENT)
    low, high = (float(limit) for limit in limits)
    floor = 1e-6 * max(abs(low), abs(high))
    if high - low <= floor:
        return BackgroundLevel(float(np.median(values)), float(floor))
    clear = _peaks(image, values, (low, high), _CLEAR, floor)
    level = clear.min()
    faint = _peaks(image, values, (low, high), _FAINT, floor)
    gaps = faint[np.abs(faint).argmin()]
    if abs(gaps) < _NEAR_ZERO * (level - gaps):
        level = gaps
    some = _some_of(values)
    below = level - some[some < level]
    noise = 2 * float(np.quantile(below, 0.3829)) if below.size else 0.0
    return BackgroundLevel(float(level), max(noise, float(floor)))


def _some_of(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return values from all over a frame, enough for percentiles and quickly sorted.

    Their number tells a deviation to 0.3 %.
    """
    return values[:: max(1, values.size // _ENOUGH_VALUES)]


def _peaks(
    image: NDArray[np.floating],
    values: NDArray[np.floating],
    limits: tuple[float, float],
    search: _Search,
    floor: float,
) -> NDArray[np.float64]:
    """Return the middles of the peaks of the histogram; always at least one."""
    noise = max(_quiet_noise(image, search), floor)
    low, high = limits
    n_bins = int(np.clip((high - low) * _BINS_PER_NOISE / noise, 16, _MOST_BINS))
    counts = bin_counts(values, low, high, n_bins)
    edges = np.linspace(low, high, n_bins + 1)
    density = ndimage.gaussian_filter1d(
        np.pad(counts.astype(float), 1), _BINS_PER_NOISE, mode="constant"
    )
    peaks, found = find_peaks(density, prominence=0)
    clear = found["prominences"] >= _LEAST_PROMINENCE * density[peaks]
    clear &= density[peaks] >= search.least_height * density.max()
    chosen = peaks[clear] if clear.any() else np.array([density.argmax()])
    centres = np.concatenate([edges[:1], (edges[:-1] + edges[1:]) / 2, edges[-1:]])
    return np.array([_plateau_middle(density, peak, centres) for peak in chosen])


def _plateau_middle(
    density: NDArray[np.float64], peak: int, centres: NDArray[np.float64]
) -> float:
    """Return the middle of a peak: a tilted background makes a plateau with ripples."""
    low = np.flatnonzero(density < _PLATEAU * density[peak])
    after = np.searchsorted(low, peak)
    first = low[after - 1] + 1 if after > 0 else 0
    last = low[after] - 1 if after < low.size else density.size - 1
    return float(centres[first] + centres[last]) / 2


def _quiet_noise(image: NDArray[np.floating], search: _Search) -> float:
    """Return the standard deviation inside the quietest blocks of the image."""
    block = search.block_px
    rows, columns = (size // block for size in image.shape)
    if rows * columns == 0:
        return float(np.std(image[np.isfinite(image)], dtype=np.float64))
    spread = block_deviations(image, block)
    spread = spread[np.isfinite(spread)]
    return float(np.quantile(spread, search.quiet_share)) if spread.size else 0.0
