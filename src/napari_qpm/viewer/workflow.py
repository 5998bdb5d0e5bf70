"""The view-model of the dock: what is selected, what can be done, and the job at work.

Free of Qt. It lives on the thread that owns the layers; jobs run on their own and only
come back through `post`. Results are committed when a job completed, never before.
"""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_qpm.acquisition import Acquisition, Modality, PhaseUnit
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, FinishReason, Job, ReportProgress, Status
from napari_qpm.viewer.adoption import adopt
from napari_qpm.viewer.cell_selection import CellSelection
from napari_qpm.viewer.colouring import Colouring
from napari_qpm.viewer.fields import FieldOfView, Role, field_of, unwrap
from napari_qpm.viewer.filling_layers import phase_key
from napari_qpm.viewer.kept_view import kept_view
from napari_qpm.viewer.layers import place_layers
from napari_qpm.viewer.recording_edits import (
    change_instrument,
    change_modality,
    update_records,
)
from napari_qpm.viewer.relay import Post, Relay, call_now
from napari_qpm.viewer.reports import Failure, failure_of
from napari_qpm.viewer.results import present
from napari_qpm.viewer.settings import Settings, StepName
from napari_qpm.viewer.tasks import (
    Task,
    export_task,
    inspect_task,
    measure_task,
    retrieve_task,
    segment_task,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["Availability", "Scope", "Workflow"]

logger = logging.getLogger(__name__)


class Scope(StrEnum):
    """Which frames a step works on."""

    ALL = "all"
    """The whole recording."""
    CURRENT = "current"
    """The frame that the viewer shows: a quick look."""


@dataclass(frozen=True)
class Availability:
    """Whether a step can run now, and what to do first if not."""

    is_ready: bool
    reason: str = ""


class Workflow:
    """State of one dock in one viewer.

    Parameters
    ----------
    viewer
        The viewer whose layers are worked on.
    post
        Runs a call later on the thread that owns the layers.
    before_job
        Waited for at the start of every job, off the GUI thread (compiled code).
    """

    changed = Signal()
    """The selected recording, its results or what can be done changed."""
    progressed = Signal(Status)
    """The job moved on; comes at most ten times a second."""
    finished = Signal(str, Status)
    """A job ended: its title and how."""
    settings_changed = Signal()
    """A parameter of a form was changed."""
    failed = Signal(str)
    """Something went wrong; the sentence says what to do."""

    def __init__(
        self,
        viewer: "ViewerModel",
        post: Post = call_now,
        before_job: Callable[[CancelToken, ReportProgress], None] | None = None,
    ):
        self.viewer = viewer
        self.settings = Settings()
        self.field: FieldOfView | None = None
        self.problem = ""
        self.note = ""
        self.job: Job[Any] | None = None
        self.failure: Failure | None = None
        self.results_folder: Path | None = None
        self.post = post
        self._prepare = before_job
        self._queue: list[tuple[StepName, Scope]] = []
        self._is_closed = False
        self._connect()
        self.selection = CellSelection(self)
        self.colouring = Colouring(self, self.selection)
        self._on_selection()

    def _connect(self) -> None:
        self.viewer.layers.selection.events.active.connect(self._on_selection)
        self.viewer.layers.events.removed.connect(self._on_layer_removed)

    def close(self) -> None:
        """Cancel the job and let go of the viewer; results of it are dropped."""
        if self._is_closed:
            return
        self._is_closed = True
        self._queue.clear()
        if self.job is not None:
            self.job.cancel()
        self.viewer.layers.selection.events.active.disconnect(self._on_selection)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.colouring.close()
        self.selection.close()

    # ------------------------------------------------------------ recording

    @property
    def acquisition(self) -> Acquisition | None:
        """The selected recording."""
        return None if self.field is None else self.field.acquisition

    @property
    def modality(self) -> Modality | None:
        """Kind of the selected recording."""
        return None if self.field is None else self.field.acquisition.modality

    def recording_notes(self) -> tuple[str, ...]:
        """Return what was assumed of the recording, first what its phase showed."""
        if self.field is None:
            return ()
        from napari_qpm.io.merging import UNIT_UNKNOWN

        acquisition, phase_map = self.field.acquisition, self.field.phase_map
        notes = acquisition.notes
        found: tuple[str, ...] = ()
        if phase_map is not None:
            found = tuple(n for n in phase_map.acquisition.notes if n not in notes)
        is_known = acquisition.instrument.phase_unit not in (None, PhaseUnit.UNKNOWN)
        # It was noted when the file was opened; somebody has said it since.
        settled = (UNIT_UNKNOWN,) if is_known else ()
        return tuple(note for note in (*found, *notes) if note not in settled)

    def set_modality(self, modality: Modality | None) -> None:
        """Confirm or correct what kind of recording is selected."""
        if self.field is None or modality is self.modality:
            return
        change_modality(self.field, modality)
        self._tell_edit(self.field)

    def set_instrument(self, **values: Any) -> None:
        """Fill in facts about the microscope; layers take the new scale.

        Raises
        ------
        ParameterError
            A value is not possible.
        """
        field = self.field
        if field is None or not change_instrument(field, **values):
            return
        if {"pixel_size_um", "frame_interval_s"} & set(values):
            self._place(field)
        self._tell_edit(field)

    def pipeline(self) -> Any:
        """Return the Pipeline that the forms describe for the selected recording."""
        edits = {} if self.field is None else self.field.edits
        is_series = self.acquisition is not None and self.acquisition.n_frames > 1
        return self.settings.pipeline(self.modality, edits, is_series=is_series)

    def _place(self, field: FieldOfView) -> None:
        """Lay the layers of a field where its metadata say, in the same view."""
        layer = present(self.viewer, field, Role.RECORDING)
        view = nullcontext() if layer is None else kept_view(self.viewer, layer)
        with view:
            place_layers(field)

    def _tell_edit(self, field: FieldOfView) -> None:
        update_records(field)
        self.changed.emit()

    def _on_selection(self) -> None:
        layer = unwrap(self.viewer.layers.selection.active)
        field, self.problem = field_of(layer), ""
        if field is None and layer is not None and _is_image(layer):
            try:
                field = adopt(layer)
            except QPMError as error:
                self.problem = str(error)
        if field is not self.field:
            self.field, self.note = field, ""
        self.changed.emit()
        # Later: closing a viewer selects one layer after the other on its way.
        self.post(self._inspect_if_new)

    def _on_layer_removed(self, event: Any) -> None:
        layer = unwrap(event.value)
        field = field_of(layer)
        role = None if field is None else field.role_of(layer)
        if field is not None and role is not None:
            field.detach(role)
        self.changed.emit()

    def _inspect_if_new(self) -> None:
        """Find out what kind of recording a layer of others holds."""
        field = self.field
        if self._is_closed or field is None or field.is_inspected:
            return
        if self.job is not None:
            return
        field.is_inspected = True
        self._start(inspect_task(field))

    # ------------------------------------------------------------ steps

    def availability(self, step: StepName) -> Availability:
        """Return whether a step can run on the selection, and what to do if not."""
        if self.job is not None:
            return Availability(False, "Wait for the running job, or cancel it.")
        field = self.field
        if field is None:
            reason = self.problem or (
                "Select a recording in the layer list, or open one: drop a file here, "
                "or choose File > Open Sample."
            )
            return Availability(False, reason)
        if step is StepName.RETRIEVE:
            return self._retrieve_availability(field)
        if present(self.viewer, field, Role.PHASE) is None or field.phase_map is None:
            return Availability(False, "Retrieve the phase first.")
        if step is StepName.SEGMENT:
            return Availability(True)
        cells = present(self.viewer, field, Role.CELLS)
        if cells is None:
            return Availability(False, "Segment the cells first.")
        if tuple(cells.data.shape[-2:]) != field.phase_map.shape[1:]:
            return Availability(
                False, "The phase has another size than the cells: segment again."
            )
        return Availability(True)

    def _retrieve_availability(self, field: FieldOfView) -> Availability:
        modality = field.acquisition.modality
        if modality is None:
            return Availability(
                False, "Say which kind of recording this is: choose it under Kind."
            )
        if not self.settings.engines(StepName.RETRIEVE, modality):
            return Availability(
                False, f"There is no method for {modality.value} recordings yet."
            )
        return Availability(True)

    def next_step(self) -> StepName | None:
        """Return the first step that is ready and not done yet."""
        field = self.field
        if field is None:
            return None
        for step in StepName:
            if not self.is_done(step):
                return step if self.availability(step).is_ready else None
        return None

    def is_done(self, step: StepName) -> bool:
        """Return whether the selected recording has the result of a step."""
        field = self.field
        if field is None:
            return False
        if step is StepName.MEASURE:
            return field.table is not None
        role = Role.PHASE if step is StepName.RETRIEVE else Role.CELLS
        if role is Role.PHASE and field.is_outdated:
            return False
        if self.resumable(step) is not None:
            return False
        return present(self.viewer, field, role) is not None

    def resumable(self, step: StepName) -> tuple[int, int] | None:
        """Return frames done and wanted of a series that a step would continue."""
        field = self.field
        fill = None if field is None else field.unfinished.get(step)
        if field is None or fill is None or self.job is not None:
            return None
        if step is StepName.RETRIEVE:
            if fill.key != phase_key(self.pipeline(), field.acquisition):
                return None
            done = len(fill.finished("phase"))
        else:
            done = len(field.done.get(Role.CELLS, ()))
        return (done, fill.shape[0]) if done else None

    def run(self, step: StepName, scope: Scope = Scope.ALL) -> None:
        """Start a step as a job; does nothing when it is not available."""
        if not self.availability(step).is_ready:
            return
        try:
            self._start(self._task(step, scope))
        except QPMError as error:
            self.fail(error)

    def run_all(self, scope: Scope = Scope.ALL) -> None:
        """Start all three steps, one after the other."""
        self._queue = [(StepName.SEGMENT, scope), (StepName.MEASURE, scope)]
        self.run(StepName.RETRIEVE, scope)

    def cancel(self) -> None:
        """Ask the job to stop at its next safe point."""
        self._queue.clear()
        if self.job is not None:
            self.job.cancel()
            # Shown at once; the job itself stops at its next safe point.
            self.progressed.emit(self.job.status)

    def current_frame(self) -> int:
        """Return the frame of the selected recording that the viewer shows."""
        field = self.field
        if field is None or field.acquisition.n_frames == 1:
            return 0
        layer = self._layer_with_time(field)
        if layer is None:
            return 0
        point = self.viewer.dims.point[-layer.ndim :]
        t = round(float(layer.world_to_data(point)[-3]))
        return min(max(t, 0), field.acquisition.n_frames - 1)

    def show_frame(self, t: int) -> None:
        """Move the time slider to a frame of the selected recording."""
        layer = None if self.field is None else self._layer_with_time(self.field)
        if layer is None:
            return
        point = [0.0] * layer.ndim
        point[-3] = t
        axis = self.viewer.dims.ndim - 3
        self.viewer.dims.set_point(axis, float(layer.data_to_world(point)[-3]))

    def _layer_with_time(self, field: FieldOfView) -> "Any | None":
        for role in (Role.PHASE, Role.RECORDING, Role.CELLS):
            layer = present(self.viewer, field, role)
            if layer is not None and layer.ndim >= 3:
                return layer
        return None

    def show_cell(self, label: int, frame: int) -> None:
        """Go to the frame of a cell and select its label."""
        if self.field is None:
            return
        layer = present(self.viewer, self.field, Role.CELLS)
        if layer is None:
            return
        layer.selected_label = label
        self.show_frame(frame)

    def _frames(self, scope: Scope) -> list[int]:
        assert self.field is not None
        if scope is Scope.CURRENT:
            return [self.current_frame()]
        return list(range(self.field.acquisition.n_frames))

    def export_table(self, path: Path) -> None:
        """Write the tables as CSV and Parquet, with what made them beside them."""
        field = self.field
        if field is None or field.table is None or self.job is not None:
            return
        self._start(export_task(field, path))

    def start(self, task: Task) -> None:
        """Start a task as a job; does nothing while another one runs."""
        if self.job is None:
            self._start(task)

    def fail(self, error: BaseException, title: str = "") -> None:
        """Say what went wrong, and do not start the steps that were to follow."""
        self._queue.clear()
        self.tell_failure(error, title)

    def tell_failure(self, error: BaseException, title: str = "") -> None:
        """Say what went wrong, and keep it for a report."""
        self.failure = failure_of(error, title, self)
        self.failed.emit(self.failure.message)

    def _task(self, step: StepName, scope: Scope) -> Task:
        field, frames = self.field, self._frames(scope)
        assert field is not None
        if step is StepName.RETRIEVE:
            shown = self.current_frame()
            return retrieve_task(
                self.viewer,
                field,
                self.pipeline(),
                frames,
                shown,
                self.results_folder,
            )
        if step is StepName.SEGMENT:
            return segment_task(self.viewer, field, self.pipeline(), frames)
        return measure_task(self.viewer, field, self.pipeline(), frames)

    # ------------------------------------------------------------ jobs

    def _start(self, task: Task) -> None:
        prepare = self._prepare

        def work(token: CancelToken, report: ReportProgress) -> Any:
            if prepare is not None and task.is_compiled:
                prepare(token, report)
            return task.work(token, report)

        job = Job(work, task.title)
        self.job, self.failure = job, None
        job.connect(Relay(self.post, lambda: self._on_news(job, task)))
        self.changed.emit()
        job.start()

    def _on_news(self, job: Job[Any], task: Task) -> None:
        """Follow the job; runs on the thread that owns the layers."""
        if job is not self.job or self._is_closed:
            return
        status = job.status
        self.progressed.emit(status)
        if status.reason is None:
            with self.changed.blocked():
                task.update()
            return
        self.job, self.note = None, ""
        try:
            # New layers change the selection several times; told once, below.
            with self.changed.blocked():
                self._settle(job, task, status)
        finally:
            self.finished.emit(job.title, status)
            self.changed.emit()
        self._continue()

    def _settle(self, job: Job[Any], task: Task, status: Status) -> None:
        if status.reason is FinishReason.COMPLETED:
            try:
                self.note = task.commit(job.result)
            # Layers are the user's to change at any time; the job's border is here.
            except Exception as error:
                logger.exception("The result of %s could not be shown", job.title)
                self.fail(error, job.title)
            return
        self._queue.clear()
        self.note = task.keep()
        if status.reason is FinishReason.FAILED and status.error is not None:
            self.fail(status.error, job.title)

    def _continue(self) -> None:
        if self._queue and self.job is None:
            step, scope = self._queue.pop(0)
            self.run(step, scope)
        else:
            self._inspect_if_new()


def _is_image(layer: "Layer") -> bool:
    from napari.layers import Image

    return isinstance(layer, Image)
