"""Adapting a model to the user's microscope, beside all other work of the dock.

The learning runs in a child process, so that the viewer stays smooth and all memory
comes back. Free of Qt.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_qpm.acquisition import Acquisition, ArraySource
from napari_qpm.jobs import (
    CancelToken,
    FinishReason,
    Job,
    ReportProgress,
    Status,
    run_command,
)
from napari_qpm.viewer.relay import Post, Relay, call_now
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.wording import explain
from napari_qpm.viewer.workflow import Availability

if TYPE_CHECKING:
    from napari_qpm.adaptation import Adaptation
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Adapting"]

ENGINE = "nas-prnet"
FIRST_NAME = "my-scope"
MOST_FRAMES = 8
TITLE = "Adapt to this microscope"

Command = Callable[[CancelToken, ReportProgress], dict[str, Any]]


def _command(arguments: list[str]) -> Command:
    return run_command(arguments, keeps_result=True)


class Adapting:
    """One adaptation at a time.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    post
        Runs a call later on the thread that owns the layers.
    make_command
        Returns what runs our command line with these arguments.
    """

    changed = Signal()
    """It began, ended, or can no longer begin."""
    progressed = Signal(Status)
    """The learning moved on."""

    def __init__(
        self,
        workflow: "Workflow",
        post: Post = call_now,
        make_command: Callable[[list[str]], Command] = _command,
    ):
        self._workflow, self._post = workflow, post
        self._make_command = make_command
        self._is_closed = False
        self.job: Job[dict[str, Any]] | None = None
        self.outcome: Adaptation | None = None
        self.message = ""

    def availability(self) -> Availability:
        """Return whether the selected recording can teach, and what to do if not."""
        if self.job is not None:
            return Availability(False, "Wait until the model has learned, or stop it.")
        if self._workflow.field is None:
            return Availability(False, "Select a recording of your microscope.")
        return Availability(
            True,
            "Make a model of your own that fits the selected recording's microscope. "
            "You can go on working meanwhile.",
        )

    def free_name(self) -> str:
        """Return a name that no model has yet."""
        from napari_qpm.runtime import ModelStore

        taken, number = set(ModelStore().names()), 2
        name = FIRST_NAME
        while name in taken:
            name, number = f"{FIRST_NAME}-{number}", number + 1
        return name

    def start(self, name: str, minutes: float) -> None:
        """Begin to learn from the selected recording; does nothing while one learns."""
        field = self._workflow.field
        if field is None or not self.availability().is_ready:
            return
        source = field.acquisition if field.phase_map is None else None
        # With a phase, sideband and sign are known, and possibly corrected.
        recording = source or field.phase_map.acquisition  # type: ignore[union-attr]
        values = self._workflow.settings.pipeline(self._workflow.modality)
        chosen = dict(values.retrieve.parameters)
        arguments = ["--name", name, "--minutes", f"{minutes:g}"]
        arguments += ["--model", str(chosen.get("model", ENGINE))]
        arguments += ["--device", str(chosen.get("device", "auto"))]
        if chosen.get("scale"):
            arguments += ["--scale", str(chosen["scale"])]
        make_command = self._make_command

        def work(token: CancelToken, report: ReportProgress) -> dict[str, Any]:
            with tempfile.TemporaryDirectory(prefix="napari-qpm-") as folder:
                path = _write_sample(recording, Path(folder))
                return make_command(["adapt", str(path), *arguments])(token, report)

        self.outcome, self.message = None, ""
        job = self.job = Job(work, TITLE)
        job.connect(Relay(self._post, lambda: self._on_news(job)))
        self.changed.emit()
        job.start()

    def stop(self) -> None:
        """End the learning early; the best until then is kept if it is better."""
        if self.job is not None:
            self.job.cancel()
            self.progressed.emit(self.job.status)

    def close(self) -> None:
        """Stop, and hear nothing more of it."""
        self._is_closed = True
        if self.job is not None:
            self.job.cancel()

    def _on_news(self, job: Job[dict[str, Any]]) -> None:
        if job is not self.job or self._is_closed:
            return
        status = job.status
        self.progressed.emit(status)
        if status.reason is None:
            return
        self.job = None
        if status.reason is FinishReason.COMPLETED and job.result is not None:
            self._take(job.result)
        elif status.reason is FinishReason.CANCELLED:
            self.message = "Stopped before anything was learned: no model was saved."
        elif status.error is not None:
            self.message = explain(status.error, TITLE)
            self._workflow.tell_failure(status.error, TITLE)
        self.changed.emit()

    def _take(self, result: dict[str, Any]) -> None:
        """Keep the outcome and choose the new model from now on."""
        from napari_qpm.adaptation.outcome import Adaptation

        self.outcome = Adaptation.from_dict(result)
        self.message = self.outcome.describe().splitlines()[0]
        if self.outcome.name is None:
            return
        settings = self._workflow.settings
        settings.change_engine(StepName.RETRIEVE, ENGINE, model=self.outcome.name)
        self.message += " It is chosen now: retrieve the phase again."
        self._workflow.settings_changed.emit()


def _write_sample(recording: Acquisition, folder: Path) -> Path:
    """Write some frames, the reference and all that is known for the child."""
    from napari_qpm.io.recording import write_recording

    count = min(MOST_FRAMES, recording.n_frames)
    times = np.linspace(0, recording.n_frames - 1, count).round().astype(int)
    frames = np.stack([recording.read(int(t)) for t in times])
    sample = recording.replace(source=ArraySource(frames))
    return write_recording(sample, folder / "recording.ome.zarr")
