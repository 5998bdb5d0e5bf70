"""One step of the dock: its method, its folded parameters and its button."""

import html

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_qpm.errors import QPMError
from napari_qpm.viewer.forms import ParameterForm
from napari_qpm.viewer.help_pages import HelpButton, page_of
from napari_qpm.viewer.model_notes import model_in_words
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.shortcuts import Act, tooltip
from napari_qpm.viewer.wording import unit_symbol
from napari_qpm.viewer.workflow import Workflow

__all__ = ["StepBox"]

TITLES = {
    StepName.RETRIEVE: "1  Phase",
    StepName.SEGMENT: "2  Cells",
    StepName.MEASURE: "3  Dry mass and shape",
}
ACTIONS = {
    StepName.RETRIEVE: "Retrieve phase",
    StepName.SEGMENT: "Segment cells",
    StepName.MEASURE: "Measure cells",
}
KEYS = {
    StepName.RETRIEVE: Act.RETRIEVE,
    StepName.SEGMENT: Act.SEGMENT,
    StepName.MEASURE: Act.MEASURE,
}
ADVANCED = "Advanced"
DONE_MARK = "  ✓"


class StepBox(QWidget):
    """One of the three steps.

    Parameters
    ----------
    workflow
        The view-model.
    step
        Which step.
    """

    run_asked = Signal(object)
    """The user pressed the button; carries the step."""

    def __init__(
        self, workflow: Workflow, step: StepName, parent: QWidget | None = None
    ):
        super().__init__(parent)
        self._workflow = workflow
        self.step = step
        self.form: ParameterForm | None = None
        self._form_key: tuple[str, str | None] | None = None
        self._is_editing = False
        self.title = QLabel(TITLES[step])
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.engine = QComboBox()
        self.engine.setObjectName(f"{step}_engine")
        self.engine.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.button = QPushButton(ACTIONS[step])
        self.button.setObjectName(f"{step}_button")
        self.verdict = QLabel()
        self.verdict.setObjectName(f"{step}_verdict")
        self.verdict.setWordWrap(True)
        self.model_note = QLabel()
        self.model_note.setObjectName(f"{step}_model_note")
        self.model_note.setWordWrap(True)
        self.advanced = QCollapsible(ADVANCED, expandedIcon="▾", collapsedIcon="▸")
        self.advanced.setObjectName(f"{step}_advanced")
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)

        row = QHBoxLayout()
        row.addWidget(self.title)
        self.help = HelpButton(self._help_page)
        row.addWidget(self.help)
        row.addStretch()
        row.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self.engine)
        layout.addWidget(self.model_note)
        layout.addWidget(self.verdict)
        layout.addWidget(self.advanced)
        self.button.clicked.connect(self._on_clicked)
        self.engine.activated.connect(self._on_engine)
        workflow.settings_changed.connect(self._on_settings)

    def refresh(self) -> None:
        """Show what the workflow allows now."""
        workflow, step = self._workflow, self.step
        availability = workflow.availability(step)
        self.button.setEnabled(availability.is_ready)
        self.button.setToolTip(tooltip(availability.reason, KEYS[step]))
        resumable = workflow.resumable(step)
        self.button.setText(
            ACTIONS[step]
            if resumable is None
            else "Continue ({} of {})".format(*resumable)
        )
        font = self.button.font()
        font.setBold(workflow.next_step() is step)
        self.button.setFont(font)
        self.title.setText(TITLES[step] + self._mark())
        self._show_verdict()
        self._show_engines()
        self._show_model()
        self._show_form()
        self._show_changes()
        self.advanced.setEnabled(workflow.job is None)
        self.engine.setEnabled(workflow.job is None)

    def _mark(self) -> str:
        """Return the tick of a finished step, for phase with its unit."""
        workflow = self._workflow
        if not workflow.is_done(self.step):
            return ""
        if self.step is not StepName.RETRIEVE or workflow.field is None:
            return DONE_MARK
        phase_map = workflow.field.phase_map
        unit = "" if phase_map is None else f" ({unit_symbol(phase_map.unit)})"
        return unit + DONE_MARK

    def _show_verdict(self) -> None:
        """Show what the checks say of the phase, while it is there and up to date."""
        field = self._workflow.field
        checked = None
        if self.step is StepName.RETRIEVE and self._workflow.is_done(self.step):
            checked = None if field is None else field.checked
        self.verdict.setVisible(checked is not None)
        if checked is not None:
            self.verdict.setText(checked.headline)
            lines = map(html.escape, checked.detail.splitlines())
            # As rich text, so that long lines wrap in the tooltip.
            self.verdict.setToolTip("".join(f"<p>{line}</p>" for line in lines))

    def _show_engines(self) -> None:
        settings, modality = self._workflow.settings, self._workflow.modality
        entries = settings.engines(self.step, modality)
        self.engine.setVisible(len(entries) > 1)
        names = [self.engine.itemData(i) for i in range(self.engine.count())]
        if names != [entry.name for entry in entries]:
            self.engine.clear()
            for entry in entries:
                self.engine.addItem(entry.title, entry.name)
                self.engine.setItemData(
                    self.engine.count() - 1, entry.summary, Qt.ItemDataRole.ToolTipRole
                )
        chosen = settings.engine(self.step, modality)
        self.engine.setCurrentIndex(self.engine.findData(chosen))
        self.engine.setToolTip(
            next((entry.summary for entry in entries if entry.name == chosen), "")
        )

    def _show_model(self) -> None:
        workflow = self._workflow
        spec = workflow.settings.chosen_model(self.step, workflow.modality)
        self.model_note.setText("" if spec is None else model_in_words(spec))
        self.model_note.setVisible(spec is not None)

    def _show_changes(self) -> None:
        """Say in the folded title how many parameters are not at their default."""
        workflow = self._workflow
        changed = len(workflow.settings.values(self.step, workflow.modality))
        self.advanced.setText(
            f"{ADVANCED} ({changed} changed)" if changed else ADVANCED
        )

    def _help_page(self) -> str:
        workflow = self._workflow
        spec = workflow.settings.chosen_model(self.step, workflow.modality)
        return page_of(self.step, workflow.modality, spec is not None)

    def _show_form(self) -> None:
        """Make the form of the chosen engine, if it is not there yet."""
        if self._workflow.field is None and self.form is not None:
            # Nothing is selected for a moment while layers come and go.
            return
        settings, modality = self._workflow.settings, self._workflow.modality
        key = (modality or "", settings.engine(self.step, modality))
        if key == self._form_key:
            return
        self._form_key = key
        if self.form is not None:
            self.form.setParent(None)
            self.form.deleteLater()
            self.form = None
        model = settings.model(self.step, modality)
        self.advanced.setVisible(model is not None)
        if model is None:
            return
        self.form = ParameterForm(model, settings.values(self.step, modality))
        self.form.values_changed.connect(self._on_values)
        reset = QPushButton("Restore defaults")
        reset.clicked.connect(self.form.reset)
        self.form.layout().addRow(reset)
        self.advanced.addWidget(self.form)

    def _on_clicked(self) -> None:
        self.run_asked.emit(self.step)

    def _on_engine(self) -> None:
        workflow = self._workflow
        workflow.settings.choose(
            self.step, workflow.modality, self.engine.currentData()
        )
        workflow.changed.emit()

    def _on_values(self, values: dict[str, object]) -> None:
        workflow = self._workflow
        try:
            workflow.settings.set_values(self.step, workflow.modality, values)
        except QPMError as error:
            workflow.fail(error)
            return
        self._is_editing = True
        try:
            workflow.settings_changed.emit()
        finally:
            self._is_editing = False

    def _on_settings(self) -> None:
        """Show values that were set elsewhere, such as in the spectrum."""
        workflow = self._workflow
        self._show_model()
        self._show_changes()
        if self.form is not None and not self._is_editing:
            values = workflow.settings.values(self.step, workflow.modality)
            self.form.set_values(values)
