"""Which annotated pixels teach a network, and which are kept back to judge it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import ParameterError
from napari_qpm.segmentation.annotated import AnnotatedFrame

__all__ = ["HoldOut", "cells_within", "hold_out"]

Mask = NDArray[np.bool_]
EVERY = 4
"""One of so many done frames judges."""
STRIP_SHARE = 0.25
"""Of each frame, where there are fewer done frames than that."""
LEAST_STRIP_PX = 32
LEAST_CELLS = 3
"""That can judge: fewer tell nothing."""


@dataclass(frozen=True, eq=False)
class HoldOut:
    """For each frame ``(Y, X)`` masks of what teaches and what judges.

    Parameters
    ----------
    teach, judge
        One mask a frame, False where nobody said what there is.
    described
        What judges, in words.
    is_honest
        Whether what judges taught nothing.
    """

    teach: tuple[Mask, ...]
    judge: tuple[Mask, ...]
    described: str
    is_honest: bool


def hold_out(frames: Sequence[AnnotatedFrame]) -> HoldOut:
    """Keep back one of four done frames, or else the right quarter of each frame.

    Where too few cells would be left to judge or to teach, all frames do both.

    Raises
    ------
    ParameterError
        No frame has a cell.
    """
    if not any(frame.n_cells for frame in frames):
        raise ParameterError(
            "No cell is outlined in these frames, so there is nothing to learn from. "
            "Correct the cells of some frames first."
        )
    judged = [frame.judged() for frame in frames]
    done = [n for n, frame in enumerate(frames) if frame.is_done]
    kept = done[EVERY - 1 :: EVERY]
    if kept and _can_judge(frames, kept):
        nothing = [np.zeros_like(mask) for mask in judged]
        return HoldOut(
            tuple(nothing[n] if n in kept else m for n, m in enumerate(judged)),
            tuple(m if n in kept else nothing[n] for n, m in enumerate(judged)),
            "1 frame" if len(kept) == 1 else f"{len(kept)} frames",
            True,
        )
    strips = [_strip(mask.shape) for mask in judged]
    left = [m & ~strip for m, strip in zip(judged, strips, strict=True)]
    right = [m & strip for m, strip in zip(judged, strips, strict=True)]
    n_right = sum(_count(f, m) for f, m in zip(frames, right, strict=True))
    n_left = sum(_count(f, m) for f, m in zip(frames, left, strict=True))
    if n_right >= LEAST_CELLS and n_left >= LEAST_CELLS:
        what = "the right quarter of " + _number_of(frames)
        return HoldOut(tuple(left), tuple(right), what, True)
    return HoldOut(tuple(judged), tuple(judged), _number_of(frames), False)


def cells_within(labels: NDArray[np.integer], mask: Mask) -> NDArray[np.integer]:
    """Return the cells, whole, of which at least half lies in a mask."""
    total = np.bincount(labels.ravel())
    inside = np.bincount(labels[mask], minlength=total.size)
    is_kept = 2 * inside >= np.maximum(total, 1)
    is_kept[0] = False
    kept: NDArray[np.integer] = np.where(is_kept[labels], labels, 0)
    return kept


def _can_judge(frames: Sequence[AnnotatedFrame], kept: Sequence[int]) -> bool:
    """Whether enough cells are in the frames kept back, and some in the rest."""
    n_kept = sum(frames[n].n_cells for n in kept)
    return n_kept >= LEAST_CELLS and sum(f.n_cells for f in frames) > n_kept


def _strip(shape: tuple[int, ...]) -> Mask:
    strip = np.zeros(shape, np.bool_)
    width = round(STRIP_SHARE * shape[1])
    if width >= LEAST_STRIP_PX:
        strip[:, -width:] = True
    return strip


def _count(frame: AnnotatedFrame, mask: Mask) -> int:
    return int((np.unique(cells_within(frame.labels, mask)) > 0).sum())


def _number_of(frames: Sequence[AnnotatedFrame]) -> str:
    return frames[0].name if len(frames) == 1 else f"each of {len(frames)} frames"
