"""How little each pixel can be trusted when steps between neighbours are chosen.

The measure is the sum of the four squared wrapped second differences through a pixel
(Herraez et al., Applied Optics 41, 7437, 2002), in float64 so that order is exact.
"""

# mypy: disable-error-code="untyped-decorator, no-any-return"

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

TURN = 2 * math.pi
HALF_TURN = math.pi
LEAST_TRUSTED = 1000.0
"""Added where the neighbourhood is not complete: above any sum of squares (16 pi^2)."""
RANDOM_BEND = 2 * math.pi**2 / 3
"""Mean squared second difference of random phase, in place of one through a wall."""


@njit(nogil=True, cache=True)
def _wrapped(step: float) -> float:
    if step > HALF_TURN:
        return step - TURN
    if step < -HALF_TURN:
        return step + TURN
    return step


@njit(nogil=True, cache=True)
def _bend(before: float, here: float, after: float) -> float:
    """Return the squared second difference through a pixel [rad^2]."""
    bend = _wrapped(before - here) - _wrapped(here - after)
    return bend * bend


@njit(nogil=True, cache=True)
def measure_unreliability(
    start: int, stop: int, wrapped: NDArray[np.float32], out: NDArray[np.float64]
) -> None:
    """Write the unreliability of rows `start` to `stop`; the frame's border comes last.

    On the border only the second difference along it exists, in a corner none.
    """
    n_rows, n_columns = wrapped.shape
    for y in range(start, stop):
        here = wrapped[y]
        row = out[y]
        if y in (0, n_rows - 1):
            for x in range(1, n_columns - 1):
                bend = _bend(here[x - 1], np.float64(here[x]), here[x + 1])
                row[x] = LEAST_TRUSTED + bend
            row[0] = row[n_columns - 1] = 2 * LEAST_TRUSTED
            continue
        above = wrapped[y - 1]
        below = wrapped[y + 1]
        for x in range(1, n_columns - 1):
            middle = np.float64(here[x])
            row[x] = (
                _bend(here[x - 1], middle, here[x + 1])
                + _bend(above[x], middle, below[x])
                + _bend(above[x - 1], middle, below[x + 1])
                + _bend(above[x + 1], middle, below[x - 1])
            )
        for x in (0, n_columns - 1):
            bend = _bend(above[x], np.float64(here[x]), below[x])
            row[x] = LEAST_TRUSTED + bend


@njit(nogil=True, cache=True)
def _measure_beside_walls(
    y: int, x: int, wrapped: NDArray[np.float32], walls: NDArray[np.bool_]
) -> float:
    n_rows, n_columns = walls.shape
    here = np.float64(wrapped[y, x])
    total = 0.0
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        v, u, t, s = y - down, x - right, y + down, x + right
        is_inside = min(v, u, t, s) >= 0 and max(v, t) < n_rows
        if not is_inside or max(u, s) >= n_columns:
            continue
        if walls[v, u] or walls[t, s]:
            total += RANDOM_BEND
        else:
            total += _bend(wrapped[v, u], here, wrapped[t, s])
    return total


@njit(nogil=True, cache=True)
def wall_off(
    walls: NDArray[np.bool_],
    wrapped: NDArray[np.float32],
    unreliability: NDArray[np.float64],
) -> None:
    """Make walls the last to be joined, and measure the pixels beside them anew."""
    n_rows, n_columns = walls.shape
    for y in range(n_rows):
        for x in range(n_columns):
            if not walls[y, x]:
                continue
            unreliability[y, x] = np.inf
            for v in range(max(y - 1, 0), min(y + 2, n_rows)):
                for u in range(max(x - 1, 0), min(x + 2, n_columns)):
                    if walls[v, u]:
                        continue
                    total = _measure_beside_walls(v, u, wrapped, walls)
                    if v in (0, n_rows - 1) or u in (0, n_columns - 1):
                        total += LEAST_TRUSTED
                    unreliability[v, u] = total
