"""What raw frames tell of the camera: dark level, bits, gain and read noise."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.calibration.photon_transfer import fit_transfer, sample_noise
from napari_qpm.jobs import CancelToken

__all__ = ["Darkness", "fit_camera", "measure_dark"]

MOST_PAIRS = 4
CLIPPED_SHARE = 0.05


class Darkness:
    """Dark level and noise of the camera, measured, stated or unknown.

    Parameters
    ----------
    level
        Mean raw value of a dark pixel.
    noise_counts
        Standard deviation of a dark pixel, `None` if it was not measured.
    """

    def __init__(self, level: Finding, noise_counts: float | None = None):
        self.level = level
        self.noise_counts = noise_counts


def measure_dark(dark: Acquisition | None, stated: float | None) -> Darkness:
    """Return the dark level of a recording without light, or the stated one."""
    if dark is None:
        if stated is not None:
            return Darkness(Finding(stated, None, "As stated."))
        return Darkness(
            unknown("Frames with light do not tell it. Give a dark recording.")
        )
    count = min(dark.n_frames, 2 * MOST_PAIRS)
    frames = np.stack([dark.read(t) for t in range(count)]).astype(np.float64)
    clipped = float(np.mean(frames <= 0))
    if clipped > CLIPPED_SHARE:
        return Darkness(
            unknown(
                f"Not identifiable: {clipped:.0%} of the dark pixels are 0, where the "
                "camera cuts off. Raise its black level (offset)."
            )
        )
    if count > 1:
        deviation = float(np.std(np.diff(frames, axis=0)) / np.sqrt(2))
        how = f"Mean of {count} dark frames."
    else:
        steps = np.diff(frames, axis=-1)
        deviation = float(1.4826 * np.median(np.abs(steps)) / np.sqrt(2))
        how = "Mean of one dark frame."
    level = float(frames.mean())
    spread = float(frames.mean(axis=(0, 1)).std() / np.sqrt(frames[0].size))
    return Darkness(Finding(level, spread, how), deviation)


def fit_camera(
    acquisition: Acquisition, dark: Darkness, token: CancelToken
) -> dict[str, Finding]:
    """Return bit depth, saturation, gain and read noise."""
    from napari_qpm.io.bits import detect_bits

    first = acquisition.read(0)
    instrument = acquisition.instrument
    depth, shift = instrument.bit_depth, instrument.bit_shift
    bits = Finding(depth, None, "As stated or seen when it was opened.")
    if depth is None:
        depth, shift, note = detect_bits(first)
        bits = Finding(depth, None, note or "From the type of the pixels.")
        if depth is None:
            bits = unknown("The values do not tell it. Give bit_depth.")
    saturation = None if depth is None else float(((1 << depth) - 1) << shift)
    step = float(1 << shift) if first.dtype.kind in "ui" else _rounding(first)
    samples, how = _noise(acquisition, saturation, token)
    path = acquisition.path
    if path is not None and path.suffix.lower() in (".jpg", ".jpeg"):
        how += " (doubtful: the file is a JPEG, whose compression changes noise)"
    transfer = fit_transfer(
        samples,
        step=step,
        dark=dark.level,
        dark_noise_counts=dark.noise_counts,
        how=how,
    )
    found = {
        "bit_depth": bits,
        "dark_counts": dark.level,
        "gain_e_per_count": transfer.gain,
        "read_noise_e": transfer.read_noise,
    }
    if saturation is not None:
        share = float(np.mean(first >= saturation))
        found["saturated_share"] = Finding(
            share, None, f"Pixels of the first frame at {saturation:.0f} counts."
        )
    return found


def _noise(
    acquisition: Acquisition, saturation: float | None, token: CancelToken
) -> tuple[list[Any], str]:
    """Return noise samples, of differences between frames if those are of use."""
    n_pairs = min(acquisition.n_frames - 1, MOST_PAIRS)
    if n_pairs:
        starts = np.linspace(0, acquisition.n_frames - 2, n_pairs).astype(int)
        pairs = []
        for t in sorted(set(starts.tolist())):
            token.raise_if_cancelled()
            frames = zip(acquisition.read(t), acquisition.read(t + 1), strict=True)
            pairs += [sample_noise(a, b, saturation) for a, b in frames]
        if not all(pair.problem for pair in pairs):
            return pairs, "differences between successive frames"
    source: NDArray[Any] = acquisition.read(0)
    if acquisition.reference is not None:
        source = np.concatenate([source, acquisition.reference])
    token.raise_if_cancelled()
    samples = [sample_noise(channel, None, saturation) for channel in source]
    how = "noise of single frames beyond their signal, unequal pixels included"
    if n_pairs:
        how += f" (not of differences. {pairs[0].problem})"
    return samples, how


def _rounding(frame: NDArray[Any]) -> float:
    """Return the step of a float frame: 1 if all its values are whole, else none."""
    return 1.0 if bool((frame == np.rint(frame)).all()) else 0.0
