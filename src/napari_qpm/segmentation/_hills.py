"""Hills of a landscape: what a watershed finds from summits that rise clearly.

A summit counts if it rises by more than a given height above the saddle to a higher
one; these are the maxima that survive a grey reconstruction of the lowered landscape.
One pass finds them, their hills and the saddles between them, over the mask alone:
pixels are taken from high to low and join the hill beside them (union-find); where two
meet, a lower one that does not rise enough becomes part of the other. On 5 MP this is
many times faster than reconstruction and flooding, which queue every pixel.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["part_hills"]

_kernel = numba.njit(nogil=True, cache=True)
_UNSEEN = -1


def part_hills(
    landscape: NDArray[np.float32],
    mask: NDArray[np.bool_],
    rise: float,
    least_area: float = 0.0,
) -> NDArray[np.int32]:
    """Return labels ``(Y, X)`` of hills, 1, 2, … by falling height; 0 off the mask.

    Parameters
    ----------
    landscape
        ``(Y, X)``.
    mask
        Where hills are; each piece of it (with diagonals) is a hill at least.
    rise
        Summits rise by more than this above the saddle to a higher one, in units of
        the landscape.
    least_area
        Smaller hills [px] join the one beyond their highest saddle, if there is any.
    """
    inside = np.flatnonzero(mask).astype(np.int32)
    heights = landscape.ravel()[inside]
    order = inside[np.argsort(-heights, kind="stable")]
    flat = np.ascontiguousarray(landscape).ravel()
    labels = np.zeros(mask.size, np.int32)
    _part(order, flat, mask.shape[0], mask.shape[1], rise, least_area, labels)
    return labels.reshape(mask.shape)


@_kernel
def _root(parents: Any, one: int) -> int:
    """Return the root of a tree, and shorten the way there for the next time."""
    while parents[one] != one:
        parents[one] = parents[parents[one]]
        one = parents[one]
    return one


@_kernel
def _part(
    order: Any,
    heights: Any,
    n_rows: int,
    n_columns: int,
    rise: float,
    least_area: float,
    labels: Any,
) -> None:
    """Fill `labels`; `order` lists the pixels of the mask from high to low."""
    basin_of = np.full(labels.size, _UNSEEN, np.int32)
    # A basin begins at every maximum. `hills` joins all that have met so far, `basins`
    # only those that are one, each under the first of its kind: the highest.
    tops, hills, basins = [heights[0]], [np.int32(0)], [np.int32(0)]
    n_basins = 0
    lower_sides, upper_sides = [np.int32(0)], [np.int32(0)]
    for pixel in order:
        row, column = pixel // n_columns, pixel % n_columns
        height = heights[pixel]
        # The neighbour whose basin it joins: on a hill that rises enough if there is
        # any, then beside rather than across a corner, then the highest.
        chosen, chosen_rises, chosen_beside = -1, False, False
        basin, hill, n_hills = -1, -1, 0
        for y in range(max(row - 1, 0), min(row + 2, n_rows)):
            for x in range(max(column - 1, 0), min(column + 2, n_columns)):
                other = y * n_columns + x
                if basin_of[other] < 0:
                    continue
                if basin_of[other] != basin:
                    basin = basin_of[other]
                    there = _root(hills, basin)
                    n_hills += there != hill
                    hill = there
                rises = tops[hill] - height > rise
                beside = y == row or x == column
                if chosen >= 0:
                    if chosen_rises != rises:
                        better = rises
                    elif chosen_beside != beside:
                        better = beside
                    else:
                        better = heights[other] > heights[chosen]
                    if not better:
                        continue
                chosen, chosen_rises, chosen_beside = other, rises, beside
        if chosen < 0:
            if n_basins > 0:
                tops.append(height)
                hills.append(np.int32(n_basins))
                basins.append(np.int32(n_basins))
            else:
                tops[0] = height
            basin_of[pixel] = n_basins
            n_basins += 1
            continue
        own = _root(basins, basin_of[chosen])
        basin_of[pixel] = own
        if n_hills < 2:
            continue
        for y in range(max(row - 1, 0), min(row + 2, n_rows)):
            for x in range(max(column - 1, 0), min(column + 2, n_columns)):
                other = y * n_columns + x
                if basin_of[other] < 0:
                    continue
                here = _root(hills, own)
                there = _root(hills, basin_of[other])
                if there == here:
                    continue
                theirs = _root(basins, basin_of[other])
                lower = min(tops[here], tops[there])
                if lower - height > rise:
                    lower_sides.append(np.int32(theirs))
                    upper_sides.append(np.int32(own))
                else:
                    # Basins are numbered by falling height.
                    basins[max(own, theirs)] = min(own, theirs)
                    own = min(own, theirs)
                hills[max(here, there)] = min(here, there)
    _number(
        order, basin_of, basins, lower_sides, upper_sides, n_basins, least_area, labels
    )


@_kernel
def _number(
    order: Any,
    basin_of: Any,
    basins: Any,
    lower_sides: Any,
    upper_sides: Any,
    n_basins: int,
    least_area: float,
    labels: Any,
) -> None:
    """Let small basins join, over the highest saddles first, and number the rest."""
    areas = np.zeros(n_basins, np.int64)
    for pixel in order:
        basin_of[pixel] = _root(basins, basin_of[pixel])
        areas[basin_of[pixel]] += 1
    is_large = areas >= least_area
    # The first saddle only told the compiler its type.
    for k in range(1, len(lower_sides)):
        one, other = _root(basins, lower_sides[k]), _root(basins, upper_sides[k])
        if one != other and not (is_large[one] and is_large[other]):
            first, second = min(one, other), max(one, other)
            basins[second] = first
            is_large[first] = is_large[one] or is_large[other]
    numbers = np.zeros(n_basins, np.int32)
    number = 0
    for basin in range(n_basins):
        if areas[basin] > 0 and _root(basins, basin) == basin:
            number += 1
            numbers[basin] = number
    for pixel in order:
        labels[pixel] = numbers[_root(basins, basin_of[pixel])]
