"""Row blocks of one kernel on a few shared threads.

numba's own threading layers are not safe under dask's threads, so kernels are serial,
release the GIL, and are cut into blocks here. The pool runs leaf tasks only (a block
never submits another), so callers may themselves be workers of any pool.
"""

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["run_blocks"]

SMALLEST_BLOCK = 1 << 16
"""Pixels below which handing a block to a thread costs more than it saves."""

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def _n_threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shared_pool() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(_n_threads(), thread_name_prefix="qpm-block")
        return _pool


def _forget_pool() -> None:
    """Drop what a forked child inherits: a lock that may be held and no threads."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def run_blocks(
    kernel: Callable[..., Any], n_rows: int, *arguments: Any, row_size: int = 1
) -> list[Any]:
    """Return ``kernel(start, stop, *arguments)`` of each block of rows, in order.

    Parameters
    ----------
    kernel
        Function that releases the GIL and must not call `run_blocks` itself.
    n_rows
        Rows to share out; columns will do when the kernel cuts frames that way.
    *arguments
        Passed on to every block.
    row_size
        Pixels a row, so that small frames stay on the calling thread.
    """
    n_blocks = min(_n_threads(), n_rows, n_rows * row_size // SMALLEST_BLOCK)
    if n_blocks < 2:
        return [kernel(0, n_rows, *arguments)]
    edges = [n_rows * i // n_blocks for i in range(n_blocks + 1)]
    pool = _shared_pool()
    others = [
        pool.submit(kernel, start, stop, *arguments)
        for start, stop in itertools.pairwise(edges[1:])
    ]
    first = kernel(edges[0], edges[1], *arguments)
    return [first, *(other.result() for other in others)]
