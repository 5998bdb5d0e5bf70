"""Compiled loops of phase unwrapping.

A *turn* is one 2 pi. Between neighbours the step of least magnitude is assumed; the
number of turns that it adds is an integer, and only these integers are summed, so the
result is the wrapped phase plus whole turns. They are kept as float32 (exact to 2**24)
where that lets LLVM vectorise the loop. Inner loops run along contiguous rows.
"""

# mypy: disable-error-code="untyped-decorator, no-any-return"

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

TURN = 2 * math.pi
PER_TURN = np.nextafter(np.float32(1 / TURN), np.float32(1))
"""Rounded up: float32 steps above pi, and only these, then round to a whole turn."""
TURN_HIGH = np.float32(6.28125)
"""Leading bits of a turn: its product with a number of turns below 2**16 is exact."""
TURN_LOW = np.float32(TURN - 6.28125)
STEEP = np.float32(0.8 * math.pi)
HALF_TURN = np.float32(math.pi)

Frame = NDArray[np.float32]
Counts = tuple[int, int]


@njit(nogil=True, cache=True)
def turns_of(step: np.float32) -> np.float32:
    """Return the whole turns nearest to a step, as float32."""
    return np.rint(step * PER_TURN)


@njit(nogil=True, cache=True)
def _turns_of_columns(wrapped: Frame, start: int, stop: int, top: Frame) -> Frame:
    """Return turns of row 0 in these columns; `top` holds corrections of its steps."""
    turns = np.empty(stop - start, np.float32)
    total = np.float32(0)
    for x in range(stop):
        if x > 0:
            step = wrapped[0, x] - wrapped[0, x - 1]
            total += top[x - 1] - turns_of(step)
        if x >= start:
            turns[x - start] = total
    return turns


@njit(nogil=True, cache=True)
def _write_row(row: Frame, turns: Frame, out: Frame) -> None:
    for x in range(out.size):
        out[x] = (row[x] + turns[x] * TURN_LOW) + turns[x] * TURN_HIGH


@njit(nogil=True, cache=True)
def _turns_along(row: Frame, turns: Frame) -> int:
    """Write the turns of each step along `row`; return the number of steep steps."""
    n_steep = 0
    for x in range(row.size - 1):
        step = row[x + 1] - row[x]
        turn = turns_of(step)
        turns[x] = turn
        n_steep += abs(step - turn * np.float32(TURN)) > STEEP
    return n_steep


@njit(nogil=True, cache=True)
def _turns_down(above: Frame, row: Frame, down: Frame, turns: Frame) -> int:
    """Write the turns of each step from `above` to `row` and take them off `turns`."""
    n_steep = 0
    for x in range(row.size):
        step = row[x] - above[x]
        turn = turns_of(step)
        down[x] = turn
        turns[x] -= turn
        n_steep += abs(step - turn * np.float32(TURN)) > STEEP
    return n_steep


@njit(nogil=True, cache=True)
def _close_loops(top: Frame, down: Frame, bottom: Frame, loops: Frame) -> int:
    """Write the residue of each loop between two rows; return how many are not zero."""
    n_residues = 0
    for x in range(loops.size):
        loops[x] = (bottom[x] + down[x]) - (top[x] + down[x + 1])
        n_residues += loops[x] != 0
    return n_residues


@njit(nogil=True, cache=True)
def find_residues(
    start: int, stop: int, wrapped: Frame
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return which faces of rows `start` to `stop` have a residue, and the residues.

    Faces are the 2 x 2 loops, numbered along the rows of a (Y - 1, X - 1) array.
    """
    n_columns = wrapped.shape[1] - 1
    faces = np.empty((stop - start) * n_columns, np.int64)
    residues = np.empty(faces.size, np.int32)
    n_found = 0
    top = np.empty(n_columns, np.float32)
    bottom = np.empty(n_columns, np.float32)
    loops = np.empty(n_columns, np.float32)
    down = np.empty(n_columns + 1, np.float32)
    unused = np.zeros(n_columns + 1, np.float32)
    _turns_along(wrapped[start], top)
    for y in range(start, stop):
        _turns_along(wrapped[y + 1], bottom)
        _turns_down(wrapped[y], wrapped[y + 1], down, unused)
        if _close_loops(top, down, bottom, loops):
            for x in range(n_columns):
                if loops[x] != 0:
                    faces[n_found] = y * n_columns + x
                    residues[n_found] = np.int32(loops[x])
                    n_found += 1
        top, bottom = bottom, top
    return faces[:n_found].copy(), residues[:n_found].copy()


@njit(nogil=True, cache=True)
def integrate(start: int, stop: int, wrapped: Frame, out: Frame) -> Counts:
    """Unwrap columns `start` to `stop` down from row 0; count residues, steep steps.

    The result is the only one there is when no block finds a residue. A value that is
    not finite makes its loops count as residues.
    """
    n_rows, n_columns = wrapped.shape
    # One column more than is written: the loops and steps at the block's right edge.
    last = min(stop + 1, n_columns)
    width = stop - start
    no_corrections = np.zeros(n_columns, np.float32)
    turns = _turns_of_columns(wrapped, start, last, no_corrections)
    top = np.empty(last - start - 1, np.float32)
    bottom = np.empty(last - start - 1, np.float32)
    down = np.empty(last - start, np.float32)
    loops = np.empty(last - start - 1, np.float32)
    _write_row(wrapped[0, start:last], turns, out[0, start:stop])
    n_steep = _turns_along(wrapped[0, start:last], top)
    n_residues = 0
    for y in range(1, n_rows):
        row = wrapped[y, start:last]
        above = wrapped[y - 1, start:last]
        n_steep += _turns_down(above[:width], row[:width], down[:width], turns[:width])
        if last > stop:
            down[width] = turns_of(row[width] - above[width])
        n_steep += _turns_along(row, bottom)
        n_residues += _close_loops(top, down, bottom, loops)
        _write_row(row, turns, out[y, start:stop])
        top, bottom = bottom, top
    return n_residues, n_steep


@njit(nogil=True, cache=True)
def integrate_corrected(
    start: int,
    stop: int,
    wrapped: Frame,
    top: Frame,
    down: NDArray[np.int32],
    out: Frame,
) -> None:
    """Unwrap columns down from row 0 with corrected turns.

    `top` (X - 1) corrects the steps along row 0, `down` (Y - 1, X) those between rows.
    """
    turns = _turns_of_columns(wrapped, start, stop, top)
    _write_row(wrapped[0, start:stop], turns, out[0, start:stop])
    for y in range(1, wrapped.shape[0]):
        row = wrapped[y, start:stop]
        above = wrapped[y - 1, start:stop]
        correction = down[y - 1, start:stop]
        for x in range(row.size):
            turn = turns_of(row[x] - above[x])
            turns[x] += np.float32(correction[x]) - turn
        _write_row(row, turns, out[y, start:stop])


@njit(nogil=True, cache=True)
def count_steps(start: int, stop: int, phase: Frame) -> Counts:
    """Return how many steps from rows `start` to `stop` are steep, and beyond pi."""
    n_rows, n_columns = phase.shape
    n_steep = 0
    n_broken = 0
    for y in range(start, stop):
        row = phase[y]
        for x in range(n_columns - 1):
            size = abs(row[x + 1] - row[x])
            n_steep += size > STEEP
            n_broken += size > HALF_TURN
        if y + 1 < n_rows:
            below = phase[y + 1]
            for x in range(n_columns):
                size = abs(below[x] - row[x])
                n_steep += size > STEEP
                n_broken += size > HALF_TURN
    return n_steep, n_broken
