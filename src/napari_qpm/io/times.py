"""Times of frames as files state them: first frame at zero, and the usual interval."""

import math
from collections.abc import Sequence

import numpy as np

from napari_qpm.acquisition import FrameSource, Instrument
from napari_qpm.io.field import RawField

__all__ = ["keep_times", "times_from"]

_EVEN = 0.05
"""Frames whose intervals differ by less than this share of the usual one are even."""


def times_from(values: Sequence[float | None]) -> tuple[float, ...]:
    """Return times [s] that start at zero; nothing when one is missing or not later."""
    if len(values) < 2 or any(v is None or not math.isfinite(v) for v in values):
        return ()
    times = np.asarray(values, float)
    times -= times[0]
    return tuple(times.tolist()) if np.all(np.diff(times) > 0) else ()


def keep_times(
    raw: RawField,
    source: FrameSource,
    instrument: Instrument,
    sources: dict[str, str],
    notes: list[str],
) -> tuple[tuple[float, ...] | None, Instrument]:
    """Return the times of the frames as arranged, and the interval that they tell.

    An interval that the user or a sidecar states beats the times of the file.
    """
    if not raw.times_s or sources.get("frame_interval_s", "file") != "file":
        return None, instrument
    n_frames = source.shape[0]
    group, rest = divmod(len(raw.times_s), n_frames)
    if rest or n_frames < 2:
        return None, instrument
    times = times_from(raw.times_s[::group])
    if not times:
        return None, instrument
    steps = np.diff(times)
    usual = float(np.median(steps))
    if instrument.frame_interval_s is None:
        sources["frame_interval_s"] = "file"
        instrument = instrument.replace(frame_interval_s=usual)
    if np.ptp(steps) <= _EVEN * usual:
        return times, instrument
    notes.append(
        f"Frames are {steps.min():.4g} to {steps.max():.4g} s apart; the time of each "
        "frame is taken from the file."
    )
    return times, instrument
