"""Methods and parameters that the user chose, kept beyond a napari session."""

from typing import TYPE_CHECKING

from napari_qpm.errors import OutputError
from napari_qpm.viewer.state_file import StateFile, state_folder

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["ChoiceMemory"]

FILE_NAME = "choices.json"
LABEL = "napari-qpm choices 1"


class ChoiceMemory:
    """Gives a dock the choices of the last session, and keeps those of this one.

    Parameters
    ----------
    workflow
        The dock's view-model; its settings are changed here, once.
    """

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow
        self._file = StateFile(state_folder() / FILE_NAME, LABEL)
        workflow.settings.restore(self._file.read())
        self._kept = workflow.settings.to_dict()
        self._problem = self._file.problem
        workflow.changed.connect(self._keep)
        workflow.settings_changed.connect(self._keep)

    @property
    def problem(self) -> str:
        """What the user should know of the memory itself; empty when all is well."""
        return self._problem

    def close(self) -> None:
        """Let go of the dock."""
        self._workflow.changed.disconnect(self._keep)
        self._workflow.settings_changed.disconnect(self._keep)

    def _keep(self) -> None:
        now = self._workflow.settings.to_dict()
        if now == self._kept:
            return
        self._kept = now
        try:
            self._file.write(now)
            self._problem = ""
        except OutputError as error:
            self._problem = f"What you choose is not remembered: {error}"
