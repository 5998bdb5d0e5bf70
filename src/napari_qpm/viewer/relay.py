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
        self._late: threading.Timer | None = None

    def __call__(self, status: Status) -> None:
        """Pass `status` on; mere progress that comes too soon waits its time."""
        now = time.monotonic()
        with self._lock:
            left = self._last + self._min_interval_s - now
            if status.state is JobState.RUNNING and left > 0:
                self._pass_on_later(left)
                return
            self._last = now
            if self._late is not None:
                self._late.cancel()
                self._late = None
        self._post(self._deliver)

    def _pass_on_later(self, seconds: float) -> None:
        """Let the last news of a burst arrive even if none come after it."""
        if self._late is None:
            self._late = threading.Timer(seconds, self._pass_on)
            self._late.daemon = True
            self._late.start()

    def _pass_on(self) -> None:
        with self._lock:
            if self._late is None:
                return
            self._late, self._last = None, time.monotonic()
        self._post(self._deliver)
