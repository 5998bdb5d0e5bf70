"""From a job's thread to the viewer's: at most ten times a second, and never late.

A job calls its listeners on its own thread, as often as it likes. A `Relay` thins these
calls out and posts them to the thread that owns the layers.
"""

import threading
import time
from collections.abc import Callable

from napari_qpm.jobs import JobState, Status

__all__ = ["Post", "Relay", "call_now"]

MIN_INTERVAL_S = 0.1

Post = Callable[[Callable[[], None]], None]
"""Runs a call later on the thread that owns the layers."""


def call_now(call: Callable[[], None]) -> None:
    """Run a call at once; for work without another thread, and tests."""
    call()


class Relay:
    """Listener of one job that passes its news on to another thread.

    Parameters
    ----------
    post
        Runs a call on the other thread.
    deliver
        Called there; it reads the job's state itself, so nothing arrives outdated.
    """

    def __init__(
        self,
        post: Post,
        deliver: Callable[[], None],
        min_interval_s: float = MIN_INTERVAL_S,
    ):
        self._post = post
        self._deliver = deliver
        self._min_interval_s = min_interval_s
        self._lock = threading.Lock()
        self._last = float("-inf")

    def __call__(self, status: Status) -> None:
        """Pass `status` on unless it is mere progress and comes too soon."""
        now = time.monotonic()
        with self._lock:
            too_soon = now - self._last < self._min_interval_s
            if status.state is JobState.RUNNING and too_soon:
                return
            self._last = now
        self._post(self._deliver)
