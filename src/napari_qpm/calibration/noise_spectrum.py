"""Where in its spectrum a frame holds noise alone, and the frame parted there.

Light from an objective has no detail beyond a cut-off; shot and read noise are equally
strong at all frequencies. So what stands above the flat floor of the spectrum is signal
(scene, fringes, mosaic pattern), and what lies on the floor is noise.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

__all__ = ["NoiseBand", "find_noise_band", "window"]

SMOOTHING_BINS = 4.0
"""Width of the Gaussian that steadies the spectrum."""
SIGNAL_OVER_FLOOR = 1.6
"""Smoothed power over the floor from which a bin counts as signal. Noise alone, over
some 90 independent bins, stays within five standard deviations below it; bins that
stand out by chance must stay in, or the noise that is left would be too small."""
GROW_BINS = 3
TILES = 16
MIN_TILE_SHARE = 0.6
"""Free share of a tile of the spectrum that is asked whether noise is white."""


@dataclass(frozen=True, eq=False)
class NoiseBand:
    """Noise and signal of a frame.

    Parameters
    ----------
    is_noise
        ``(Y, X // 2 + 1)`` bins, in the order of `scipy.fft.rfft2`, that hold noise.
    share
        Share of the plane of frequencies that they cover.
    unevenness
        Relative standard deviation of the noise power over the tiles of the spectrum,
        statistics taken off: 0 for white noise.
    """

    is_noise: NDArray[np.bool_]
    share: float
    unevenness: float

    def noise_of(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the part of a frame ``(Y, X)`` that lies in the noise band.

        The frame is windowed first; only the inside is right (see `window`).
        """
        weights = window(frame.shape)
        spectrum = scipy.fft.rfft2((frame - frame.mean()) * weights)
        part = scipy.fft.irfft2(spectrum * self.is_noise, s=frame.shape)
        return np.asarray(part, dtype=np.float32)

    def kernel_squared(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the square of the band's impulse response, by FFT order.

        Convolved with the variance of white noise it gives that of `noise_of`.
        """
        response = scipy.fft.irfft2(self.is_noise.astype(np.float32), s=shape)
        return np.asarray(response**2, dtype=np.float32)


def window(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the Hann window ``(Y, X)``, which keeps edges out of the spectrum."""
    rows, columns = (np.hanning(n).astype(np.float32) for n in shape)
    return rows[:, None] * columns


def find_noise_band(frame: NDArray[Any]) -> NoiseBand:
    """Return where the spectrum of a frame ``(Y, X)`` holds noise alone."""
    image = np.asarray(frame, dtype=np.float32)
    weights = window(image.shape)
    power = np.abs(scipy.fft.rfft2((image - image.mean()) * weights)) ** 2
    smooth = scipy.ndimage.gaussian_filter(
        power, SMOOTHING_BINS, mode=("wrap", "reflect")
    )
    floor = _floor(smooth)
    is_signal = smooth > SIGNAL_OVER_FLOOR * floor
    # A lone bin above the floor is chance; what is signal comes in patches.
    is_signal = scipy.ndimage.binary_opening(is_signal, iterations=1)
    wrapped = np.pad(is_signal, ((GROW_BINS, GROW_BINS), (0, 0)), mode="wrap")
    wrapped = scipy.ndimage.binary_dilation(wrapped, iterations=GROW_BINS)
    is_noise = ~wrapped[GROW_BINS:-GROW_BINS]
    counts = _column_weights(image.shape[1])
    share = float((is_noise * counts).sum() / (counts.sum() * image.shape[0]))
    return NoiseBand(is_noise, share, _unevenness(power, is_noise))


def _floor(smooth: NDArray[np.float32]) -> float:
    """Return the level that most bins of the quietest part of a spectrum have.

    The median of the quietest quarter, again and again with what lies close to it,
    until it stays: the densest level near the bottom.
    """
    level = float(np.quantile(smooth, 0.05))
    for _ in range(20):
        near = smooth[smooth < SIGNAL_OVER_FLOOR * level]
        updated = float(np.median(near)) if near.size else level
        if abs(updated - level) < 1e-3 * level:
            break
        level = updated
    return level


def _column_weights(width: int) -> NDArray[np.float32]:
    """Return how many bins of the full spectrum each column of the half one stands for.

    All count twice but the first, and the last of an even width.
    """
    weights = np.full(width // 2 + 1, 2, np.float32)
    weights[0] = 1
    if width % 2 == 0:
        weights[-1] = 1
    return weights


def _unevenness(power: NDArray[np.float32], is_noise: NDArray[np.bool_]) -> float:
    """Return the relative spread of the noise level over tiles of the spectrum."""
    levels, variances = [], []
    rows = np.array_split(np.arange(power.shape[0]), TILES)
    columns = np.array_split(np.arange(power.shape[1]), TILES // 2)
    for some_rows in rows:
        for some_columns in columns:
            tile = np.ix_(some_rows, some_columns)
            free = is_noise[tile]
            if free.mean() < MIN_TILE_SHARE:
                continue
            values = power[tile][free]
            levels.append(float(values.mean()))
            # Neighbours share the window's lobe: about 3 bins count as one.
            variances.append(3 / values.size)
    if len(levels) < 4:
        return 0.0
    spread = np.std(levels) / np.mean(levels)
    return math.sqrt(max(float(spread**2 - np.mean(variances)), 0.0))
