"""Which frames are done: all their cells outlined, all the rest background; Qt-free.

In other frames, pixels without a cell tell nothing: they are not annotated.
"""

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_qpm.viewer.label_tools import LabelTools

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["DoneFrames"]


class DoneFrames:
    """Marks frames of a workflow's cells as done, and counts them.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    tools
        What edits the cells: frames can be marked whenever they can be edited.
    """

    changed = Signal()
    """Another frame is shown, or another one is done."""

    def __init__(self, workflow: "Workflow", tools: LabelTools):
        self._workflow, self._tools = workflow, tools
        workflow.changed.connect(self._tell)
        workflow.viewer.dims.events.current_step.connect(self._tell)

    def close(self) -> None:
        """Let go of the viewer."""
        self._workflow.changed.disconnect(self._tell)
        self._workflow.viewer.dims.events.current_step.disconnect(self._tell)

    @property
    def frames(self) -> frozenset[int]:
        """The frames that are done."""
        field = self._workflow.field
        return frozenset() if field is None else field.annotated_frames

    @property
    def is_offered(self) -> bool:
        """Whether there are cells to mark frames of."""
        return self._tools.cells() is not None

    @property
    def is_shown_done(self) -> bool:
        """Whether the frame that the viewer shows is done."""
        return self._workflow.current_frame() in self.frames

    def obstacle(self) -> str | None:
        """Return why no frame can be marked now; `None` when one can."""
        return self._tools.obstacle()

    def toggle(self) -> None:
        """Mark the shown frame as done, or as not done."""
        field = self._workflow.field
        if field is None or self.obstacle() is not None:
            return
        t = self._workflow.current_frame()
        if t in field.annotated_frames:
            field.annotated_frames -= {t}
        else:
            field.annotate([t])
        self._workflow.changed.emit()

    def mark_all(self) -> None:
        """Mark every frame as done, such as those of cells outlined elsewhere."""
        field = self._workflow.field
        if field is None or self.obstacle() is not None:
            return
        field.annotate(range(field.acquisition.n_frames))
        self._workflow.changed.emit()

    def sentence(self) -> str:
        """Return how many frames are done, in words."""
        acquisition = self._workflow.acquisition
        n_frames = 0 if acquisition is None else acquisition.n_frames
        if n_frames == 1:
            return ""
        return f"{len(self.frames)} of {n_frames} frames done"

    def _tell(self) -> None:
        self.changed.emit()
