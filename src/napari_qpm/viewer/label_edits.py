"""How labels of one frame change when cells are merged, split or cut; plain arrays."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pixels", "cut", "joined", "parted", "pixels_of", "unused_label"]

Labels = NDArray[np.integer]
Mask = NDArray[np.bool_]
Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]
Point = tuple[float, float]

SMALLEST_PIECE = 0.1
"""Pieces below this share of the largest one are specks, not cells of their own."""
SMOOTHING = 0.04
"""Width of the smoothing of heights as a share of the cell's size."""
PEAK_DISTANCE = 0.1
MOST_PEAKS = 24
PHASE_WEIGHT = 0.5


def joined(frame: Labels, keep: int, other: int) -> Pixels:
    """Return the pixels that become `keep` when cell `other` is merged into it.

    Parameters
    ----------
    frame
        Labels ``(Y, X)``.
    keep, other
        Labels of the two cells; a gap of one or two pixels between them is closed.
    """
    from scipy import ndimage

    is_other = frame == other
    box = _box(is_other | (frame == keep), frame.shape, margin=2)
    both = np.isin(frame[box], (keep, other))
    closed = ndimage.binary_closing(both, np.ones((3, 3), bool))
    return _moved(pixels_of(is_other[box] | (closed & (frame[box] == 0))), box)


def parted(
    frame: Labels, label: int, phase: NDArray[np.floating] | None = None
) -> Pixels:
    """Return the pixels of the smaller part when a cell is split in two.

    Separate pieces part first; else the cell parts at its neck, or in the valley of its
    phase, or across its long axis when it has neither.

    Parameters
    ----------
    frame
        Labels ``(Y, X)``.
    label
        The cell.
    phase
        ``(Y, X)`` [rad], if there is one on the same grid.
    """
    from scipy import ndimage

    is_cell = frame == label
    if is_cell.sum() < 2:
        return _nothing()
    box = _box(is_cell, frame.shape, margin=1)
    mask = is_cell[box]
    pieces, _ = ndimage.label(mask)
    areas = np.bincount(pieces.ravel())[1:]
    largest = int(areas.argmax()) + 1
    if (areas >= SMALLEST_PIECE * areas.max()).sum() > 1:
        return _moved(pixels_of(mask & (pieces != largest)), box)
    mask = pieces == largest
    height = _height(mask, None if phase is None else phase[box])
    return _moved(_smaller(_flooded(mask, height)), box)


def cut(frame: Labels, start: Point, end: Point) -> tuple[int, Pixels]:
    """Return the cell that a line crosses most, and the pixels of its smaller side.

    Parameters
    ----------
    frame
        Labels ``(Y, X)``.
    start, end
        Ends of the line, ``(y, x)`` [px]; it need not reach the border of the cell.
    """
    n_steps = int(np.ceil(2 * np.hypot(end[0] - start[0], end[1] - start[1]))) + 1
    y, x = (
        np.rint(np.linspace(start[axis], end[axis], n_steps)).astype(int)
        for axis in (0, 1)
    )
    is_inside = (y >= 0) & (y < frame.shape[0]) & (x >= 0) & (x < frame.shape[1])
    crossed = frame[y[is_inside], x[is_inside]]
    values, counts = np.unique(crossed[crossed != 0], return_counts=True)
    if values.size == 0:
        return 0, _nothing()
    label = int(values[counts.argmax()])
    rows, columns = np.nonzero(frame == label)
    side = (rows - start[0]) * (end[1] - start[1]) - (columns - start[1]) * (
        end[0] - start[0]
    )
    is_left = side > 0
    if is_left.sum() > is_left.size / 2:
        is_left = ~is_left
    return label, (rows[is_left], columns[is_left])


def unused_label(frame: Labels, highest: int) -> int | None:
    """Return a label that no cell has; `None` if the frame's type holds no more.

    Parameters
    ----------
    frame
        Labels ``(Y, X)``.
    highest
        Highest label known of the other frames.
    """
    following = max(highest, int(frame.max(initial=0))) + 1
    limit = int(np.iinfo(frame.dtype).max)
    if following <= limit:
        return following
    free = np.setdiff1d(np.arange(1, min(limit, frame.size) + 1), frame)
    return int(free[0]) if free.size else None


def _height(mask: Mask, phase: NDArray[np.floating] | None) -> NDArray[np.float64]:
    """Return how far inside a cell, and how high in its phase, pixels are."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    height: NDArray[np.float64] = distance / distance.max()
    width = max(0.5, SMOOTHING * float(np.sqrt(mask.sum())))
    if phase is not None:
        values = np.where(mask & np.isfinite(phase), phase, 0.0).astype(np.float64)
        values -= values[mask].min()
        values *= mask
        if values.max() > 0:
            height = height + PHASE_WEIGHT * values / values.max()
    return np.asarray(ndimage.gaussian_filter(height, width), dtype=np.float64)


def _flooded(mask: Mask, height: NDArray[np.float64]) -> NDArray[np.integer]:
    """Return parts 1 and 2 of a mask: its two hills, or halves where it has one."""
    from skimage.segmentation import watershed

    places = _two_hills(mask, height)
    if places is None:
        return _halves(mask)
    markers = np.zeros(mask.shape, np.int32)
    for number, place in enumerate(places, start=1):
        markers[place] = number
    parts: NDArray[np.integer] = watershed(-height, markers, mask=mask)
    return parts


def _two_hills(
    mask: Mask, height: NDArray[np.float64]
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return two tops that are high and far from each other, if there are two."""
    from skimage.feature import peak_local_max

    apart = max(1, round(PEAK_DISTANCE * float(np.sqrt(mask.sum()))))
    peaks = peak_local_max(
        height,
        min_distance=apart,
        labels=mask.astype(np.uint8),
        exclude_border=False,
        num_peaks=MOST_PEAKS,
    )
    if len(peaks) < 2:
        return None

    def worth(pair: tuple[NDArray[np.intp], NDArray[np.intp]]) -> float:
        first, second = pair
        lower = min(height[tuple(first)], height[tuple(second)])
        return float(lower * np.hypot(*(first - second)))

    first, second = max(combinations(peaks, 2), key=worth)
    return (int(first[0]), int(first[1])), (int(second[0]), int(second[1]))


def _halves(mask: Mask) -> NDArray[np.integer]:
    """Return parts 1 and 2 of a mask, on both sides of the middle of its long axis."""
    places = np.argwhere(mask)
    _, axes = np.linalg.eigh(np.cov(places.T) + np.eye(2) * 1e-9)
    along = (places - places.mean(axis=0)) @ axes[:, -1]
    parts = np.zeros(mask.shape, np.int32)
    parts[mask] = np.where(along > np.median(along), 2, 1)
    return parts


def _smaller(parts: NDArray[np.integer]) -> Pixels:
    first, second = parts == 1, parts == 2
    return pixels_of(second if second.sum() <= first.sum() else first)


def pixels_of(mask: Mask) -> Pixels:
    """Return rows and columns of the pixels of a mask ``(Y, X)``."""
    rows, columns = np.nonzero(mask)
    return rows, columns


def _box(mask: Mask, shape: tuple[int, ...], margin: int) -> tuple[slice, slice]:
    """Return the slices around the pixels of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, rows[0] - margin), min(shape[0], rows[-1] + margin + 1)),
        slice(max(0, columns[0] - margin), min(shape[1], columns[-1] + margin + 1)),
    )


def _moved(pixels: Pixels, box: tuple[slice, slice]) -> Pixels:
    return pixels[0] + box[0].start, pixels[1] + box[1].start


def _nothing() -> Pixels:
    return np.empty(0, np.intp), np.empty(0, np.intp)
