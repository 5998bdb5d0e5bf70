"""The view-model of the channel that makes the phase, in files that hold others too.

Another channel is other frames: the file is opened again, and its layer shows them.
"""

from typing import TYPE_CHECKING

from napari_qpm.acquisition import Acquisition
from napari_qpm.io.channels import Channels, channels_of
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.viewer.fields import FieldOfView
from napari_qpm.viewer.recording_edits import change_source, update_records
from napari_qpm.viewer.recording_facts import RecordingFacts
from napari_qpm.viewer.tasks import Task

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["ChannelChoice"]


class ChannelChoice:
    """The channels of the selected recording's file.

    Parameters
    ----------
    facts
        The view-model of the Recording step, which knows the folder's memory.
    """

    def __init__(self, facts: RecordingFacts):
        self._facts = facts
        self._workflow: Workflow = facts.workflow
        self._is_closed = False
        self._workflow.changed.connect(self._on_changed)

    def close(self) -> None:
        """Let go of the workflow."""
        if not self._is_closed:
            self._is_closed = True
            self._workflow.changed.disconnect(self._on_changed)

    @property
    def offered(self) -> Channels | None:
        """Channels to choose from, and the one that is shown; `None` without choice."""
        recording = self._workflow.acquisition
        if recording is None or recording.path is None:
            return None
        return channels_of(recording)

    def choose(self, name: str) -> None:
        """Show another channel; it is remembered for the folder."""
        field, offered = self._workflow.field, self.offered
        if field is not None and offered is not None and name != offered.chosen:
            self._facts.memory.remember_channel(field.acquisition, name)
            field.is_channel_settled = True
            self._open(field, name)

    def _on_changed(self) -> None:
        if self._unsettled() is not None:
            # Later: closing a viewer selects one layer after the other on its way.
            self._facts.post(self._recall)

    def _unsettled(self) -> FieldOfView | None:
        """Return the selected field if nobody named its channel yet."""
        workflow, field, offered = self._workflow, self._workflow.field, self.offered
        if self._is_closed or workflow.job is not None or field is None:
            return None
        if field.is_channel_settled or offered is None or offered.is_stated:
            return None
        return field

    def _recall(self) -> None:
        field, offered = self._unsettled(), self.offered
        if field is None or offered is None:
            return
        field.is_channel_settled = True
        name = self._facts.memory.recall_channel(field.acquisition)
        if name is None or name not in offered.names or name == offered.chosen:
            return
        if field.phase_map is None:
            self._open(field, name)

    def _open(self, field: FieldOfView, name: str) -> None:
        from napari_qpm.io.opening import open_channel

        recording = field.acquisition

        def work(token: CancelToken, report: ReportProgress) -> Acquisition:
            return open_channel(recording, name)

        def commit(opened: Acquisition) -> str:
            if field.recalled is not None:
                # Asked for again: the other channel may be of another kind.
                for fact in field.recalled.facts:
                    field.edits.pop(fact, None)
                field.recalled = None
            change_source(field, opened.with_instrument(**field.edits))
            update_records(field)
            return ""

        title = f"Show channel {name}"
        self._workflow.start(Task(title, work, commit, is_compiled=False))
