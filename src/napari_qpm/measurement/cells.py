"""The cells of one frame by consecutive numbers, and sums over them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError

__all__ = ["Cells"]


@dataclass(frozen=True, eq=False)
class Cells:
    """Which pixel belongs to which cell.

    Parameters
    ----------
    numbers
        ``(Y, X)`` int32: 0 = background, 1 … `count` in the order of the labels.
    labels
        ``(count,)`` the labels as they were given, in rising order.
    """

    numbers: NDArray[np.int32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.integer]) -> "Cells":
        """Return the cells of a label image ``(Y, X)``; labels may have gaps.

        Raises
        ------
        LayoutError
            The labels are no integers, or negative.
        """
        if labels.dtype.kind not in "iub":
            raise LayoutError(
                f"Labels are whole numbers, one a cell, not values of type "
                f"{labels.dtype}."
            )
        if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
            raise LayoutError("Labels are 0 (background) or above; some are negative.")
        inside = labels > 0
        values, inverse = np.unique(labels[inside], return_inverse=True)
        numbers = np.zeros(labels.shape, np.int32)
        numbers[inside] = inverse + 1
        return cls(numbers, values.astype(np.int64))

    @property
    def count(self) -> int:
        """Number of cells."""
        return int(self.labels.size)

    def sum(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the sum of finite pixel values over each cell."""
        known = np.where(np.isfinite(values), values, 0)
        sums = np.bincount(self.numbers.ravel(), known.ravel(), self.count + 1)
        return sums[1:].astype(np.float64)

    def any(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return whether a flag is set in any pixel of each cell."""
        found = np.zeros(self.count + 1, bool)
        found[self.numbers[flags]] = True
        return found[1:]

    def statistics(
        self, values: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return mean, standard deviation and maximum of finite values in each cell.

        All are NaN for a cell without a finite value.
        """
        used = (self.numbers > 0) & np.isfinite(values)
        index = self.numbers[used] - 1
        pixels = values[used].astype(np.float64)
        n = np.bincount(index, minlength=self.count).astype(float)
        n[n == 0] = np.nan
        mean = np.bincount(index, pixels, self.count) / n
        deviation = pixels - mean[index]
        variance = np.bincount(index, deviation**2, self.count) / n
        maximum = np.full(self.count, -np.inf)
        np.maximum.at(maximum, index, pixels)
        maximum[np.isnan(n)] = np.nan
        return mean, np.sqrt(variance), maximum

    def touching_border(self) -> NDArray[np.bool_]:
        """Return which cells reach the border of the frame."""
        border = np.ones(self.numbers.shape, bool)
        border[1:-1, 1:-1] = False
        return self.any(border)
