"""Gain and read noise from how the variance of raw counts grows with their mean.

``variance = (mean - dark) / gain + (read noise / gain)^2 + step^2 / 12``: the slope is
one over the gain. The noise of a pixel is what is left of a frame without the signal
(`noise_spectrum`), its mean is that signal; fringes alone give a wide range of means.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.calibration.noise_spectrum import find_noise_band, window

__all__ = ["NoiseSamples", "PhotonTransfer", "fit_transfer", "sample_noise"]

MIN_WINDOW = 0.5
"""Window weight from which a pixel counts."""
MIN_SHARE = 0.05
"""Share of the spectrum that must hold noise alone."""
MAX_UNEVENNESS = 0.25
"""Relative spread of noise power over the spectrum; real holograms have up to 0.2."""
BINS = 24
GROUPS = 16
MAX_SLOPE_ERROR = 0.3
"""Relative error of the slope above which it tells no gain."""


@dataclass(frozen=True, eq=False)
class NoiseSamples:
    """Pixels of one frame: their mean and the noise around it.

    Parameters
    ----------
    mean
        ``(n,)`` expected raw counts.
    noise
        ``(n,)`` deviations, scaled to the standard deviation of a raw pixel.
    group
        ``(n,)`` part of the frame, 0 to `GROUPS` - 1: fits to single parts tell how
        sure the fit to all is.
    problem
        Why there are none, as a sentence; empty when there are.
    """

    mean: NDArray[np.float32]
    noise: NDArray[np.float32]
    group: NDArray[np.int64]
    problem: str = ""


@dataclass(frozen=True)
class PhotonTransfer:
    """What the camera's noise says.

    Parameters
    ----------
    gain
        Electrons per raw count.
    read_noise
        Electrons.
    """

    gain: Finding
    read_noise: Finding


def sample_noise(
    frame: NDArray[Any],
    partner: NDArray[Any] | None = None,
    saturation: float | None = None,
) -> NoiseSamples:
    """Return means and noise of the pixels of a raw frame ``(Y, X)``.

    Parameters
    ----------
    frame
        Raw counts.
    partner
        Another frame of the same field: the noise is then that of the difference, in
        which nothing of a fixed pattern is left.
    saturation
        Raw value from which pixels are left out, with their surroundings.
    """
    image = np.asarray(frame, dtype=np.float32)
    other = None if partner is None else np.asarray(partner, dtype=np.float32)
    if other is not None and np.array_equal(image, other):
        return _none("The two frames hold the same pixels.")
    source = level = image
    if other is not None:
        source = np.asarray((image - other) / np.sqrt(2), np.float32)
        level = np.asarray((image + other) / 2, np.float32)
    if min(image.shape) < 64:
        return _none("The frame is smaller than 64 pixels.")
    band, level_band = find_noise_band(source), find_noise_band(level)
    if band.share < MIN_SHARE or level_band.share < MIN_SHARE:
        return _none("Structure fills the whole spectrum; none of it is noise alone.")
    if band.unevenness > MAX_UNEVENNESS:
        return _none(
            "The noise is not white (its power varies by "
            f"{band.unevenness:.0%} over the spectrum): the frame was compressed, "
            "filtered or resampled, or fine structure hides the noise."
        )
    weights = window(image.shape)
    mean = _smoothed(level, level_band.noise_of(level), weights)
    squared = band.kernel_squared(source.shape)
    spread = float(squared.sum())
    spectrum = scipy.fft.rfft2(squared) * scipy.fft.rfft2(mean * weights**2)
    expected = scipy.fft.irfft2(spectrum, s=mean.shape) / spread
    use = weights > MIN_WINDOW
    use &= ~_near_saturation(image, other, saturation)
    if use.sum() < 2000:
        return _none("Nearly all of the frame is saturated.")
    noise = band.noise_of(source)[use] / (weights[use] * np.float32(np.sqrt(spread)))
    row, column = np.nonzero(use)
    side = max(8, min(image.shape) // 24)
    group = (row // side * 5 + column // side * 3) % GROUPS
    return NoiseSamples(
        np.asarray(expected[use] / weights[use] ** 2, np.float32), noise, group
    )


def fit_transfer(
    samples: list[NoiseSamples],
    *,
    step: float = 1.0,
    dark: Finding,
    dark_noise_counts: float | None = None,
    how: str,
) -> PhotonTransfer:
    """Return gain and read noise from the noise of one or more frames.

    Parameters
    ----------
    samples
        Of each frame.
    step
        Raw counts between two neighbouring raw values.
    dark
        Dark level [raw counts], known or not.
    dark_noise_counts
        Standard deviation of a dark pixel, measured, if it was.
    how
        What the samples are, for the report.
    """
    usable = [one for one in samples if not one.problem]
    if not usable:
        reason = samples[0].problem if samples else "There are no raw frames."
        needs = "Not identifiable. " + reason
        return PhotonTransfer(unknown(needs), unknown(needs))
    mean = np.concatenate([one.mean for one in usable])
    noise = np.concatenate([one.noise for one in usable])
    group = np.concatenate([one.group for one in usable])
    slope, intercept = _line(mean, noise)
    errors = _errors(mean, noise, group)
    if not slope > 0 or errors[0] > MAX_SLOPE_ERROR * slope:
        return _from_level(mean, noise, dark, step, slope, errors[0])
    gain = 1 / slope
    low, high = np.quantile(mean, (0.01, 0.99))
    gain_error = max(gain * errors[0] / slope, 0.005 * gain)
    found = Finding(
        float(gain),
        float(gain_error),
        f"Photon transfer, {how}: variance against mean from {low:.0f} to {high:.0f} "
        "counts.",
    )
    if dark_noise_counts is not None:
        return PhotonTransfer(found, _read_noise_of_dark(dark_noise_counts, gain, step))
    if dark.value is None:
        reason = (
            "Not identifiable without the dark level: the variance at no light mixes "
            "both. Give a dark recording or dark_counts."
        )
        return PhotonTransfer(found, unknown(reason))
    offset = intercept + slope * float(dark.value) - step**2 / 12
    error = _errors(mean, noise, group, float(dark.value))[1]
    return PhotonTransfer(found, _read_noise(offset, error, gain))


def _read_noise(offset: float, error: float, gain: float) -> Finding:
    """Return the read noise of a variance at no light [counts^2]."""
    limit = gain * float(np.sqrt(max(offset, 0) + 2 * error))
    if offset < 3 * error:
        return unknown(
            f"Not identifiable below the shot noise; it is less than about {limit:.2g} "
            "electrons. A dark recording tells it."
        )
    value = gain * float(np.sqrt(offset))
    return Finding(
        value,
        0.5 * value * error / offset,
        "Variance that photon transfer leaves at the dark level, rounding taken off.",
    )


def _read_noise_of_dark(deviation: float, gain: float, step: float) -> Finding:
    variance = deviation**2 - step**2 / 12
    if deviation < 0.5 * step:
        return unknown(
            "Not identifiable: the noise of dark pixels is below the rounding of the "
            f"camera, so it is less than about {0.5 * step * gain:.2g} electrons."
        )
    value = gain * float(np.sqrt(variance))
    return Finding(value, 0.02 * value, "Noise of the dark recording times the gain.")


def _from_level(
    mean: NDArray[np.float32],
    noise: NDArray[np.float32],
    dark: Finding,
    step: float,
    slope: float,
    error: float,
) -> PhotonTransfer:
    """Return the gain of frames whose means hardly vary, if the dark level is known."""
    low, high = np.quantile(mean, (0.01, 0.99))
    reason = (
        f"Not identifiable: the means (from {low:.0f} to {high:.0f} counts) do not "
        f"tell how noise grows with light (slope {slope:.3g} +- {error:.2g})."
    )
    level = float(np.median(mean))
    variance = _variance(noise) - step**2 / 12
    if dark.value is None or variance <= 0 or level <= dark.value:
        return PhotonTransfer(unknown(reason), unknown(reason))
    gain = (level - float(dark.value)) / variance
    found = Finding(
        float(gain),
        0.2 * float(gain),
        f"Noise at one level, {level:.0f} counts, as if it were all shot noise: read "
        "noise, if any, makes the true gain larger.",
    )
    return PhotonTransfer(found, unknown(reason))


def _smoothed(
    level: NDArray[np.float32], noise: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return a frame without its noise, which is known times the window."""
    safe = np.maximum(weights, MIN_WINDOW / 4)
    return np.asarray(level - np.where(weights > MIN_WINDOW / 4, noise / safe, 0))


def _near_saturation(
    image: NDArray[np.float32],
    other: NDArray[np.float32] | None,
    saturation: float | None,
) -> NDArray[np.bool_]:
    spoilt = image <= image.min()
    if saturation is not None:
        spoilt |= image >= saturation
        if other is not None:
            spoilt |= other >= saturation
    return np.asarray(scipy.ndimage.binary_dilation(spoilt, np.ones((5, 5), bool)))


def _line(
    mean: NDArray[np.float32], noise: NDArray[np.float32], at: float = 0.0
) -> tuple[float, float]:
    """Return slope of the variance over the mean, and the variance at mean `at`.

    The variance of each bin of means comes from the median deviation, which a few
    pixels with structure do not change.
    """
    order = np.argsort(mean)
    bins = [part for part in np.array_split(order, BINS) if part.size >= 20]
    if len(bins) < 3:
        return 0.0, 0.0
    x = np.array([mean[part].mean() for part in bins]) - at
    y = np.array([_variance(noise[part]) for part in bins])
    slope, offset, model = 0.0, 0.0, np.full(y.shape, y.mean() + 1e-12)
    # A variance is as uncertain as it is large. Weights follow the fitted one: those
    # of the bins that came out low would pull the line down.
    for _ in range(4):
        slope, offset = np.polyfit(x, y, 1, w=1 / model)
        model = np.maximum(slope * x + offset, 0.05 * y.max() + 1e-12)
    return float(slope), float(offset)


def _variance(noise: NDArray[np.float32]) -> float:
    return float((1.4826 * np.median(np.abs(noise))) ** 2)


def _errors(
    mean: NDArray[np.float32],
    noise: NDArray[np.float32],
    group: NDArray[np.int64],
    at: float = 0.0,
) -> tuple[float, float]:
    """Return the standard errors of `_line`, from fits to parts of the frames."""
    fits = [
        _line(mean[part], noise[part], at)
        for part in (group == number for number in range(GROUPS))
        if part.sum() > 20 * BINS
    ]
    if len(fits) < 4:
        return float("inf"), float("inf")
    slope, offset = np.std(fits, axis=0, ddof=1) / np.sqrt(len(fits))
    return float(slope), float(offset)


def _none(problem: str) -> NoiseSamples:
    empty = np.empty(0, np.float32)
    return NoiseSamples(empty, empty, np.empty(0, np.int64), problem)
