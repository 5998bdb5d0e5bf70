"""Long work that can be watched and cancelled, free of Qt.

A `Job` runs one function in a thread and tells its listeners, on that thread, what
happens; widgets marshal to the GUI themselves. The function checks its `CancelToken`
at every frame or tile. `run_command` gives the same events from our own command line
in a child process, so thread and process share one mechanism.

States: ``idle -> running -> (cancelling ->) finished``; a job runs once.
"""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from napari_qpm.errors import JobCancelled, QPMError

__all__ = [
    "CancelToken",
    "FinishReason",
    "Job",
    "JobState",
    "Progress",
    "Status",
    "run_command",
]

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class JobState(StrEnum):
    """Where a job is in its life."""

    IDLE = "idle"
    """Made, not started."""
    RUNNING = "running"
    """Its function runs."""
    CANCELLING = "cancelling"
    """Cancel was asked; the function has not yet reached a safe point."""
    FINISHED = "finished"
    """Ended; see the finish reason."""


class FinishReason(StrEnum):
    """Why a job ended."""

    COMPLETED = "completed"
    """Its function returned."""
    CANCELLED = "cancelled"
    """The user asked it to stop, and it did."""
    FAILED = "failed"
    """Its function raised; the error is kept."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Parameters
    ----------
    done, total
        Finished and expected units; `total` 0 means unknown.
    unit
        What is counted, for example ``"frames"``.
    message
        One short sentence on what happens now.
    """

    done: int
    total: int
    unit: str = "frames"
    message: str = ""


@dataclass(frozen=True)
class Status:
    """Frozen snapshot of a job, safe to read from any thread."""

    state: JobState
    reason: FinishReason | None
    progress: Progress
    elapsed_s: float
    remaining_s: float | None
    error: BaseException | None

    def describe(self) -> str:
        """Return progress in words, for example ``"12 of 200 frames, 8 s left"``."""
        p = self.progress
        if self.state is JobState.CANCELLING:
            return "Cancelling…"
        if self.reason is FinishReason.FAILED:
            return str(self.error)
        if self.reason is not None:
            return f"{self.reason.capitalize()} after {self.elapsed_s:.1f} s"
        text = f"{p.done} of {p.total} {p.unit}" if p.total else p.message
        if self.remaining_s is not None and self.remaining_s >= 1:
            text += f", {self.remaining_s:.0f} s left"
        return text


class CancelToken:
    """Flag that a caller sets and that work checks at every safe point."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next safe point."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` when `cancel` was called."""
        if self._event.is_set():
            raise JobCancelled("The job was cancelled.")

    def pause(self, seconds: float) -> None:
        """Wait this long; raise `JobCancelled` as soon as `cancel` is called."""
        self._event.wait(seconds)
        self.raise_if_cancelled()


ReportProgress = Callable[[Progress], None]


class Job(Generic[Result]):
    """One function in a thread, with state, progress, cancel and a finish reason.

    Parameters
    ----------
    function
        Called as ``function(token, report)``; `report` takes a `Progress`.
    title
        Verb phrase shown to the user, for example ``"Retrieve phase"``.
    """

    def __init__(
        self,
        function: Callable[[CancelToken, ReportProgress], Result],
        title: str = "Job",
    ):
        self.title = title
        self.token = CancelToken()
        self.result: Result | None = None
        self._function = function
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Status], None]] = []
        self._state = JobState.IDLE
        self._reason: FinishReason | None = None
        self._error: BaseException | None = None
        self._progress = Progress(0, 0)
        self._started_at = 0.0
        self._ended_at = 0.0
        self._thread: threading.Thread | None = None
        self._done = threading.Event()

    @property
    def status(self) -> Status:
        """Snapshot of state, progress and error."""
        with self._lock:
            now = self._ended_at or time.monotonic()
            elapsed = now - self._started_at if self._started_at else 0.0
            p, remaining = self._progress, None
            if self._state is JobState.RUNNING and 0 < p.done < p.total:
                remaining = elapsed / p.done * (p.total - p.done)
            return Status(self._state, self._reason, p, elapsed, remaining, self._error)

    @property
    def is_running(self) -> bool:
        """Whether the function runs, cancelling included."""
        return self._state in (JobState.RUNNING, JobState.CANCELLING)

    def connect(self, listener: Callable[[Status], None]) -> None:
        """Call `listener(status)` on every change, on the job's thread."""
        self._listeners.append(listener)

    def disconnect(self, listener: Callable[[Status], None]) -> None:
        """Stop calling `listener`; unknown listeners are ignored."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def start(self) -> "Job[Result]":
        """Run the function in a new daemon thread and return this job."""
        self._begin()
        self._thread = threading.Thread(
            target=self._execute, name=f"qpm: {self.title}", daemon=True
        )
        self._thread.start()
        return self

    def run(self) -> Result:
        """Run the function here and return its result, or raise its error."""
        self._begin()
        self._execute()
        if self._error is not None:
            raise self._error
        return self.result  # type: ignore[return-value]

    def cancel(self) -> None:
        """Ask to stop; does nothing when the job does not run."""
        with self._lock:
            if self._state is not JobState.RUNNING:
                return
            self._state = JobState.CANCELLING
        self.token.cancel()
        self._notify()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the job ended and its listeners know.

        Returns False when `timeout_s` ran out first.
        """
        return self._done.wait(timeout_s)

    def report(self, progress: Progress) -> None:
        """Record progress and tell the listeners."""
        with self._lock:
            self._progress = progress
        self._notify()

    def _begin(self) -> None:
        with self._lock:
            if self._state is not JobState.IDLE:
                raise QPMError(f"{self.title!r} was started before; make a new job.")
            self._state = JobState.RUNNING
            self._started_at = time.monotonic()
        self._notify()

    def _execute(self) -> None:
        reason = FinishReason.COMPLETED
        error: BaseException | None = None
        try:
            self.result = self._function(self.token, self.report)
        except JobCancelled as cancelled:
            reason, error = FinishReason.CANCELLED, cancelled
        except BaseException as raised:
            reason, error = FinishReason.FAILED, raised
            logger.exception("%s failed", self.title)
        with self._lock:
            self._reason, self._error = reason, error
            self._state = JobState.FINISHED
            self._ended_at = time.monotonic()
        self._notify()
        self._done.set()

    def _notify(self) -> None:
        status = self.status
        for listener in tuple(self._listeners):
            try:
                listener(status)
            except Exception:
                logger.exception("A listener of %s failed", self.title)


def run_command(
    arguments: Sequence[str], *, keeps_result: bool = False
) -> Callable[[CancelToken, ReportProgress], dict[str, Any]]:
    """Return a job function that runs ``napari-qpm … --json`` in a child process.

    The child prints one JSON object a line: progress events
    (``{"event": "progress", "done", "total", "unit", "message"}``), and last its result
    or ``{"event": "error", "message"}``, with its traceback where it was not foreseen.
    Cancel terminates the child; the pipeline's
    restart then continues where it stopped. With `keeps_result`, a child that is
    terminated and ends with a result has done its work.
    """

    def run(token: CancelToken, report: ReportProgress) -> dict[str, Any]:
        command = [sys.executable, "-m", "napari_qpm", *arguments, "--json"]
        last: dict[str, Any] = {}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            watcher = threading.Thread(
                target=_terminate_on_cancel, args=(child, token), daemon=True
            )
            watcher.start()
            assert child.stdout is not None
            for line in child.stdout:
                try:
                    event = json.loads(line)
                except json.JSONDecodeError as error:
                    child.terminate()
                    raise QPMError(
                        f"The child process printed what is not JSON: {line.strip()!r}."
                    ) from error
                if event.get("event") == "progress":
                    event.pop("event")
                    report(Progress(**event))
                else:
                    last = event
        if keeps_result and last.get("event") == "result":
            return last
        token.raise_if_cancelled()
        if child.returncode or last.get("event") == "error":
            message = last.get("message", f"exit status {child.returncode}")
            failure = QPMError(f"The child process failed: {message}")
            if "traceback" in last:
                failure.add_note(f"In the child process:\n{last['traceback']}")
            raise failure
        return last

    return run


def _terminate_on_cancel(child: subprocess.Popen[str], token: CancelToken) -> None:
    while child.poll() is None:
        if token.is_cancelled:
            child.terminate()
            return
        time.sleep(0.05)
