"""Frames in parallel with bounded memory: on threads here, or on a dask cluster.

Both are seen as a `concurrent.futures` executor. Our kernels release the GIL, so
threads scale; at most two frames a worker are in flight, however long the recording.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any, TypeVar

from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken

__all__ = ["Workers", "start_workers"]

FRAMES_PER_WORKER = 2
POLL_S = 0.2
Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Workers that take one frame at a time.

    Parameters
    ----------
    executor
        Runs the calls.
    n_workers
        How many calls run at the same time.
    share
        Sends something large to all workers once and returns its stand-in; `None` for
        workers in this process.
    """

    def __init__(
        self,
        executor: Executor,
        n_workers: int,
        share: Callable[[Any], Any] | None = None,
    ):
        self.n_workers = n_workers
        self._executor = executor
        self._share = share

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        token: CancelToken,
    ) -> Iterator[Result]:
        """Yield ``function(item)`` as results come, in any order.

        Raises
        ------
        JobCancelled
            `token` was cancelled; calls that already run are waited for.
        """
        shared = function if self._share is None else self._share(function)
        waiting = iter(items)
        pending: set[Future[Result]] = set()
        try:
            exhausted = False
            while pending or not exhausted:
                token.raise_if_cancelled()
                while not exhausted and len(pending) < self._window:
                    try:
                        item = next(waiting)
                    except StopIteration:
                        exhausted = True
                        break
                    pending.add(self._executor.submit(_call, shared, item))
                done, pending = wait(
                    pending, timeout=POLL_S, return_when=FIRST_COMPLETED
                )
                for future in done:
                    yield future.result()
                    token.raise_if_cancelled()
        finally:
            for future in pending:
                future.cancel()
            _settle(pending)

    @property
    def share_memory(self) -> bool:
        """Whether the workers are threads of this process."""
        return self._share is None

    @property
    def _window(self) -> int:
        return self.n_workers * FRAMES_PER_WORKER


@contextmanager
def start_workers(scheduler: str | None = None) -> Iterator[Workers]:
    """Start workers and stop them at the end.

    Parameters
    ----------
    scheduler
        Address of a `dask.distributed` scheduler, for example
        ``"tcp://host:8786"``; `None` runs threads in this process, as many as dask's
        setting ``num_workers`` says, or as there are cores.
    """
    if scheduler is not None:
        with _cluster(scheduler) as workers:
            yield workers
        return
    import dask

    n_workers = int(dask.config.get("num_workers", None) or os.cpu_count() or 1)
    with ThreadPoolExecutor(n_workers, thread_name_prefix="qpm") as executor:
        yield Workers(executor, n_workers)


@contextmanager
def _cluster(scheduler: str) -> Iterator[Workers]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout="10s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise QPMError(
            f"No dask scheduler answers at {scheduler!r}. Start one with "
            "`dask scheduler`, or leave the address out to run on this computer."
        ) from error
    with client:
        n_workers = sum(client.nthreads().values())
        if n_workers == 0:
            raise QPMError(
                f"The dask scheduler at {scheduler!r} has no workers. "
                "Start some with `dask worker ADDRESS`."
            )
        yield Workers(
            client.get_executor(pure=False),
            n_workers,
            lambda value: client.scatter(value, broadcast=True, hash=False),
        )


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)


def _settle(futures: set[Future[Any]]) -> None:
    """Wait for calls that could not be withdrawn, so that none outlives the map."""
    for future in futures:
        try:
            future.exception()
        except CancelledError:
            continue
