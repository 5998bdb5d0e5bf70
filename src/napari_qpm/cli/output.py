"""What the command says: to people, or as JSON lines to programs.

With ``--json``, stdout carries JSON objects only, one a line: progress as
`napari_qpm.jobs.run_command` reads it, then one result or error. Whatever a library
prints meanwhile goes to stderr.
"""

import contextlib
import json
import logging
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

import typer

from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken, Progress

__all__ = [
    "EXIT_CANCELLED",
    "EXIT_FAILED",
    "Output",
    "UsageError",
    "command_output",
    "plain_line",
]

EXIT_FAILED = 1
EXIT_CANCELLED = 130
REPORTS_PER_S = 10
logger = logging.getLogger(__name__)

# Newer typer carries its own copy of click; in both this is the parent class.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class Output:
    """One command's voice, with its cancel token.

    Parameters
    ----------
    as_json
        JSON lines instead of text.
    """

    def __init__(self, as_json: bool):
        self.as_json = as_json
        self.token = CancelToken()
        self._stdout = sys.stdout
        self._redirection = contextlib.redirect_stdout(sys.stderr)
        self._bar = None if as_json else _Bar.on_terminal()
        self._last_message = ""
        self._last_time = 0.0

    def __enter__(self) -> Self:
        self._redirection.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_bar()
        self._redirection.__exit__(kind, error, trace)

    def report(self, progress: Progress) -> None:
        """Show progress; at most ten times a second within a stage."""
        now = time.monotonic()
        is_ended = progress.total > 0 and progress.done >= progress.total
        is_new = progress.message != self._last_message
        if not (is_new or is_ended or now - self._last_time > 1 / REPORTS_PER_S):
            return
        self._last_message, self._last_time = progress.message, now
        if self.as_json:
            self._emit(
                {
                    "event": "progress",
                    "done": progress.done,
                    "total": progress.total,
                    "unit": progress.unit,
                    "message": progress.message,
                }
            )
        elif self._bar is not None:
            self._bar.show(progress)

    def result(self, values: dict[str, Any], text: str) -> None:
        """Give the result: `values` as JSON, or `text` to people."""
        self.close_bar()
        if self.as_json:
            self._emit({"event": "result", **values})
        else:
            typer.echo(text, file=self._stdout)

    def error(self, message: str, trace: str = "") -> None:
        """Say in one line what went wrong; programs also get the traceback."""
        self.close_bar()
        if self.as_json:
            told = {"event": "error", "message": plain_line(message)}
            self._emit(told | ({"traceback": trace} if trace else {}))
        else:
            typer.echo(f"napari-qpm: {plain_line(message)}", err=True)

    def close_bar(self) -> None:
        """Remove the progress bar, if there is one."""
        if self._bar is not None:
            self._bar.close()

    def _emit(self, values: dict[str, Any]) -> None:
        typer.echo(json.dumps(values, default=str, allow_nan=False), file=self._stdout)
        self._stdout.flush()


class _Bar:
    """Progress bar on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, Any] = {}
        self._progress.start()

    @classmethod
    def on_terminal(cls) -> "_Bar | None":
        """Return a bar when a person watches, else `None`."""
        return cls() if sys.stderr.isatty() else None

    def show(self, p: Progress) -> None:
        """Draw the state of one stage; each stage has its own line."""
        if p.message not in self._tasks:
            self._tasks[p.message] = self._progress.add_task(
                p.message, total=p.total or None, unit=p.unit
            )
        self._progress.update(self._tasks[p.message], completed=p.done, total=p.total)

    def close(self) -> None:
        """Stop drawing; what is drawn stays."""
        self._progress.stop()


@contextlib.contextmanager
def command_output(as_json: bool) -> Iterator[Output]:
    """Run a command's body; errors become one plain line and an exit code.

    Ctrl-C and a polite kill cancel at the next frame; finished frames stay.
    """
    with Output(as_json) as output, _cancel_on_signal(output.token.cancel):
        try:
            yield output
        except (typer.Exit, typer.Abort, UsageError):
            raise
        except JobCancelled:
            output.error(
                "Cancelled. Finished frames are kept; run the same command again to "
                "continue."
            )
            raise typer.Exit(EXIT_CANCELLED) from None
        except QPMError as error:
            output.error(str(error))
            raise typer.Exit(EXIT_FAILED) from error
        except BrokenPipeError:
            raise
        except Exception as error:
            logger.exception("Unexpected failure")
            told = f"Unexpected {type(error).__name__}: {error}"
            output.error(told, traceback.format_exc())
            raise typer.Exit(EXIT_FAILED) from error


@contextlib.contextmanager
def _cancel_on_signal(cancel: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into a cancel; a second one ends at once."""
    previous: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        cancel()
        for known, handler in previous.items():
            signal.signal(known, handler)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handle)
    except ValueError:
        # Signals belong to the main thread; elsewhere the caller cancels by itself.
        previous.clear()
    try:
        yield
    finally:
        for known, handler in previous.items():
            signal.signal(known, handler)


def plain_line(message: str) -> str:
    """Return a message on one line."""
    return " ".join(message.split())
