"""The dock "QPM": recording, three steps, table, and what happens now.

A thin view: it shows the `Workflow` and passes clicks on to it.
"""

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.errors import QPMError
from napari_qpm.jobs import FinishReason, Status
from napari_qpm.viewer import warmup
from napari_qpm.viewer.adapting import Adapting
from napari_qpm.viewer.angles import Angles
from napari_qpm.viewer.annotation_box import AnnotationBox
from napari_qpm.viewer.autosave import Autosave
from napari_qpm.viewer.bridge import GuiThread
from napari_qpm.viewer.cell_files import CellFiles
from napari_qpm.viewer.cell_files_box import CellFilesBox
from napari_qpm.viewer.channel_choice import ChannelChoice
from napari_qpm.viewer.choice_memory import ChoiceMemory
from napari_qpm.viewer.docked_widget import DockedWidget
from napari_qpm.viewer.done_frames import DoneFrames
from napari_qpm.viewer.follow_box import FollowBox
from napari_qpm.viewer.job_box import JobBox
from napari_qpm.viewer.label_box import LabelBox
from napari_qpm.viewer.label_tools import LabelTools
from napari_qpm.viewer.launch import add_recordings
from napari_qpm.viewer.layer_keys import LayerKeys
from napari_qpm.viewer.learned_box import LearnedBox
from napari_qpm.viewer.learned_phase import LearnedPhase
from napari_qpm.viewer.no_cell_brush import NoCellBrush
from napari_qpm.viewer.other_recordings import choose_others
from napari_qpm.viewer.phase_tools import PhaseTools
from napari_qpm.viewer.preferences import (
    Preferences,
    read_preferences,
    watched_settings,
)
from napari_qpm.viewer.preflight import needs_in_words
from napari_qpm.viewer.preview import Preview
from napari_qpm.viewer.recording_box import RecordingBox
from napari_qpm.viewer.recording_facts import RecordingFacts
from napari_qpm.viewer.recovery_box import RecoveryBox
from napari_qpm.viewer.references import References
from napari_qpm.viewer.scripts import script_of
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.shortcuts import Act
from napari_qpm.viewer.step_box import StepBox
from napari_qpm.viewer.suggesting import Suggesting
from napari_qpm.viewer.table_box import TableBox
from napari_qpm.viewer.tall_scroll import TallScroll
from napari_qpm.viewer.teach_box import TeachBox
from napari_qpm.viewer.teaching import Teaching
from napari_qpm.viewer.wording import gaps_in_words
from napari_qpm.viewer.workflow import Scope, Workflow

if TYPE_CHECKING:
    import napari.viewer

    from napari_qpm.viewer.fields import FieldOfView
    from napari_qpm.viewer.plots_panel import PlotsPanel
    from napari_qpm.viewer.train_panel import TrainPanel

__all__ = ["QPMDock"]

FILES = "Recordings (*.tif *.tiff *.btf *.tf8 *.png *.jpg *.jpeg *.npy *.npz);;All (*)"
DONE_HINT = "Click a row or a cell to see the other, open Plots, or export the table."
MINIMUM_WIDTH = 340
MARGIN = 6
HINTS = {
    StepName.RETRIEVE: "Next: retrieve the phase.",
    StepName.SEGMENT: "Next: segment the cells.",
    StepName.MEASURE: "Next: measure the cells. You can correct their outlines first.",
}


class QPMDock(DockedWidget):
    """Retrieve, segment and measure the selected recording.

    Parameters
    ----------
    viewer
        The napari viewer that the dock sits in.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", parent: QWidget | None = None):
        super().__init__(parent)
        warmup.start_warmup()
        warmup.load_rooms()
        self._gui = GuiThread(self)
        self.workflow = Workflow(
            viewer, post=self._gui.post, before_job=warmup.wait_until_warm
        )
        self.choices = ChoiceMemory(self.workflow)
        self._settings = watched_settings()
        self._preferences = Preferences()
        self.plots_panel: PlotsPanel | None = None
        self.train_panel: TrainPanel | None = None
        self._last = ""
        self._last_field: weakref.ref[FieldOfView] | None = None
        self._build()
        self._apply_preferences()
        self._connect()
        self._refresh()

    def _build(self) -> None:
        workflow = self.workflow
        self.facts = RecordingFacts(workflow, post=self._gui.post)
        self.references = References(workflow, self.facts.memory)
        self.angles = Angles(self.facts)
        self.channels = ChannelChoice(self.facts)
        self.recording = RecordingBox(
            self.facts, self.references, self.angles, self.channels
        )
        self.steps = {step: StepBox(workflow, step) for step in StepName}
        self.preview = Preview(workflow, self._gui.post, warmup.wait_until_warm)
        self.phase_tools = PhaseTools(workflow, self.preview, self.references)
        self.learned = LearnedBox(LearnedPhase(workflow))
        self.cell_files = CellFiles(workflow)
        self.cell_files_box = CellFilesBox(self.cell_files)
        self.label_tools = LabelTools(workflow)
        self.labels = LabelBox(self.label_tools)
        self.done_frames = DoneFrames(workflow, self.label_tools)
        self.suggesting = Suggesting(workflow)
        self.no_cell_brush = NoCellBrush(workflow, self.label_tools)
        self.annotation = AnnotationBox(
            self.done_frames, self.no_cell_brush, self.suggesting
        )
        self.autosave = Autosave(workflow, post=self._gui.post)
        self.adapting = Adapting(workflow, post=self._gui.post)
        self.teaching = Teaching(workflow, self.autosave, post=self._gui.post)
        self.teach = TeachBox(self.teaching)
        self.keys = LayerKeys(
            workflow,
            {
                Act.RETRIEVE: lambda: self.run_step(StepName.RETRIEVE),
                Act.SEGMENT: lambda: self.run_step(StepName.SEGMENT),
                Act.MEASURE: lambda: self.run_step(StepName.MEASURE),
                Act.FOLLOW: self.toggle_following,
                Act.DONE: self.done_frames.toggle,
                Act.SUGGEST: self.suggesting.suggest,
                Act.NO_CELL: self.no_cell_brush.toggle,
            },
        )
        self.recovery = RecoveryBox(self.autosave)
        self.following = FollowBox(workflow)
        self.table = TableBox(workflow)
        self.job = JobBox(workflow)
        self.scope = QComboBox()
        self.scope.setObjectName("scope")
        self.scope.addItem("All frames", Scope.ALL.value)
        self.scope.addItem("This frame", Scope.CURRENT.value)
        self.scope.setToolTip("All frames, or a quick look at the one shown.")
        self.run_all = QPushButton("Run all steps")
        self.run_all.setObjectName("run_all_button")
        self.run_all.setToolTip("Retrieve, segment and measure, one after the other.")

        self.needs = QLabel()
        self.needs.setObjectName("needs")
        self.needs.setWordWrap(True)
        self.plots = QPushButton("Plots")
        self.plots.setObjectName("plots_button")
        self.plots.setToolTip("Open curves of cells, profiles and totals of regions.")

        row = QHBoxLayout()
        row.addWidget(self.scope)
        row.addStretch()
        row.addWidget(self.plots)
        row.addWidget(self.run_all)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, MARGIN, 0)
        inner.addWidget(self.recording)
        inner.addWidget(_line())
        inner.addLayout(row)
        inner.addWidget(self.needs)
        for box in self.steps.values():
            inner.addWidget(_line())
            inner.addWidget(box)
            if box.step is StepName.RETRIEVE:
                inner.addWidget(self.phase_tools)
                inner.addWidget(self.learned)
            if box.step is StepName.SEGMENT:
                inner.addWidget(self.cell_files_box)
                inner.addWidget(self.labels)
                inner.addWidget(self.annotation)
                inner.addWidget(self.teach)
                inner.addWidget(self.recovery)
        inner.addWidget(self.following)
        inner.addWidget(self.table)
        inner.addStretch(1)
        self._scroll = TallScroll(content, MINIMUM_WIDTH - 2 * MARGIN)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.addWidget(self._scroll, 1)
        layout.addWidget(_line())
        layout.addWidget(self.job)
        self.setAcceptDrops(True)

    def _connect(self) -> None:
        workflow = self.workflow
        workflow.changed.connect(self._refresh)
        workflow.progressed.connect(self.job.show_status)
        workflow.finished.connect(self._on_finished)
        workflow.failed.connect(self._on_failed)
        if self._settings is not None:
            self._settings.events.changed.connect(self._on_preferences)
        self.recording.open_asked.connect(self.choose_recordings)
        for box in self.steps.values():
            box.run_asked.connect(self.run_step)
        self.run_all.clicked.connect(self.run_all_steps)
        self.scope.activated.connect(self._show_needs)
        workflow.settings_changed.connect(self._show_needs)
        self.table.export_asked.connect(self.choose_export)
        self.table.script_asked.connect(self.copy_script)
        self.table.others_asked.connect(self.choose_others)
        self.plots.clicked.connect(self.open_plots)
        # No lambda: PySide would keep a closed dock alive for it.
        self.learned.adapt_asked.connect(self._open_adapting)
        self.teach.asked.connect(self._open_teaching)
        self.table.table_shown.connect(self._on_table)
        self.recording.panel_opened.connect(self._on_angles)
        self.destroyed.connect(self.autosave.close)
        self.destroyed.connect(self.preview.close)
        self.destroyed.connect(workflow.close)

    def close_connections(self) -> None:
        """Cancel the job and let go of the viewer."""
        self._gui.close()
        if self._settings is not None:
            self._settings.events.changed.disconnect(self._on_preferences)
        self.choices.close()
        self.keys.close()
        self.angles.close()
        self.channels.close()
        self.facts.close()
        self.adapting.close()
        self.teaching.close()
        self.teach.close_connections()
        self.preview.close()
        self.recovery.close_connections()
        self.autosave.close()
        self.annotation.close_connections()
        self.no_cell_brush.close()
        self.done_frames.close()
        self.labels.close_connections()
        self.label_tools.close()
        self.table.close_connections()
        for panel in (self.plots_panel, self.train_panel):
            if panel is not None:
                panel.close_connections()
        self.workflow.close()

    def _refresh(self) -> None:
        workflow = self.workflow
        acquisition = workflow.acquisition
        self._forget_other_field()
        self.recording.refresh()
        self.recording.setEnabled(workflow.job is None)
        is_series = acquisition is not None and acquisition.n_frames > 1
        self.scope.setVisible(is_series)
        if is_series and acquisition is not None:
            self.scope.setItemText(0, f"All {acquisition.n_frames} frames")
        retrieve = workflow.availability(StepName.RETRIEVE)
        self.run_all.setEnabled(retrieve.is_ready)
        self._show_needs()
        for box in self.steps.values():
            box.refresh()
        self.phase_tools.refresh()
        self.learned.refresh()
        self.cell_files_box.refresh()
        self.labels.refresh()
        self.teach.refresh(self.label_tools.cells() is not None)
        self.following.refresh()
        self.table.refresh()
        self.job.refresh(self._sentence())

    def _show_needs(self) -> None:
        """Say what a run takes, while none runs."""
        is_idle = self.workflow.availability(StepName.RETRIEVE).is_ready
        told = needs_in_words(self.workflow, self._scope()) if is_idle else ""
        self.needs.setText(told)
        self.needs.setVisible(bool(told))

    def _forget_other_field(self) -> None:
        """Stop telling what happened to a recording that is not selected any more."""
        field = self.workflow.field
        known = None if self._last_field is None else self._last_field()
        if field is known:
            return
        if known is not None:
            self._last = ""
        self._last_field = None if field is None else weakref.ref(field)

    def _sentence(self) -> str:
        """Return what happened and what to do next."""
        workflow = self.workflow
        upcoming = workflow.next_step()
        hint = HINTS[upcoming] if upcoming else ""
        if workflow.is_done(StepName.MEASURE):
            hint = DONE_HINT
        elif workflow.field is not None and not hint:
            hint = workflow.availability(StepName.RETRIEVE).reason
        if workflow.acquisition is not None and not workflow.is_done(StepName.MEASURE):
            gaps = gaps_in_words(workflow.acquisition.missing())
            hint += f" For picograms, fill in {gaps}." if gaps else ""
        parts = (self._last, workflow.note, self.choices.problem, hint)
        return " ".join(part for part in parts if part)

    def _scope(self) -> Scope:
        if self.workflow.acquisition is None or self.workflow.acquisition.n_frames == 1:
            return Scope.ALL
        return Scope(self.scope.currentData())

    def run_step(self, step: StepName) -> None:
        """Start a step on the frames that the dock says; nothing where it cannot."""
        self.workflow.run(step, self._scope())

    def run_all_steps(self) -> None:
        """Start the three steps, one after the other."""
        self.workflow.run_all(self._scope())

    def toggle_following(self) -> None:
        """Let phase and cells follow the slider, or stop that."""
        self.preview.is_following = not self.preview.is_following

    def _apply_preferences(self) -> None:
        before, now = self._preferences, read_preferences(self._settings)
        self._preferences = now
        if now.follow_slider != before.follow_slider:
            self.preview.is_following = now.follow_slider
        self.preview.frames_ahead = now.frames_ahead
        self.autosave.settle_s = now.save_after_s
        self.workflow.settings.preferred = {"device": now.device.value}

    def _on_preferences(self) -> None:
        device = self._preferences.device
        self._apply_preferences()
        if self._preferences.device is not device:
            self.workflow.settings_changed.emit()

    def _on_finished(self, title: str, status: Status) -> None:
        if self.workflow.failure is not None:
            # Told already, also where only showing the result failed.
            return
        if status.reason is FinishReason.COMPLETED:
            self._last = f"{title}: done in {status.elapsed_s:.1f} s."
        elif status.reason is FinishReason.CANCELLED:
            kept = self.workflow.note
            self._last = (
                f"{title}: cancelled{'.' if kept else ', nothing was changed.'}"
            )

    def _on_table(self) -> None:
        # Small screens: bring the table into view, after it got its size.
        self._gui.post(lambda: self._scroll.ensureWidgetVisible(self.table))

    def _on_angles(self) -> None:
        panel = self.recording.panel
        self._gui.post(lambda: self._scroll.ensureWidgetVisible(panel))

    def open_plots(self) -> None:
        """Show the dock of plots, a new one if it was closed."""
        if self.plots_panel is None:
            # Imported here: pyqtgraph takes a moment that opening the dock need not.
            from napari_qpm.viewer.plots_panel import PlotsPanel

            self.plots_panel = PlotsPanel(self.workflow)
            self.plots_panel.closed.connect(self._on_plots_closed)
            self.workflow.viewer.window.add_dock_widget(
                self.plots_panel, name="QPM plots", area="bottom"
            )
        self.plots_panel.bring_up()

    def _on_plots_closed(self) -> None:
        self.plots_panel = None

    def open_training(self, kind: str) -> None:
        """Show the dock of trainings, a new one if it was closed."""
        if self.train_panel is None:
            # Imported here: pyqtgraph takes a moment that opening the dock need not.
            from napari_qpm.viewer.train_panel import TrainPanel

            viewer = self.workflow.viewer
            panel = TrainPanel(viewer, self.teaching, self.adapting)
            self.workflow.changed.connect(panel.refresh_soon)
            self.autosave.corrected.connect(panel.refresh_soon)
            panel.closed.connect(self._on_training_closed)
            viewer.window.add_dock_widget(panel, name="QPM training", area="bottom")
            self.train_panel = panel
        self.train_panel.show_kind(kind)
        self.train_panel.bring_up()

    def _open_adapting(self) -> None:
        self.open_training(Adapting.kind)

    def _open_teaching(self) -> None:
        self.open_training(Teaching.kind)

    def _on_training_closed(self) -> None:
        if self.train_panel is not None:
            self.workflow.changed.disconnect(self.train_panel.refresh_soon)
            self.autosave.corrected.disconnect(self.train_panel.refresh_soon)
        self.train_panel = None

    def copy_script(self) -> None:
        """Put what was run on the clipboard, as a Python script."""
        script = script_of(self.workflow.field)
        if script is not None:
            QApplication.clipboard().setText(script.text)
            self._last = script.note
            self._refresh()

    def _on_failed(self, message: str) -> None:
        self._last = message
        show_error(message)

    def choose_export(self) -> None:
        """Ask where to save the table, and save it."""
        name, _ = QFileDialog.getSaveFileName(
            self, "Export table", "cells.csv", "Tables (*.csv *.parquet)"
        )
        if name:
            self.workflow.export_table(Path(name).with_suffix(""))

    def choose_others(self) -> None:
        """Ask which other recordings to run the same on, and run."""
        choose_others(self.workflow, self, FILES)

    def choose_recordings(self) -> None:
        """Ask which files to open, and open them."""
        names, _ = QFileDialog.getOpenFileNames(self, "Open recordings", "", FILES)
        self.open_recordings([Path(name) for name in names])

    def open_recordings(self, paths: Sequence[Path]) -> None:
        """Open files or folders as recordings, whatever they look like.

        A segmentation of Cellpose gives the cells of the selected phase, if there is
        one.
        """
        from napari_qpm.io.label_files import is_seg_file

        are_cells = bool(paths) and all(map(is_seg_file, paths))
        if are_cells and not self.cell_files.obstacle_to_import():
            place = paths[0] if len(paths) == 1 else paths[0].parent
            self.cell_files.import_cells(place)
            return
        try:
            add_recordings(self.workflow.viewer, paths)
        except (QPMError, OSError) as error:
            self.workflow.fail(error, "Open recording")
            self._refresh()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the files that were dropped here."""
        event.acceptProposedAction()
        urls = event.mimeData().urls()
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        # Later: whoever dropped them waits for the answer.
        self._gui.post(lambda: self.open_recordings(paths))


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
