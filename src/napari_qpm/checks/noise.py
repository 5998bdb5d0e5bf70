"""How much the pixels of a frame scatter without any error in the phase.

Where the instrument states the gain of its camera, noise follows from the light of each
pixel: photons, read-out and rounding to whole counts. Else it is measured in the frame
itself, in a part of its spectrum (or a combination of its angles) that optics cannot
reach. Both give the noise of one raw pixel in counts.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import Instrument

__all__ = [
    "camera_noise",
    "colour_noise",
    "four_angle_noise",
    "mosaic_noise",
    "out_of_band_noise",
]

LEAST_NOISE = 12**-0.5
"""Rounding to whole counts alone."""
LEAST_FREE_BINS = 200
TAPERED_SHARE = 0.1
LARGEST_SIDE = 1024
"""Pixels; noise of a large frame is measured in its centre."""


def camera_noise(
    counts: NDArray[np.float32], instrument: Instrument
) -> NDArray[np.float32] | None:
    """Return the noise of pixels with these mean counts, or `None` without a gain.

    ``variance = (counts - dark) / gain + (read noise / gain)^2 + step^2 / 12``, the
    gain in electrons a count; unknown read noise and dark level count as zero.
    """
    gain = instrument.gain_e_per_count
    if gain is None:
        return None
    light = np.maximum(counts - np.float32(instrument.dark_counts or 0), 0)
    fixed = ((instrument.read_noise_e or 0) / gain) ** 2
    fixed += (1 << instrument.bit_shift) ** 2 / 12
    variance = light * np.float32(1 / gain) + np.float32(fixed)
    return np.asarray(np.sqrt(variance), np.float32)


def out_of_band_noise(
    frame: NDArray[np.float32], carrier: tuple[float, float]
) -> float:
    """Return the noise of a hologram, from its spectrum between the orders.

    Left out are disks around the central order, the sidebands and their second
    harmonics. The rest holds noise, which is white, and perhaps some parasitic
    fringes, which the median passes over.
    """
    distance = float(np.hypot(*carrier))
    disks = [((0.0, 0.0), 0.75 * distance)]
    for order, radius in ((1, 0.55), (2, 0.4)):
        at = (order * carrier[0], order * carrier[1])
        disks += [(at, radius * distance), ((-at[0], -at[1]), radius * distance)]
    return _spectral_noise(frame, disks)


def mosaic_noise(frame: NDArray[np.float32]) -> float:
    """Return the noise of a polarization mosaic, from the corner of its spectrum.

    Around (1/2, 1/2) lies I0 + I90 - I45 - I135, which is zero for every phase; its
    very centre, where unequal gains show, is left out.
    """
    disks = [((0.0, 0.0), 0.45), ((0.5, 0.0), 0.25), ((0.0, 0.5), 0.25)]
    disks.append(((0.5, 0.5), 0.05))
    return _spectral_noise(frame, disks)


def four_angle_noise(images: NDArray[np.float32]) -> float:
    """Return the noise of four images at 0, 45, 90, 135 degrees ``(4, Y, X)``.

    I0 + I90 - I45 - I135 is zero for every phase; what is smooth in it is a difference
    of gains.
    """
    mismatch = images[0] + images[2] - images[1] - images[3]
    mismatch = mismatch - ndimage.uniform_filter(mismatch, 9)
    # The mean of 81 pixels took away 1/81 of the variance.
    spread = 1.4826 * np.median(np.abs(mismatch)) / np.sqrt(4 * 80 / 81)
    return float(max(spread, LEAST_NOISE))


def colour_noise(frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the noise ``(C, 1, 1)`` of each channel of a colour picture.

    It is measured in the corners of the spectrum, finer than what optics resolve unless
    the pixels are very coarse.
    """
    noise = [_spectral_noise(channel, [((0.0, 0.0), 0.45)]) for channel in frame]
    return np.array(noise, np.float32)[:, None, None]


def _spectral_noise(
    frame: NDArray[np.float32], disks: list[tuple[tuple[float, float], float]]
) -> float:
    """Return the noise of a pixel from the spectrum outside these disks."""
    cut = tuple(
        slice(
            max(0, (n - LARGEST_SIDE) // 2),
            max(0, (n - LARGEST_SIDE) // 2) + LARGEST_SIDE,
        )
        for n in frame.shape
    )
    part = frame[cut]
    # Mostly flat: a window with a peak would weigh the brighter centre of a field more.
    windows = [_window(n) for n in part.shape]
    tapered = (part - part.mean()) * windows[0][:, None] * windows[1]
    power = np.abs(scipy.fft.rfft2(tapered, workers=2)) ** 2
    energy = float(np.prod([np.sum(w.astype(np.float64) ** 2) for w in windows]))
    fy = scipy.fft.fftfreq(part.shape[0]).astype(np.float32)[:, None]
    fx = scipy.fft.rfftfreq(part.shape[1]).astype(np.float32)
    for shrink in (1.0, 0.75, 0.5):
        free = np.ones(power.shape, bool)
        for (y, x), radius in disks:
            squared = _around(fy - y) ** 2 + _around(fx - x) ** 2
            free &= squared > (shrink * radius) ** 2
        values = power[free]
        if values.size >= LEAST_FREE_BINS:
            break
    else:
        values = power.ravel()
    # The power of white noise is exponentially distributed: median = ln 2 * mean.
    variance = float(np.median(values)) / (np.log(2) * energy)
    return max(float(np.sqrt(variance)), LEAST_NOISE)


def _window(length: int) -> NDArray[np.float32]:
    """Return 1 with cosine ramps to 0 at both ends."""
    ramp_px = max(1.0, TAPERED_SHARE * length)
    from_edge = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    ramp = np.minimum(from_edge / ramp_px, 1)
    return (0.5 - 0.5 * np.cos(np.pi * ramp)).astype(np.float32)


def _around(frequency: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return frequencies between -1/2 and 1/2 cycles/px."""
    return frequency - np.rint(frequency)
