"""What a dock can do with learned phase: compare it with the classical one.

Free of Qt, like the `Workflow` that it belongs to.
"""

from typing import TYPE_CHECKING

from napari_qpm.errors import QPMError
from napari_qpm.viewer.comparison import (
    ComparedFrame,
    classical_entry,
    compare_task,
    learned_entry,
)
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Availability

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["LearnedPhase"]


class LearnedPhase:
    """Compares the learned phase of the selected recording.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow

    @property
    def is_chosen(self) -> bool:
        """Whether the Phase step is set to a learned engine."""
        settings, modality = self._workflow.settings, self._workflow.modality
        chosen = settings.engine(StepName.RETRIEVE, modality)
        entries = settings.engines(StepName.RETRIEVE, modality)
        return any(entry.is_learned and entry.name == chosen for entry in entries)

    @property
    def classical_title(self) -> str:
        """Title of the classical engine that a learned phase is compared with."""
        field = self._workflow.field
        if field is None or self._workflow.modality is None:
            return ""
        return classical_entry(field).title

    def comparing(self) -> Availability:
        """Return whether the shown frame can be compared, and what to do if not."""
        workflow = self._workflow
        if workflow.job is not None:
            return Availability(False, "Wait for the running job, or cancel it.")
        field = workflow.field
        if field is None or not workflow.is_done(StepName.RETRIEVE):
            return Availability(False, "Retrieve the phase first.")
        if learned_entry(field.phase_map) is None:
            return Availability(
                False, "The phase shown is classical: retrieve it with this method."
            )
        if workflow.current_frame() not in field.done.get(Role.PHASE, frozenset()):
            return Availability(False, "Retrieve the phase of this frame first.")
        return Availability(
            True, "Show the classical phase of this frame, and the difference."
        )

    def compare(self) -> None:
        """Compare the shown frame as a job; does nothing when it is not possible."""
        workflow = self._workflow
        if not self.comparing().is_ready or workflow.field is None:
            return
        frame = workflow.current_frame()
        try:
            workflow.start(compare_task(workflow.viewer, workflow.field, frame))
        except QPMError as error:
            workflow.fail(error)

    @property
    def compared(self) -> ComparedFrame | None:
        """The last comparison, as long as its phase is the one that is shown."""
        field = self._workflow.field
        if field is None or field.compared is None or field.phase_map is None:
            return None
        is_same = field.compared.phase is field.phase_map.phase
        return field.compared if is_same and not field.is_outdated else None
