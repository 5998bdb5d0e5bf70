import threading
import time
from collections.abc import Iterator

import pytest

from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.pipeline.workers import FRAMES_PER_WORKER, start_workers


def test_every_item_is_computed_once() -> None:
    with start_workers() as workers:
        results = sorted(workers.map(lambda n: n * n, range(20), CancelToken()))
    assert results == [n * n for n in range(20)]


def test_memory_is_bounded_by_taking_items_late() -> None:
    taken: list[int] = []
    release = threading.Event()

    def items() -> Iterator[int]:
        for n in range(100):
            taken.append(n)
            yield n

    def work(n: int) -> int:
        release.wait(5)
        return n

    with start_workers() as workers:
        results = workers.map(work, items(), CancelToken())
        timer = threading.Timer(0.2, release.set)
        timer.start()
        next(results)
        # One more than in flight at most: the one that replaces the first result.
        assert len(taken) <= workers.n_workers * FRAMES_PER_WORKER + 1
        results.close()  # type: ignore[attr-defined]


def test_cancel_ends_the_map_and_leaves_nothing_running() -> None:
    token = CancelToken()
    running = threading.Semaphore(0)
    ended: list[int] = []

    def work(n: int) -> int:
        running.release()
        time.sleep(0.05)
        ended.append(n)
        return n

    with start_workers() as workers:
        results = workers.map(work, range(1000), token)
        next(results)
        token.cancel()
        with pytest.raises(JobCancelled):
            list(results)
        n_ended = len(ended)
        time.sleep(0.15)
        assert len(ended) == n_ended
    assert n_ended < 1000


def test_error_of_one_item_comes_through() -> None:
    def work(n: int) -> int:
        if n == 3:
            raise QPMError("frame 3")
        return n

    with (
        start_workers() as workers,
        pytest.raises(QPMError, match="frame 3"),
    ):
        list(workers.map(work, range(10), CancelToken()))


@pytest.mark.filterwarnings("ignore")
def test_absent_scheduler_is_named() -> None:
    with (
        pytest.raises(QPMError, match="No dask scheduler answers at 'nonsense'"),
        start_workers("nonsense"),
    ):
        pass
