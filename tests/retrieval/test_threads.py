import threading

import numpy as np

from napari_qpm.retrieval import _threads
from napari_qpm.retrieval._threads import SMALLEST_BLOCK, run_blocks


def rows(start, stop, found):
    found[start:stop] += 1
    return stop - start


def test_every_row_is_done_once_and_results_come_in_order():
    found = np.zeros(101, int)

    sizes = run_blocks(rows, 101, found, row_size=SMALLEST_BLOCK)

    assert (found == 1).all()
    assert sum(sizes) == 101


def test_blocks_that_no_thread_has_begun_are_done_by_the_caller():
    release, pool = threading.Event(), _threads._shared_pool()
    busy = [pool.submit(release.wait, 60) for _ in range(pool._max_workers)]
    found = np.zeros(101, int)
    try:
        sizes = run_blocks(rows, 101, found, row_size=SMALLEST_BLOCK)
    finally:
        release.set()

    assert not any(one.exception() for one in busy)
    assert (found == 1).all()
    assert sum(sizes) == 101
