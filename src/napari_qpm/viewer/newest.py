"""A thread that always works on the newest request and forgets the others."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from napari_qpm.errors import JobCancelled
from napari_qpm.jobs import CancelToken

__all__ = ["NewestFirst"]

logger = logging.getLogger(__name__)
Request = TypeVar("Request")


class NewestFirst(Generic[Request]):
    """One thread, started by the first request and ended by `close`.

    Parameters
    ----------
    work
        Called as ``work(request, token)`` on the thread; the token is cancelled as soon
        as a newer request comes.
    settle_s
        A request waits this long for a newer one, so that a slider that is still moving
        costs nothing.
    name
        Of the thread.
    is_eager
        Start at once on a request that none preceded for the settling time: a jump,
        or the begin of a motion.
    """

    def __init__(
        self,
        work: Callable[[Request, CancelToken], None],
        settle_s: float,
        name: str,
        *,
        is_eager: bool = False,
    ):
        self._work, self.settle_s, self._name = work, settle_s, name
        self._is_eager = is_eager
        self._asked_at = -math.inf
        self._may_start = False
        self._news = threading.Condition()
        self._request: Request | None = None
        self._token = CancelToken()
        self._is_closed = False
        self._is_busy = False
        self._thread: threading.Thread | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked for or worked on."""
        with self._news:
            return self._request is None and not self._is_busy

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def ask(self, request: Request) -> None:
        """Work on this instead of whatever was asked for before."""
        with self._news:
            if self._is_closed:
                return
            self._token.cancel()
            self._request = request
            now, before = time.monotonic(), self._asked_at
            self._may_start = self._is_eager and now - before > self.settle_s
            self._asked_at = now
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=self._name, daemon=True
                )
                self._thread.start()
            self._news.notify()

    def forget(self) -> None:
        """Stop what is worked on, and wait for the next request."""
        with self._news:
            self._request = None
            self._token.cancel()

    def close(self) -> None:
        """End the thread at its next safe point; does not wait for it."""
        with self._news:
            self._is_closed, self._request = True, None
            self._token.cancel()
            self._news.notify()

    def wait(self, timeout_s: float) -> bool:
        """Return whether the thread has ended after this time at most."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return not self.is_alive

    def _run(self) -> None:
        while True:
            with self._news:
                self._is_busy = False
                while self._request is None:
                    if self._is_closed:
                        return
                    self._news.wait()
                self._wait_for_rest()
                request, self._request = self._request, None
                if request is None:
                    continue
                token = self._token = CancelToken()
                self._is_busy = True
            try:
                self._work(request, token)
            except JobCancelled:
                continue
            except Exception:
                logger.exception("%s failed", self._name)

    def _wait_for_rest(self) -> None:
        """Return once no newer request came for the settling time, or none has to."""
        while not (self._is_closed or self._may_start):
            left = self._asked_at + self.settle_s - time.monotonic()
            if left <= 0:
                return
            self._news.wait(left)
