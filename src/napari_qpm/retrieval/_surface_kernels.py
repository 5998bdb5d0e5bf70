"""Fused passes over whole frames: surface off, wrap; complex field to phase.

A 5 MP frame is bound by memory, so each of these reads and writes it once. NumPy would
pass over it four to eight times.
"""

import math
import threading
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from napari_qpm.retrieval._threads import run_blocks
from napari_qpm.retrieval.background import Surface

__all__ = ["phase_of", "scratch", "subtract_surface", "warm"]

_TWO_PI = np.float32(2 * np.pi)
_PER_TURN = np.float32(1 / (2 * np.pi))
_memory = threading.local()


@numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz", "arcp"})
def _subtract_rows(
    start: int,
    stop: int,
    source: Any,
    sign: Any,
    rows: Any,
    columns: Any,
    wrap: bool,
    target: Any,
) -> None:
    width = source.shape[1]
    for y in range(start, stop):
        line, out = source[y], target[y]
        for x in range(width):
            out[x] = sign * line[x] - rows[y, 0]
        for j in range(1, rows.shape[1]):
            factor, column = rows[y, j], columns[j]
            for x in range(width):
                out[x] -= factor * column[x]
        if wrap:
            for x in range(width):
                out[x] -= _TWO_PI * np.rint(out[x] * _PER_TURN)


@numba.njit(nogil=True, cache=True)
def _phase_rows(start: int, stop: int, field: Any, phase: Any, modulus: Any) -> None:
    for y in range(start, stop):
        for x in range(field.shape[1]):
            re, im = field[y, x].real, field[y, x].imag
            phase[y, x] = math.atan2(im, re)
            modulus[y, x] = math.sqrt(re * re + im * im)


def scratch(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return an array for passing values that this thread uses again and again.

    Fresh memory costs more than the pass that fills it: the system clears every page.
    """
    kept: NDArray[np.float32] | None = getattr(_memory, "array", None)
    if kept is None or kept.shape != shape:
        kept = _memory.array = np.empty(shape, np.float32)
    return kept


def subtract_surface(
    phase: NDArray[np.float32],
    surface: Surface,
    *,
    wrap: bool,
    sign: int = 1,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return ``sign * phase - surface``, wrapped to +-pi if asked.

    Parameters
    ----------
    phase
        ``(Y, X)`` [rad].
    out
        Where to write, `phase` itself included; a new array by default.
    """
    rows, columns = surface.rows_and_columns((phase.shape[0], phase.shape[1]))
    source = np.ascontiguousarray(phase, dtype=np.float32)
    target = np.empty_like(source) if out is None else out
    run_blocks(
        _subtract_rows,
        source.shape[0],
        source,
        np.float32(sign),
        rows,
        columns,
        wrap,
        target,
        row_size=source.shape[1],
    )
    return target


def phase_of(
    field: NDArray[np.complex64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return phase [rad] and modulus of a complex field ``(N, Y, X)``."""
    flat = field.reshape(-1, field.shape[-1])
    phase = np.empty(flat.shape, np.float32)
    modulus = np.empty(flat.shape, np.float32)
    run_blocks(_phase_rows, flat.shape[0], flat, phase, modulus, row_size=flat.shape[1])
    return phase.reshape(field.shape), modulus.reshape(field.shape)


def warm() -> None:
    """Compile the kernels of this module."""
    subtract_surface(np.zeros((4, 4), np.float32), Surface(), wrap=True)
    phase_of(np.ones((1, 4, 4), np.complex64))
