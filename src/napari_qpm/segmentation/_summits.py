"""Summits of a landscape that rise clearly above the saddle to a higher one.

They are the maxima that survive a grey reconstruction of the landscape lowered by the
wanted rise, found in one pass over the mask alone: pixels are taken from high to low
and joined to hills (union-find); where two hills meet, the lower one ends there, and
its rise above that saddle is known. On 5 MP this is ten times faster than the
reconstruction, which sorts every pixel of the frame.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["find_summits"]

_kernel = numba.njit(nogil=True, cache=True)
_UNSEEN = -1


def find_summits(
    landscape: NDArray[np.float32], mask: NDArray[np.bool_], rise: float
) -> NDArray[np.int32]:
    """Return an image ``(Y, X)`` that numbers summits 1, 2, … and is 0 elsewhere.

    Parameters
    ----------
    landscape
        ``(Y, X)``.
    mask
        Where hills are; each piece of it (with diagonals) has a summit at least.
    rise
        Summits rise by more than this above the saddle to a higher one, in units of
        the landscape.
    """
    inside = np.flatnonzero(mask).astype(np.int32)
    heights = landscape.ravel()[inside]
    order = inside[np.argsort(-heights, kind="stable")]
    hills = np.full(mask.size, _UNSEEN, np.int32)
    flat = np.ascontiguousarray(landscape).ravel()
    summits = np.zeros(mask.size, np.int32)
    _join_hills(order, flat, mask.shape[0], mask.shape[1], rise, hills, summits)
    return summits.reshape(mask.shape)


@_kernel
def _hill_of(hills: Any, pixel: int) -> int:
    """Return the summit of a pixel's hill, and shorten the way for the next time."""
    while hills[pixel] != pixel:
        hills[pixel] = hills[hills[pixel]]
        pixel = hills[pixel]
    return pixel


@_kernel
def _join_hills(
    order: Any,
    heights: Any,
    n_rows: int,
    n_columns: int,
    rise: float,
    hills: Any,
    summits: Any,
) -> None:
    """Mark, then number, the summits; `hills` links pixels to their summits."""
    for pixel in order:
        row, column = pixel // n_columns, pixel % n_columns
        height = heights[pixel]
        own = -1
        for y in range(max(row - 1, 0), min(row + 2, n_rows)):
            for x in range(max(column - 1, 0), min(column + 2, n_columns)):
                if hills[y * n_columns + x] < 0:
                    continue
                other = _hill_of(hills, y * n_columns + x)
                if own < 0:
                    own = other
                if other == own:
                    continue
                if heights[other] > heights[own]:
                    own, other = other, own
                if heights[other] - height > rise:
                    summits[other] = 1
                hills[other] = own
        hills[pixel] = pixel if own < 0 else own
    number = 0
    for pixel in order:
        if hills[pixel] == pixel or summits[pixel]:
            number += 1
            summits[pixel] = number
