"""Profile of a phase along a line, with the spread across its width."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.errors import ParameterError

__all__ = ["Profile", "line_profile"]


@dataclass(frozen=True, eq=False)
class Profile:
    """Values along a line.

    Parameters
    ----------
    distance_px
        ``(n,)`` from the start of the line, at most one pixel apart.
    mean, spread
        ``(n,)`` mean and standard deviation over the width of the line; NaN where no
        value is known.
    """

    distance_px: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


def line_profile(
    image: NDArray[np.floating],
    start: tuple[float, float],
    end: tuple[float, float],
    width_px: int = 1,
) -> Profile:
    """Return the profile of an image from start to end, linearly interpolated.

    Parameters
    ----------
    image
        ``(Y, X)`` values; NaN, and what lies outside, does not count.
    start, end
        ``(y, x)`` in pixels; pixel centres have whole numbers.
    width_px
        The mean is taken over this many parallel lines, one pixel apart.

    Raises
    ------
    ParameterError
        The line has no length, or the width is below 1.
    """
    first, last = np.array(start, dtype=float), np.array(end, dtype=float)
    length = float(np.hypot(*(last - first)))
    if length == 0:
        raise ParameterError("The line has no length: draw from one place to another.")
    if width_px < 1:
        raise ParameterError(f"A line is at least 1 pixel wide, not {width_px}.")
    n = int(np.ceil(length)) + 1
    share = np.linspace(0, 1, n)
    along = (last - first) / length
    across = np.array([-along[1], along[0]])
    shifts = np.arange(width_px) - (width_px - 1) / 2
    places = (
        first[:, None, None]
        + (last - first)[:, None, None] * share[None, None]
        + across[:, None, None] * shifts[None, :, None]
    )
    values = ndimage.map_coordinates(
        np.asarray(image, dtype=np.float64), places, order=1, cval=np.nan
    )
    known = np.isfinite(values)
    count = known.sum(axis=0).astype(float)
    count[count == 0] = np.nan
    mean = np.where(known, values, 0).sum(axis=0) / count
    square = np.where(known, (values - mean) ** 2, 0).sum(axis=0) / count
    return Profile(share * length, mean, np.sqrt(square))
