"""Fused passes over frames: surface off, wrap; field to phase; separable factors.

A 5 MP frame is bound by memory, so each of these reads and writes it once. NumPy would
pass over it four to eight times.
"""

import threading
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from napari_qpm.retrieval._arctangent import FAST, arctangent
from napari_qpm.retrieval._threads import run_blocks
from napari_qpm.retrieval.background import Surface

__all__ = ["phase_of", "scale", "scratch", "subtract_surface", "warm"]

_TWO_PI = np.float32(2 * np.pi)
_PER_TURN = np.float32(1 / (2 * np.pi))
_memory = threading.local()
_kernel = numba.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")


@_kernel
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


@_kernel
def _phase_rows(start: int, stop: int, field: Any, phase: Any, modulus: Any) -> None:
    for y in range(start, stop):
        line, angles, lengths = field[y], phase[y], modulus[y]
        for x in range(line.size):
            angles[x] = arctangent(line[x].imag, line[x].real)
        for x in range(line.size):
            re, im = line[x].real, line[x].imag
            lengths[x] = np.sqrt(re * re + im * im)


@_kernel
def _scale_rows(
    start: int, stop: int, source: Any, rows: Any, columns: Any, target: Any
) -> None:
    for y in range(start, stop):
        line, out, factor = source[y], target[y], rows[y]
        for x in range(line.size):
            out[x] = line[x] * (factor * columns[x])


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
    out: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return phase [rad] and modulus of a complex field ``(N, Y, X)``.

    Parameters
    ----------
    out
        Where to write both; new arrays by default.
    """
    if out is None:
        out = np.empty(field.shape, np.float32), np.empty(field.shape, np.float32)
    phase, modulus = out
    width = field.shape[-1]
    flat = [one.reshape(-1, width) for one in (field, phase, modulus)]
    run_blocks(_phase_rows, flat[0].shape[0], *flat, row_size=width)
    return phase, modulus


def scale(
    source: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
    target: NDArray[Any],
) -> None:
    """Write ``source * rows * columns`` of a stack ``(N, Y, X)`` into `target`.

    Parameters
    ----------
    source, target
        Of the same shape; `target` may be `source`.
    rows, columns
        ``(Y,)`` and ``(X,)``.
    """
    for frame, out in zip(source, target, strict=True):
        size = out.shape[1]
        run_blocks(_scale_rows, len(out), frame, rows, columns, out, row_size=size)


def warm() -> None:
    """Compile the kernels of this module for every type of raw pixel."""
    subtract_surface(np.zeros((4, 4), np.float32), Surface(), wrap=True)
    field = np.ones((1, 4, 4), np.complex64)
    phase_of(field)
    scale(field, field[0, 0], field[0, 0], field)
    window = np.ones(4, np.float32)
    for dtype in (np.uint8, np.uint16, np.float32):
        raw = np.ones((1, 4, 4), dtype)
        scale(raw, window, window, np.empty(raw.shape, np.float32))
