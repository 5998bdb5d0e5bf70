"""The view-model of the reference frame: a file or layer of an empty field, or none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.viewer.adoption import adopt
from napari_qpm.viewer.fields import FieldOfView, Role, field_of, unwrap
from napari_qpm.viewer.folder_memory import FolderMemory
from napari_qpm.viewer.recording_edits import change_reference, update_records
from napari_qpm.viewer.tasks import Task

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_qpm.io.reference_frame import ReferenceFrame
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["OfferedLayer", "References"]


@dataclass(frozen=True)
class OfferedLayer:
    """A layer that could hold the reference.

    Parameters
    ----------
    name
        Of the layer.
    problem
        Why it cannot serve; empty when it may.
    """

    name: str
    problem: str


class References:
    """Which frame of an empty field the selected recording is compared with.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    memory
        Where the file is remembered for the folder.
    """

    def __init__(self, workflow: "Workflow", memory: FolderMemory):
        self._workflow, self._memory = workflow, memory

    @property
    def is_available(self) -> bool:
        """Whether the selected recording is of a kind that takes a reference."""
        return self._workflow.modality not in (None, Modality.PHASE)

    @property
    def is_set(self) -> bool:
        """Whether the selected recording has one."""
        recording = self._workflow.acquisition
        return recording is not None and recording.reference is not None

    def describe(self) -> str:
        """Return in a word or two which reference is used."""
        from napari_qpm.io.reference_frame import reference_origin

        recording = self._workflow.acquisition
        if recording is None or recording.reference is None:
            return "none"
        origin = reference_origin(recording)
        if origin is None:
            simulated = any(step.name == "simulate" for step in recording.history)
            return "of the sample" if simulated else "in the file"
        if "path" in origin:
            position = origin.get("position", "")
            return f"{Path(origin['path']).name} {position}".strip()
        if "median" in origin:
            return "median over time"
        return str(origin.get("name") or "an array")

    def remembered(self) -> Path | None:
        """Return the file that was used in this folder, if it is another one."""
        recording = self._workflow.acquisition
        if (
            recording is None
            or not self.is_available
            or recording.reference is not None
        ):
            return None
        memory = self._memory.recall(recording)
        path = None if memory is None else memory.reference
        is_other = path is not None and path != recording.path and path.exists()
        return path if is_other else None

    def folder(self) -> str:
        """Return where to look for a file first."""
        recording = self._workflow.acquisition
        path = None if recording is None else recording.path
        return "" if path is None else str(path.parent)

    def layers(self) -> list[OfferedLayer]:
        """Return the images in the viewer that are no result of ours."""
        workflow = self._workflow
        recording = workflow.acquisition
        if recording is None:
            return []
        offered = []
        for layer in workflow.viewer.layers:
            if not self._is_candidate(unwrap(layer)):
                continue
            found = _frame_size(layer)
            wanted = recording.shape[2:]
            problem = ""
            if found != wanted:
                problem = (
                    f"It is {found[1]} × {found[0]} px, the recording is "
                    f"{wanted[1]} × {wanted[0]} px."
                )
            offered.append(OfferedLayer(layer.name, problem))
        return offered

    def take_file(self, path: Path) -> None:
        """Take the first frame of a file, and remember it for the folder."""
        from napari_qpm.io.reference_frame import read_reference

        self._take(lambda recording: read_reference(path, recording))

    def take_layer(self, name: str) -> None:
        """Take the first frame of a layer."""
        layers = self._workflow.viewer.layers
        try:
            if name not in layers:
                raise QPMError(f"There is no layer {name!r} any more.")
            source = _recording_of(unwrap(layers[name]))
        except QPMError as error:
            self._workflow.fail(error)
            return
        self._take(lambda recording: _reference_of(source, recording, name))

    @property
    def has_median(self) -> bool:
        """Whether the recording is long enough for a median over time."""
        from napari_qpm.io.temporal_median import LEAST_FRAMES

        recording = self._workflow.acquisition
        return recording is not None and recording.n_frames >= LEAST_FRAMES

    def take_median(self) -> None:
        """Take what each pixel shows most of the time."""
        from napari_qpm.io.reference_frame import median_reference

        self._take(median_reference)

    def remove(self) -> None:
        """Compare the recording with no reference."""
        field = self._workflow.field
        if field is not None and field.acquisition.reference is not None:
            self._use(field, None)
            self._workflow.changed.emit()

    def _take(self, read: "Callable[[Acquisition], ReferenceFrame]") -> None:
        """Read a reference in a job, and use it if it fits."""
        workflow, field = self._workflow, self._workflow.field
        if field is None:
            return
        if not self.is_available:
            sentence = (
                "Only raw frames are compared with a reference frame. Choose the kind "
                "of the recording first."
            )
            workflow.fail(QPMError(sentence))
            return
        recording = field.acquisition

        def work(token: CancelToken, report: ReportProgress) -> "ReferenceFrame":
            return read(recording)

        def commit(reference: "ReferenceFrame") -> str:
            self._use(field, reference)
            return " ".join(reference.notes)

        title = "Take reference frame"
        workflow.start(Task(title, work, commit, is_compiled=False))

    def _use(self, field: FieldOfView, reference: "ReferenceFrame | None") -> None:
        change_reference(field, reference)
        update_records(field)
        path = None if reference is None else reference.step.parameters.get("path")
        if reference is None or path is not None:
            place = None if path is None else Path(path)
            self._memory.remember_reference(field.acquisition, place)

    def _is_candidate(self, layer: Any) -> bool:
        from napari.layers import Image

        if not isinstance(layer, Image):
            return False
        field = field_of(layer)
        if field is None:
            return True
        is_recording = field.role_of(layer) is Role.RECORDING
        return is_recording and field is not self._workflow.field


def _frame_size(layer: "Image") -> tuple[int, int]:
    data = layer.data[0] if layer.multiscale else layer.data
    height, width = data.shape[-3:-1] if layer.rgb else data.shape[-2:]
    return int(height), int(width)


def _recording_of(layer: Any) -> Acquisition:
    """Return the recording that a layer shows.

    Raises
    ------
    LayoutError
        Its axes cannot be told apart.
    """
    field = field_of(layer)
    return (adopt(layer) if field is None else field).acquisition


def _reference_of(
    source: Acquisition, recording: Acquisition, name: str
) -> "ReferenceFrame":
    """Return the first frame of another recording, by its file where that has it.

    A file can be read again by a script; what is only in a layer cannot.
    """
    from napari_qpm.io.reference_frame import read_reference, take_reference

    image = source.read(0)
    taken = take_reference(image, recording, name)
    if source.path is None:
        return taken
    try:
        in_file = read_reference(source.path, recording)
    except (QPMError, OSError):
        return taken
    return in_file if np.array_equal(in_file.image, taken.image) else taken
