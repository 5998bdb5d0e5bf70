"""Passes over whole frames that find the background: block noise and histogram.

Each reads the frame once; NumPy would write several copies of it.
"""

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["bin_counts", "block_deviations"]

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
