"""Networks that learn from what the user shows, beside all other work of the dock.

The learning runs in a child process, so that the viewer stays smooth and all memory
comes back. What it needs lies in a folder, so that it goes on after a pause, a crash or
a restart. Free of Qt.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_qpm.adaptation.run_folder import PAUSE
from napari_qpm.errors import QPMError
from napari_qpm.jobs import (
    CancelToken,
    FinishReason,
    Job,
    ReportProgress,
    Status,
    run_command,
)
from napari_qpm.viewer.cells_picture import cells_picture
from napari_qpm.viewer.relay import Post, Relay, call_now
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.training_runs import (
    Curves,
    TrainingRun,
    training_folder,
    waiting_runs,
)
from napari_qpm.viewer.wording import explain
from napari_qpm.viewer.workflow import Availability

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["FrameRow", "Learning", "Preparation"]

Command = Callable[[CancelToken, ReportProgress], dict[str, Any]]
Preparation = Callable[[Path], list[str]]
"""Writes what teaches into a folder, and returns the command that learns from it."""


def _command(arguments: list[str]) -> Command:
    return run_command(arguments, keeps_result=True)


@dataclass(frozen=True)
class FrameRow:
    """A frame that can teach.

    Parameters
    ----------
    key
        What tells it from others.
    title
        Recording, number, and what there is to learn.
    n_cells
        Cells in it that count; 0 where no cells are learned.
    is_chosen
        Whether it will teach.
    """

    key: Any
    title: str
    n_cells: int
    is_chosen: bool


class Learning(ABC):
    """One training at a time.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    post
        Runs a call later on the thread that owns the layers.
    make_command
        Returns what runs our command line with these arguments.
    root
        Where trainings lie; the platform's place by default.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    step: ClassVar[StepName]
    first_name: ClassVar[str]
    default_minutes: ClassVar[int]

    changed = Signal()
    """It began, ended, waits, or can no longer begin."""
    progressed = Signal(Status)
    """The learning moved on."""

    def __init__(
        self,
        workflow: "Workflow",
        post: Post = call_now,
        make_command: Callable[[list[str]], Command] = _command,
        root: Path | None = None,
    ):
        self._workflow, self._post = workflow, post
        self._make_command = make_command
        self._is_closed = self._is_pausing = False
        self.job: Job[dict[str, Any]] | None = None
        self.run: TrainingRun | None = None
        self.outcome: Any = None
        self.message = ""
        self.root = training_folder() if root is None else root
        self.waiting = next(iter(waiting_runs(self.root, self.kind)), None)
        self._left_out: set[Any] = set()
        self._curves = Curves()
        self._picture: NDArray[np.uint8] | None = None
        self._pictured = 0.0
        self._written: tuple[int, ...] = ()

    # ------------------------------------------------------------ what there is

    @abstractmethod
    def availability(self) -> Availability:
        """Return whether something can be learned now, and what to do if not."""

    @abstractmethod
    def rows(self) -> list[FrameRow]:
        """Return the frames that can teach."""

    @abstractmethod
    def models(self) -> list[tuple[str, str]]:
        """Return ``(name, title)`` of the models to start from."""

    @abstractmethod
    def chosen_model(self) -> str:
        """Return the name of the model that is in use."""

    @abstractmethod
    def summary(self) -> str:
        """Return what will teach, in a sentence."""

    @abstractmethod
    def _preparation(self, name: str, minutes: float, model: str) -> Preparation:
        """Return what writes down all that teaches, as it is now."""

    @abstractmethod
    def _take(self, result: dict[str, Any]) -> None:
        """Keep the outcome and choose the new model from now on."""

    def choose(self, key: Any, is_chosen: bool) -> None:
        """Let a frame teach, or not."""
        (self._left_out.discard if is_chosen else self._left_out.add)(key)
        self.changed.emit()

    def free_name(self) -> str:
        """Return a name that no model has yet."""
        from napari_qpm.runtime import ModelStore

        taken, number = set(ModelStore().names()), 2
        name = self.first_name
        while name in taken:
            name, number = f"{self.first_name}-{number}", number + 1
        return name

    def waiting_sentence(self) -> str:
        """Return what waits to go on, in words; empty when nothing does."""
        if self.waiting is None or self.job is not None:
            return ""
        about, curves = self.waiting.about(), self.waiting.curves()
        step = int(curves.steps[-1]) if curves.steps else 0
        return f"{about.get('name', 'A model')} has learned {step} steps and waits."

    def curves(self) -> Curves:
        """Return how the present, waiting or last training goes."""
        run = self.run or self.waiting
        written = () if run is None else run.written()
        if run is not None and written and written != self._written:
            self._written, self._curves = written, run.curves()
        return self._curves

    def picture(self) -> NDArray[np.uint8] | None:
        """Return ``(Y, X, 3)`` one frame with its cells as they are found by now."""
        run = self.run or self.waiting
        made = 0.0 if run is None else run.preview_time()
        if run is not None and made > self._pictured:
            self._pictured = made
            seen = run.preview()
            self._picture = None if seen is None else cells_picture(*seen)
        return self._picture

    # ------------------------------------------------------------ what is done

    def start(self, name: str, minutes: float, model: str) -> None:
        """Begin to learn; does nothing while something is learned."""
        if not self.availability().is_ready:
            return
        prepare = self._preparation(name, minutes, model)
        run = TrainingRun.new(self.root)

        def work(token: CancelToken, report: ReportProgress) -> dict[str, Any]:
            arguments = prepare(run.folder)
            with run.held():
                run.describe(kind=self.kind, name=name, arguments=arguments)
                return self._make_command(_in_folder(arguments, run))(token, report)

        self._begin(run, work)

    def resume(self) -> None:
        """Go on with what waits; does nothing while something is learned."""
        run = self.waiting
        if run is None or self.job is not None:
            return
        arguments = [str(one) for one in run.about().get("arguments", [])]
        command = self._make_command(_in_folder(arguments, run))

        def work(token: CancelToken, report: ReportProgress) -> dict[str, Any]:
            with run.held():
                return command(token, report)

        self._begin(run, work)

    def discard(self) -> None:
        """Delete what waits, unless it goes on in another window by now."""
        if self.waiting is not None and self.job is None:
            if not self.waiting.is_held:
                self.waiting.remove()
            self.waiting, self.message = None, ""
            self._forget_curves()
            self.changed.emit()

    def stop(self) -> None:
        """End the learning early; the best until then is kept if it is better."""
        if self.job is not None:
            self.job.cancel()
            self.progressed.emit(self.job.status)

    def pause(self) -> None:
        """Let the learning wait; it needs neither memory nor time meanwhile."""
        if self.job is None or self.run is None:
            return
        self._ask_to_wait(self.run)
        self.stop()

    def close(self) -> None:
        """Let the learning wait for another session, and hear nothing more of it."""
        self._is_closed = True
        if self.job is not None and self.run is not None:
            self._ask_to_wait(self.run)
            self.job.cancel()

    @property
    def is_pausing(self) -> bool:
        """Whether the learning was asked to wait, and not just to end."""
        return self._is_pausing

    def _forget_curves(self) -> None:
        self._curves, self._picture = Curves(), None
        self._pictured, self._written = 0.0, ()

    def _ask_to_wait(self, run: TrainingRun) -> None:
        self._is_pausing = True
        if run.training.is_dir():
            (run.training / PAUSE).touch()

    def _begin(self, run: TrainingRun, work: Command) -> None:
        self.outcome, self.message, self.waiting = None, "", None
        self._is_pausing = False
        self._forget_curves()
        self.run = run
        job = self.job = Job(work, self.title)
        job.connect(Relay(self._post, lambda: self._on_news(job)))
        self.changed.emit()
        job.start()

    def _on_news(self, job: Job[dict[str, Any]]) -> None:
        if job is not self.job or self._is_closed:
            return
        status, run = job.status, self.run
        self.progressed.emit(status)
        if status.reason is None or run is None:
            return
        self.curves()
        self.picture()
        self.job = self.run = None
        if status.reason is FinishReason.COMPLETED and job.result is not None:
            self._take(job.result)
            run.remove()
        else:
            self._keep(run, status)
        self.changed.emit()

    def _keep(self, run: TrainingRun, status: Status) -> None:
        """Keep what was learned by a training that did not come to its end."""
        is_kept = run.has_learned and (
            self._is_pausing or status.reason is FinishReason.FAILED
        )
        self.waiting = run if is_kept else None
        if status.reason is FinishReason.CANCELLED:
            self.message = (
                "Paused."
                if is_kept
                else "Stopped before anything was learned: no model was saved."
            )
        elif status.error is not None:
            self.message = explain(status.error, self.title)
            if is_kept:
                self.message += " What was learned until then is kept."
            self._workflow.tell_failure(status.error, self.title)
        if not is_kept:
            run.remove()

    def _use(self, engine: str, model: str) -> None:
        """Choose a model in the form of the step."""
        settings = self._workflow.settings
        settings.change_engine(self.step, engine, model=model)
        self._workflow.settings_changed.emit()


def _in_folder(arguments: list[str], run: TrainingRun) -> list[str]:
    """Return a command that works in the folder of a run, and goes on there."""
    if not arguments:
        raise QPMError(f"What was asked of the training in {run.folder} is lost.")
    return [*arguments, "--folder", str(run.training), "--resume"]
