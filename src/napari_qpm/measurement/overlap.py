"""How far the outlines of cells in neighbouring frames overlap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError
from napari_qpm.jobs import CancelToken

__all__ = ["label_overlaps"]


def label_overlaps(
    labels: Any,
    frame: NDArray[np.int64],
    label: NDArray[np.int64],
    token: CancelToken | None = None,
) -> dict[tuple[int, int], float]:
    """Return the share of the smaller outline that two cells have in common.

    Parameters
    ----------
    labels
        ``(T, Y, X)``, in memory or lazy; read one frame after the other.
    frame, label
        ``(n,)`` of the cells, ordered by frame.
    token
        Checked at every frame.

    Returns
    -------
    dict
        By pair of cells (their places in `frame`) in neighbouring frames; only pairs
        that overlap.
    """
    overlaps: dict[tuple[int, int], float] = {}
    if not len(frame):
        return overlaps
    if labels.ndim != 3 or frame[-1] >= labels.shape[0]:
        raise LayoutError(
            f"Labels of shape {tuple(labels.shape)} do not fit a table with cells up "
            f"to frame {frame[-1]}. Give the labels (T, Y, X) that were measured."
        )
    places = {
        key: place
        for place, key in enumerate(zip(frame.tolist(), label.tolist(), strict=True))
    }
    before = np.asarray(labels[int(frame[0])])
    for t in range(int(frame[0]), int(frame[-1])):
        if token is not None:
            token.raise_if_cancelled()
        after = np.asarray(labels[t + 1])
        for a, b, share in _shares(before, after):
            if (t, a) in places and (t + 1, b) in places:
                overlaps[places[t, a], places[t + 1, b]] = share
        before = after
    return overlaps


def _shares(
    before: NDArray[np.integer], after: NDArray[np.integer]
) -> list[tuple[int, int, float]]:
    both = (before > 0) & (after > 0)
    pairs, common = np.unique(
        np.stack([before[both], after[both]], axis=1), axis=0, return_counts=True
    )
    area_before, area_after = _areas(before), _areas(after)
    return [
        (a, b, n / min(area_before[a], area_after[b]))
        for (a, b), n in zip(pairs.tolist(), common.tolist(), strict=True)
    ]


def _areas(image: NDArray[np.integer]) -> dict[int, int]:
    values, counts = np.unique(image, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
