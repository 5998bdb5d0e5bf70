"""Phase unwrapping: exact where a frame has no residues, quality-guided elsewhere.

A *residue* is a 2 x 2 loop of pixels around which the least steps do not add up to
zero. Without any, every path between two pixels gives the same phase, so one pass over
the frame is exact. With residues the result depends on the path, and the path of the
most reliable steps is taken (Herraez et al., Applied Optics 41, 7437, 2002).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval._threads import run_blocks
from napari_qpm.retrieval.engine import Unwrapping

__all__ = ["UnwrapResult", "count_residues", "unwrap", "warm"]

Frame = NDArray[np.float32]

MOST_SEEDS = 0.05
"""Share of loops with a residue above which one sort is faster than growing trees."""
MOST_REACHED = 0.08
"""Share of loops reached by trees at which they are given up for one sort."""
FEW_FACES = 4096
"""Trees may always reach this many faces."""


@dataclass(frozen=True)
class UnwrapResult:
    """Unwrapped phase of one frame and what is known of its reliability.

    Parameters
    ----------
    phase
        ``(Y, X)`` float32 [rad]: the wrapped phase plus whole turns; NaN stays NaN.
        The level of the frame is arbitrary by a multiple of 2 pi.
    method
        ``"fast"``, ``"quality"`` or ``"none"``: the path that was taken.
    n_residues
        Loops of 2 x 2 valid pixels where the phase is ambiguous.
    steep_share
        Share of steps between neighbours of `phase` above 0.8 pi in magnitude. A hint,
        not a proof: where many steps are steep, a sharp closed edge may hide a turn
        without any residue, and all that it encloses is then off by 2 pi. It cannot see
        an edge that rises by nearly a whole turn within one pixel: that looks flat.
    broken_share
        Share of steps of `phase` above pi in magnitude: where a turn stays between
        neighbours, to close residues. Zero on the fast path.
    """

    phase: Frame
    method: str
    n_residues: int
    steep_share: float
    broken_share: float


def unwrap(wrapped: NDArray[Any], method: Unwrapping = Unwrapping.AUTO) -> UnwrapResult:
    """Return the phase of one frame without its 2 pi steps.

    Parameters
    ----------
    wrapped
        ``(Y, X)`` float [rad]. NaN (and infinite) pixels are walls: no path crosses
        them, and they are NaN in the result. The level of an island that they cut off
        is arbitrary by a multiple of 2 pi.
    method
        `Unwrapping.AUTO` takes the fast path when there are no residues.

    Raises
    ------
    LayoutError
        Not two-dimensional, empty, or not of a real float type.
    """
    frame = _checked(wrapped)
    if method is Unwrapping.NONE:
        return _described(frame.copy(), "none", count_residues(frame))
    if method is Unwrapping.AUTO:
        phase, n_residues, n_steep = _integrated(frame)
        if n_residues == 0 and np.isfinite(phase[-1, -1]):
            return UnwrapResult(
                phase, "fast", 0, n_steep / max(_n_steps(frame), 1), 0.0
            )
    return _unwrapped_by_quality(frame, method)


def count_residues(wrapped: NDArray[Any]) -> int:
    """Return how many 2 x 2 loops of valid pixels of a ``(Y, X)`` frame are ambiguous.

    Raises
    ------
    LayoutError
        Not two-dimensional, empty, or not of a real float type.
    """
    frame = _checked(wrapped)
    n_residues = _integrated(frame)[1]
    if n_residues == 0:
        return 0
    walls = ~np.isfinite(frame)
    if not walls.any():
        return n_residues
    return _residues(_filled(frame, walls), walls)[2]


def warm() -> None:
    """Compile every kernel, which fills numba's cache for later processes."""
    hole = np.linspace(0, 40, 144, dtype=np.float32).reshape(12, 12) % 6
    hole[5, 5] = np.nan
    for method in Unwrapping:
        unwrap(hole, method)
    # Few residues take trees, many one sort.
    pair = np.zeros((24, 24), np.float32)
    pair[8, 8:11] = 2.0, 4.0, -2.0
    noise = np.random.default_rng(0).uniform(-3, 3, (24, 24)).astype(np.float32)
    for frame in (pair, noise):
        unwrap(frame)


def _checked(wrapped: NDArray[Any]) -> Frame:
    """Return the frame as contiguous float32, or say plainly what is wrong with it."""
    wrapped = np.asanyarray(wrapped)
    if wrapped.dtype.kind != "f":
        raise LayoutError(
            f"Cannot unwrap a frame of type {wrapped.dtype}: give the phase in radians "
            "as real floating-point numbers (float32)."
        )
    if wrapped.ndim != 2 or wrapped.size == 0:
        raise LayoutError(
            f"Cannot unwrap an array of shape {wrapped.shape}: give one frame (Y, X) "
            "with at least one pixel at a time."
        )
    if isinstance(wrapped, np.ma.MaskedArray):
        wrapped = wrapped.filled(np.nan)
    # One array type for the kernels: read-only ones would compile them once more.
    return np.require(wrapped, np.float32, ["C", "A", "W"])


def _n_steps(frame: Frame) -> int:
    n_rows, n_columns = frame.shape
    return int(n_rows * (n_columns - 1) + (n_rows - 1) * n_columns)


def _integrated(frame: Frame) -> tuple[Frame, int, int]:
    """Return phase, number of residues and of steep steps by the one-pass path."""
    from napari_qpm.retrieval._unwrap_kernels import integrate

    n_rows, n_columns = frame.shape
    phase = np.empty_like(frame)
    counts = run_blocks(integrate, n_columns, frame, phase, row_size=n_rows)
    return phase, sum(c[0] for c in counts), sum(c[1] for c in counts)


def _described(phase: Frame, method: str, n_residues: int) -> UnwrapResult:
    from napari_qpm.retrieval._unwrap_kernels import count_steps

    n_rows, n_columns = phase.shape
    counts = run_blocks(count_steps, n_rows, phase, row_size=n_columns)
    n_steps = max(_n_steps(phase), 1)
    return UnwrapResult(
        phase,
        method,
        n_residues,
        sum(c[0] for c in counts) / n_steps,
        sum(c[1] for c in counts) / n_steps,
    )


def _filled(frame: Frame, walls: NDArray[np.bool_]) -> Frame:
    """Return the frame with walls set to the last valid value of their row.

    The level of islands that walls cut off is arbitrary; this keeps it near the rest.
    """
    n_columns = frame.shape[1]
    columns = np.where(walls, 0, np.arange(n_columns))
    source = np.maximum.accumulate(columns, axis=1)
    filled = np.take_along_axis(frame, source, axis=1)
    return np.where(np.isfinite(filled), filled, np.float32(0))


def _residues(
    frame: Frame, walls: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.int32], int]:
    """Return faces that have a residue, the residues, and how many avoid walls."""
    from napari_qpm.retrieval._unwrap_kernels import find_residues

    n_rows, n_columns = frame.shape
    if min(n_rows, n_columns) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int32), 0
    blocks = run_blocks(find_residues, n_rows - 1, frame, row_size=n_columns)
    faces = np.concatenate([block[0] for block in blocks])
    residues = np.concatenate([block[1] for block in blocks])
    if walls is None:
        return faces, residues, faces.size
    beside = walls[1:] | walls[:-1]
    beside = beside[:, 1:] | beside[:, :-1]
    return faces, residues, int(np.count_nonzero(~beside.ravel()[faces]))


def _unwrapped_by_quality(frame: Frame, method: Unwrapping) -> UnwrapResult:
    from napari_qpm.retrieval._unwrap_kernels import integrate_corrected

    n_rows, n_columns = frame.shape
    is_valid = np.isfinite(frame)
    walls = None if is_valid.all() else ~is_valid
    filled = frame if walls is None else _filled(frame, walls)
    faces, residues, n_residues = _residues(filled, walls)
    name = "fast" if method is Unwrapping.AUTO and faces.size == 0 else "quality"
    top = np.zeros(max(n_columns - 1, 0), np.float32)
    down = np.zeros((n_rows - 1, n_columns), np.int32)
    if faces.size:
        unreliability = _unreliability(filled, walls)
        _correct(faces, residues, unreliability, top, down)
    phase = np.empty_like(frame)
    run_blocks(
        integrate_corrected, n_columns, filled, top, down, phase, row_size=n_rows
    )
    if walls is not None:
        phase[walls] = np.nan
    return _described(phase, name, n_residues)


def _unreliability(
    frame: Frame, walls: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    from napari_qpm.retrieval import _unreliability as kernels

    n_rows, n_columns = frame.shape
    unreliability = np.empty(frame.shape, np.float64)
    run_blocks(
        kernels.measure_unreliability, n_rows, frame, unreliability, row_size=n_columns
    )
    if walls is not None:
        kernels.wall_off(walls, frame, unreliability)
    return unreliability


def _correct(
    faces: NDArray[np.int64],
    residues: NDArray[np.int32],
    unreliability: NDArray[np.float64],
    top: Frame,
    down: NDArray[np.int32],
) -> None:
    """Write the turns of steps along row 0 and between rows that close all residues."""
    from napari_qpm.retrieval import _residue_trees as trees

    shape = unreliability.shape[0] - 1, unreliability.shape[1] - 1
    charges = np.zeros(shape, np.int32)
    charges.ravel()[faces] = residues
    is_done = False
    if faces.size < MOST_SEEDS * charges.size:
        most_reached = max(int(MOST_REACHED * charges.size), FEW_FACES)
        is_done, branches, reached = trees.grow_trees(
            faces, residues, unreliability, min(most_reached, charges.size)
        )
    if not is_done:
        along = unreliability[:, 1:] + unreliability[:, :-1]
        between = unreliability[1:] + unreliability[:-1]
        order = np.argsort(np.concatenate([along.ravel(), between.ravel()]))
        branches = trees.join_faces(order, *shape)
        reached = np.arange(charges.size)
    trees.settle(branches, reached, charges, top, down)
