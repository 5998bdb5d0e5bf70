"""Passes over whole frames: blocks, the histogram, and pieces of a mask.

Each reads the frame once; NumPy would write several copies of it.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "bin_counts",
    "block_deviations",
    "block_means",
    "kept_pieces",
    "piece_areas",
]

_kernel = numba.njit(nogil=True, cache=True)


@_kernel
def block_deviations(image: NDArray[np.floating], side: int) -> NDArray[np.float64]:
    """Return the standard deviation of whole blocks of `side` pixels, ``(y, x)``."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    spread = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            block = image[
                row * side : (row + 1) * side, column * side : (column + 1) * side
            ]
            total = 0.0
            for y in range(side):
                for x in range(side):
                    total += block[y, x]
            mean, squares = total / side**2, 0.0
            for y in range(side):
                for x in range(side):
                    squares += (block[y, x] - mean) ** 2
            spread[row, column] = np.sqrt(squares / side**2)
    return spread


@_kernel
def block_means(image: NDArray[Any], side: int) -> NDArray[np.float32]:
    """Return the mean of whole blocks of `side` pixels, ``(y, x)``."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    means = np.empty((rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            total = 0.0
            for y in range(row * side, (row + 1) * side):
                for x in range(column * side, (column + 1) * side):
                    total += image[y, x]
            means[row, column] = total / side**2
    return means


@_kernel
def bin_counts(
    values: NDArray[np.floating], low: float, high: float, n_bins: int
) -> NDArray[np.int64]:
    """Return how many values lie in each of `n_bins` equal bins from `low` to `high`.

    The last bin holds `high` as well; values beyond either end are not counted.
    """
    counts = np.zeros(n_bins, np.int64)
    per_unit = n_bins / (high - low)
    for value in values:
        if low <= value <= high:
            counts[min(int((value - low) * per_unit), n_bins - 1)] += 1
    return counts


@_kernel
def piece_areas(pieces: NDArray[np.int32], n_pieces: int) -> NDArray[np.int64]:
    """Return the pixels of each number from 0 to `n_pieces` in ``(Y, X)``."""
    areas = np.zeros(n_pieces + 1, np.int64)
    for y in range(pieces.shape[0]):
        for x in range(pieces.shape[1]):
            areas[pieces[y, x]] += 1
    return areas


@_kernel
def kept_pieces(
    pieces: NDArray[np.int32], kept: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return where ``(Y, X)`` the pieces are whose number is `kept`."""
    mask = np.empty(pieces.shape, np.bool_)
    for y in range(pieces.shape[0]):
        for x in range(pieces.shape[1]):
            mask[y, x] = kept[pieces[y, x]]
    return mask
