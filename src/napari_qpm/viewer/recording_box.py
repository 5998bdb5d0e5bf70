"""What is known of the selected recording, with the gaps to fill in."""

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.acquisition import Acquisition, Modality, PhaseUnit
from napari_qpm.errors import QPMError
from napari_qpm.viewer.forms import FloatBox
from napari_qpm.viewer.wording import (
    KIND_TITLES,
    UNIT_TITLES,
    describe_recording,
    layout_title,
    notes_in_words,
)
from napari_qpm.viewer.workflow import Workflow

__all__ = ["RecordingBox"]

UNKNOWN = "unknown"
SIGNS = {"Cells are thicker": None, "As recorded": 1, "Inverted": -1}
INTERFEROMETERS = (Modality.POLARIZATION, Modality.OFF_AXIS)
MAX_NOTES = 4
# A Sony cell, and the same sensor cropped at an odd column, row, or both; separate
# images usually come in the last order.
COMMON_LAYOUTS = (
    (90, 45, 135, 0),
    (45, 90, 0, 135),
    (135, 0, 90, 45),
    (0, 135, 45, 90),
    (0, 45, 90, 135),
)


class FactBox(FloatBox):
    """A positive number that may be unknown (shown at zero)."""

    fact_changed = Signal(str, object)
    """The user changed it: its name and number, or `None`."""

    def __init__(self, name: str, unit: str, tooltip: str):
        super().__init__()
        self.setObjectName(name)
        self.setRange(0, 1e6)
        self.setSuffix(f" {unit}")
        self.setSpecialValueText(UNKNOWN)
        self.setToolTip(tooltip)
        self.valueChanged.connect(self._on_value)

    def fact(self) -> float | None:
        """Return the number, or `None` while it is unknown."""
        return float(self.value()) or None

    def _on_value(self) -> None:
        self.fact_changed.emit(self.objectName(), self.fact())

    def show_fact(self, value: float | None) -> None:
        """Show a number without telling anyone."""
        self.blockSignals(True)
        self.setValue(value or 0.0)
        self.blockSignals(False)


class RecordingBox(QWidget):
    """Name, kind and calibration of the selected recording; edits go to the workflow.

    Parameters
    ----------
    workflow
        The view-model.
    """

    open_asked = Signal()
    """The user wants to choose a file."""

    def __init__(self, workflow: Workflow, parent: QWidget | None = None):
        super().__init__(parent)
        self._workflow = workflow
        self.open = QPushButton("Open…")
        self.open.setObjectName("open_button")
        self.open.setToolTip("Open recordings. You can also drop them on this panel.")
        self.title = QLabel()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.summary, self.notes = QLabel(), QLabel()
        for label in (self.title, self.summary, self.notes):
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.kind = _combo("kind", KIND_TITLES, "What the camera recorded.")
        self.kind.insertItem(0, "Choose…", "")
        self.unit = _combo(
            "phase_unit", UNIT_TITLES, "Unit of the values in these phase images."
        )
        self.layout_choice = QComboBox()
        self.layout_choice.setObjectName("polarization_layout")
        self.layout_choice.setToolTip(
            "Polarizer angles of a 2x2 cell, first row / second row. A cropped sensor "
            "may start in another row or column; a wrong order distorts the phase."
        )
        self.sign = QComboBox()
        self.sign.setObjectName("phase_sign")
        self.sign.setToolTip(
            "Interference does not tell a thicker object from a thinner one. By "
            "default the sign is chosen so that cells are thicker than the medium."
        )
        for text, value in SIGNS.items():
            self.sign.addItem(text, value)
        for combo in (self.layout_choice, self.sign):
            # As in `_combo`: long entries must not widen the dock.
            combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.wavelength = FactBox(
            "wavelength_nm", "nm", "Wavelength of the light, in vacuum."
        )
        self.pixel_size = FactBox(
            "pixel_size_um",
            "µm",
            "Size of a camera pixel in the specimen: camera pitch / magnification.",
        )
        self.interval = FactBox("frame_interval_s", "s", "Time between two frames.")
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(
            QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow
        )
        for text, widget in (
            ("Kind", self.kind),
            ("Angles", self.layout_choice),
            ("Values in", self.unit),
            ("Sign", self.sign),
            ("Wavelength", self.wavelength),
            ("Pixel size", self.pixel_size),
            ("Frame interval", self.interval),
        ):
            self._form.addRow(text, widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.title, 1)
        row.addWidget(self.open, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(row)
        layout.addWidget(self.summary)
        layout.addLayout(self._form)
        layout.addWidget(self.notes)
        self.open.clicked.connect(self.open_asked)
        self.kind.activated.connect(self._on_kind)
        self.unit.activated.connect(
            lambda: self._fill_in(phase_unit=self.unit.currentData())
        )
        self.sign.activated.connect(
            lambda: self._fill_in(phase_sign=self.sign.currentData())
        )
        self.layout_choice.activated.connect(
            lambda: self._fill_in(
                polarization_layout=tuple(self.layout_choice.currentData())
            )
        )
        for box in (self.wavelength, self.pixel_size, self.interval):
            box.fact_changed.connect(self._on_fact)

    def refresh(self) -> None:
        """Show the workflow's recording."""
        acquisition = self._workflow.acquisition
        self.title.setText("Recording" if acquisition is None else acquisition.name)
        for row in range(self._form.rowCount()):
            self._form.setRowVisible(row, acquisition is not None)
        if acquisition is None:
            self.summary.setText(
                self._workflow.problem
                or "Open a recording: drop a file on this panel, or choose File > Open "
                "Sample > Quantitative phase microscopy. Then select its layer."
            )
            self.notes.hide()
            return
        self.summary.setText(describe_recording(acquisition))
        self._show_facts(acquisition)
        notes = notes_in_words(self._workflow.recording_notes())
        self.notes.setText("\n".join(f"• {note}" for note in notes[:MAX_NOTES]))
        self.notes.setToolTip("\n".join(notes))
        self.notes.setVisible(bool(notes))

    def _show_facts(self, acquisition: Acquisition) -> None:
        instrument, modality = acquisition.instrument, acquisition.modality
        self.kind.setCurrentIndex(
            max(0, self.kind.findData("" if modality is None else modality.value))
        )
        unit = instrument.phase_unit or PhaseUnit.UNKNOWN
        self.unit.setCurrentIndex(self.unit.findData(unit.value))
        self.wavelength.show_fact(instrument.wavelength_nm)
        self.pixel_size.show_fact(instrument.pixel_size_um)
        self.interval.show_fact(instrument.frame_interval_s)
        is_polarization = modality is Modality.POLARIZATION
        self._form.setRowVisible(self.layout_choice, is_polarization)
        if is_polarization:
            self._show_layouts(acquisition)
        self._form.setRowVisible(self.unit, modality is Modality.PHASE)
        self._form.setRowVisible(self.sign, modality in INTERFEROMETERS)
        self.sign.setCurrentIndex(list(SIGNS.values()).index(instrument.phase_sign))
        self._form.setRowVisible(self.interval, acquisition.n_frames > 1)

    def _show_layouts(self, acquisition: Acquisition) -> None:
        current = acquisition.instrument.polarization_layout
        layouts = list(COMMON_LAYOUTS)
        if current is not None and current not in layouts:
            layouts.append(current)
        self.layout_choice.clear()
        for layout in layouts:
            title = layout_title(layout, acquisition.shape[1])
            self.layout_choice.addItem(title, list(layout))
        if current is not None:
            self.layout_choice.setCurrentIndex(layouts.index(current))

    def _on_kind(self) -> None:
        name = self.kind.currentData()
        self._workflow.set_modality(Modality(name) if name else None)

    def _on_fact(self, name: str, value: float | None) -> None:
        self._fill_in(**{name: value})

    def _fill_in(self, **values: Any) -> None:
        try:
            self._workflow.set_instrument(**values)
        except QPMError as error:
            self._workflow.fail(error)
            self.refresh()


def _combo(name: str, titles: Mapping[Any, str], tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.setObjectName(name)
    combo.setToolTip(tooltip)
    # Long titles are cut; they must not widen the dock.
    combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    for value, title in titles.items():
        # Plain texts: bindings differ in what they make of enumerations.
        combo.addItem(title, value.value)
    return combo
