"""One cheap sequential pass that makes a series of frames consistent.

Engines treat every frame alone, so the background of each ends at 0 rad. Two things can
still differ between frames: a 2 pi level (a crowded frame took another plateau for its
background) and a level error where little of the field is empty. Both show in small
thumbnails of the frames, compared with the frame before.
"""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap, PhaseUnit
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.provenance import Step
from napari_qpm.retrieval.background import background_mode

__all__ = ["level_offsets", "stabilise", "thumbnail"]

TWO_PI = 2 * np.pi
SIDE = 64


def thumbnail(phase: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a sample of a frame ``(Y, X)`` with at most 64 pixels a side."""
    stride = max(1, -(-max(phase.shape) // SIDE))
    offset = stride // 2
    return np.ascontiguousarray(phase[offset::stride, offset::stride])


def level_offsets(thumbnails: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what to add to each frame so that the series keeps one level [rad].

    Whole turns come from the most common change to the frame before; they add up along
    the series, and the most common total is taken for zero, so that one bad first
    frame does not shift all others. Frames that are not finite keep 0 and are skipped.

    Parameters
    ----------
    thumbnails
        ``(T, y, x)`` from `thumbnail`, background near 0 rad.
    """
    turns = np.zeros(len(thumbnails), dtype=int)
    usable = np.isfinite(thumbnails).any(axis=(1, 2))
    previous: int | None = None
    for t in np.flatnonzero(usable):
        if previous is not None:
            change = thumbnails[t] - thumbnails[previous]
            change = change[np.isfinite(change)]
            jump = round(background_mode(change)[0] / TWO_PI) if change.size else 0
            turns[t] = turns[previous] - jump
        previous = int(t)
    if usable.any():
        values, counts = np.unique(turns[usable], return_counts=True)
        turns[usable] -= values[np.argmax(counts)]
    return TWO_PI * turns.astype(np.float64)


def stabilise(
    phase_map: PhaseMap,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> PhaseMap:
    """Return the series at one 2 pi level; reads every frame once, stays lazy."""
    token = token or CancelToken()
    if phase_map.unit is not PhaseUnit.RADIANS:
        return phase_map  # what is not phase has no 2 pi levels
    n_frames = phase_map.n_frames
    thumbnails = []
    for t in range(n_frames):
        token.raise_if_cancelled()
        thumbnails.append(thumbnail(phase_map.read(t)))
        if report is not None:
            report(Progress(t + 1, n_frames, "frames", "Comparing frames"))
    offsets = level_offsets(np.stack(thumbnails))
    history = (*phase_map.history, Step("stabilise", "", {"offsets": list(offsets)}))
    if not offsets.any():
        return phase_map.replace(history=history)
    shift = offsets.astype(np.float32)[:, None, None]
    return phase_map.replace(phase=phase_map.phase + shift, history=history)
