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
from napari_qpm.viewer.angle_orders import COMMON_ORDERS
from napari_qpm.viewer.angle_panel import AnglePanel
from napari_qpm.viewer.angles import Angles
from napari_qpm.viewer.channel_choice import ChannelChoice
from napari_qpm.viewer.fact_box import FactBox, NumbersBox, WithOrigin
from napari_qpm.viewer.help_pages import RECORDING_PAGE, HelpButton
from napari_qpm.viewer.recording_facts import FOCUSED, RecordingFacts
from napari_qpm.viewer.reference_box import ReferenceBox
from napari_qpm.viewer.references import References
from napari_qpm.viewer.wording import (
    KIND_TITLES,
    UNIT_TITLES,
    describe_recording,
    duration_in_words,
    layout_title,
    missing_in_words,
    notes_in_words,
)

__all__ = ["RecordingBox"]

SIGNS = {"Cells are thicker": None, "As recorded": 1, "Inverted": -1}
SIGNED = (Modality.POLARIZATION, Modality.OFF_AXIS, Modality.PHASE_SHIFTING)
MAX_NOTES = 4
LEAST_LETTERS = 5
"""Lists are at least this wide; the longest of their entries may be cut."""
NOTHING_OPEN = (
    "Open a recording: drop a file on the canvas, or choose File > Open Sample > "
    "Quantitative phase microscopy. Then select its layer."
)


class RecordingBox(QWidget):
    """Name, kind, calibration and reference of the selected recording.

    Parameters
    ----------
    facts, references, angles, channels
        The view-models.
    """

    open_asked = Signal()
    """The user wants to choose a file."""
    panel_opened = Signal()
    """The pictures of the angles came into being."""

    def __init__(
        self,
        facts: RecordingFacts,
        references: References,
        angles: Angles,
        channels: ChannelChoice,
        parent: QWidget | None = None,
    ):
        super().__init__(parent)
        self._facts, self._references, self._angles = facts, references, angles
        self._channels = channels
        self._workflow = facts.workflow
        self.open = QPushButton("Open…")
        self.open.setObjectName("open_button")
        self.open.setToolTip("Open recordings. You can also drop them on this panel.")
        self.title, self.summary, self.missing = _text(), _text(), _text()
        self.notes, self.duration = _text(), _text()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.missing.setObjectName("missing")
        self.duration.setObjectName("duration")
        self._make_choices()
        self._make_numbers()
        self._make_recalled()
        self.reference = ReferenceBox(references)
        self.panel = AnglePanel(angles)
        self.panel.hide()
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(
            QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow
        )
        layout_row = WithOrigin(self.layout_choice)
        self._rows = {
            "polarization_layout": layout_row,
            "phase_unit": WithOrigin(self.unit),
            "phase_sign": WithOrigin(self.sign),
            "wavelength_nm": WithOrigin(self.wavelength),
            "pixel_size_um": WithOrigin(self.pixel_size),
            "numerical_aperture": WithOrigin(self.aperture),
            "medium_index": WithOrigin(self.medium),
            "focus_um": WithOrigin(self.focus),
            "phase_steps_deg": WithOrigin(self.steps),
            "frame_interval_s": WithOrigin(self.interval),
        }
        for text, widget in (
            ("Channel", self.channel),
            ("Kind", self.kind),
            ("Angles", layout_row),
            ("", self.check_angles),
            ("Values in", self._rows["phase_unit"]),
            ("Sign", self._rows["phase_sign"]),
            ("Reference", self.reference),
            ("Wavelength", self._rows["wavelength_nm"]),
            ("Pixel size", self._rows["pixel_size_um"]),
            ("Planes (µm)", self._rows["focus_um"]),
            ("Steps (°)", self._rows["phase_steps_deg"]),
            ("Aperture (NA)", self._rows["numerical_aperture"]),
            ("Medium index", self._rows["medium_index"]),
            ("Frame interval", self._rows["frame_interval_s"]),
            ("", self.duration),
        ):
            self._form.addRow(text, widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.title, 1)
        self.help = HelpButton(lambda: RECORDING_PAGE)
        row.addWidget(self.help, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.open, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(row)
        for part in (self.summary, self.missing, self.recalled_row):
            layout.addWidget(part)
        layout.addLayout(self._form)
        for part in (self.panel, self.notes):
            layout.addWidget(part)
        self._connect()

    def _make_choices(self) -> None:
        self.kind = _combo("kind", KIND_TITLES, "What the camera recorded.")
        self.kind.insertItem(0, "Choose…", "")
        self.channel = QComboBox()
        self.channel.setObjectName("channel")
        self.channel.setToolTip("The channel of the file that makes the phase.")
        self.unit = _combo(
            "phase_unit", UNIT_TITLES, "Unit of the values in these phase images."
        )
        self.layout_choice = QComboBox()
        self.layout_choice.setObjectName("polarization_layout")
        self.layout_choice.setToolTip(
            "Polarizer angles of a 2x2 cell, first row / second row. A cropped sensor "
            "may start in another row or column; a wrong order distorts the phase or "
            "turns its sign."
        )
        self.check_angles = QPushButton("Check the angles…")
        self.check_angles.setObjectName("check_angles_button")
        self.check_angles.setCheckable(True)
        self.check_angles.setToolTip(
            "Look at the images behind the four angles, and at what their light tells "
            "of their order."
        )
        self.sign = QComboBox()
        self.sign.setObjectName("phase_sign")
        self.sign.setToolTip(
            "Interference does not tell a thicker object from a thinner one. By "
            "default the sign is chosen so that cells are thicker than the medium."
        )
        for text, value in SIGNS.items():
            self.sign.addItem(text, value)
        for combo in (
            self.channel,
            self.kind,
            self.unit,
            self.layout_choice,
            self.sign,
        ):
            # Otherwise the longest entry would widen the dock.
            combo.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            combo.setMinimumContentsLength(LEAST_LETTERS)

    def _make_numbers(self) -> None:
        self.wavelength = FactBox(
            "wavelength_nm", "nm", "Wavelength of the light, in vacuum."
        )
        self.pixel_size = FactBox(
            "pixel_size_um",
            "µm",
            "Size of a camera pixel in the specimen: camera pitch / magnification.",
        )
        self.aperture = FactBox(
            "numerical_aperture",
            "",
            "Numerical aperture of the objective, as written on it. Phase and mass do "
            "not need it; it is kept with the results.",
        )
        self.medium = FactBox(
            "medium_index",
            "",
            "Refractive index of the medium around the cells: water 1.333, culture "
            "medium about 1.337. Refocusing, transport of intensity and optical "
            "volumes need it.",
        )
        self.focus = NumbersBox(
            "focus_um",
            "Where each plane lies along the axis, or where red, green and blue focus, "
            "in µm in the medium: one number for each, or the first and the last of "
            "evenly spaced ones, such as -4 to 4.",
        )
        self.steps = NumbersBox(
            "phase_steps_deg",
            "Steps of the reference wave, one for each image, such as 0, 90, 180, 270. "
            "Left empty, they are found in the images.",
        )
        self.interval = FactBox(
            "frame_interval_s",
            "s",
            "Time from one frame to the next; the time axis, growth and speed need it.",
        )

    def _make_recalled(self) -> None:
        self.recalled = _text()
        self.recalled.setObjectName("recalled")
        self.undo = QPushButton("Undo")
        self.undo.setObjectName("undo_recalled_button")
        self.undo.setToolTip("Leave these values open for this recording.")
        self.recalled_row = QWidget()
        row = QHBoxLayout(self.recalled_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.recalled, 1)
        row.addWidget(self.undo)

    def _connect(self) -> None:
        facts = self._facts
        self.open.clicked.connect(self.open_asked)
        self.kind.activated.connect(self._on_kind)
        self.unit.activated.connect(
            lambda: facts.set(phase_unit=self.unit.currentData())
        )
        self.sign.activated.connect(
            lambda: facts.set(phase_sign=self.sign.currentData())
        )
        self.layout_choice.activated.connect(
            lambda: self._angles.choose(tuple(self.layout_choice.currentData()))
        )
        self.channel.activated.connect(
            lambda: self._channels.choose(self.channel.currentData())
        )
        for box in (
            self.wavelength,
            self.pixel_size,
            self.aperture,
            self.medium,
            self.interval,
        ):
            box.fact_changed.connect(self._on_fact)
        for numbers in (self.focus, self.steps):
            numbers.numbers_typed.connect(facts.set_numbers)
        self.check_angles.toggled.connect(self._on_check)
        self.undo.clicked.connect(facts.undo_recalled)

    def refresh(self) -> None:
        """Show the workflow's recording."""
        acquisition = self._workflow.acquisition
        is_open = acquisition is not None
        self.title.setVisible(is_open)
        for row in range(self._form.rowCount()):
            self._form.setRowVisible(row, is_open)
        if acquisition is None:
            self.summary.setText(self._workflow.problem or NOTHING_OPEN)
            for label in (self.notes, self.missing, self.recalled_row, self.panel):
                label.hide()
            return
        self.title.setText(acquisition.name)
        self.summary.setText(describe_recording(acquisition))
        self._show_channels()
        self._show_facts(acquisition)
        self._show_angles(acquisition)
        _show(self.missing, missing_in_words(acquisition))
        recalled = self._facts.recalled_in_words()
        self.recalled.setText(recalled)
        self.recalled_row.setVisible(bool(recalled))
        notes = notes_in_words(self._workflow.recording_notes())
        # Said above already, with a button to undo it.
        notes = [note for note in notes if note != recalled]
        if self._facts.memory.problem:
            notes.insert(0, self._facts.memory.problem)
        _show(self.notes, "\n".join(f"• {note}" for note in notes[:MAX_NOTES]))
        self.notes.setToolTip("\n".join(notes))

    def _show_channels(self) -> None:
        offered = self._channels.offered
        self._form.setRowVisible(self.channel, offered is not None)
        self.channel.clear()
        if offered is None:
            return
        for name in offered.names:
            self.channel.addItem(name, name)
        self.channel.setPlaceholderText("Choose…")
        self.channel.setCurrentIndex(self.channel.findData(offered.chosen or ""))

    def _show_facts(self, acquisition: Acquisition) -> None:
        instrument, modality = acquisition.instrument, acquisition.modality
        self.kind.setCurrentIndex(
            max(0, self.kind.findData("" if modality is None else modality.value))
        )
        unit = instrument.phase_unit or PhaseUnit.UNKNOWN
        self.unit.setCurrentIndex(self.unit.findData(unit.value))
        self.wavelength.show_fact(instrument.wavelength_nm)
        self.pixel_size.show_fact(instrument.pixel_size_um)
        self.aperture.show_fact(instrument.numerical_aperture)
        self.interval.show_fact(instrument.frame_interval_s)
        self.medium.show_fact(instrument.medium_index)
        n_images = acquisition.shape[1]
        is_coloured = modality is Modality.CHROMATIC
        self._form.labelForField(self._rows["focus_um"]).setText(
            "Focus (µm)" if is_coloured else "Planes (µm)"
        )
        hint = "of red, green, blue" if is_coloured else f"{n_images} planes"
        self.focus.show_numbers(instrument.focus_um, hint)
        self.steps.show_numbers(instrument.phase_steps_deg, "found in the images")
        self.sign.setCurrentIndex(list(SIGNS.values()).index(instrument.phase_sign))
        self.reference.refresh()
        is_series, interval = acquisition.n_frames > 1, instrument.frame_interval_s
        is_timed = is_series and interval is not None
        if is_timed and interval is not None:
            self.duration.setText(duration_in_words(acquisition.n_frames, interval))
        for widget, is_shown in (
            (self._rows["phase_unit"], modality is Modality.PHASE),
            (self._rows["phase_sign"], modality in SIGNED),
            (self.reference, self._references.is_available),
            (self._rows["focus_um"], modality in FOCUSED),
            (self._rows["phase_steps_deg"], modality is Modality.PHASE_SHIFTING),
            (self._rows["frame_interval_s"], is_series),
            (self.duration, is_timed),
        ):
            self._form.setRowVisible(widget, is_shown)
        for name, row in self._rows.items():
            row.show_origin(self._facts.origin(name))

    def _show_angles(self, acquisition: Acquisition) -> None:
        angles = self._angles
        order = angles.order
        for widget in (self._rows["polarization_layout"], self.check_angles):
            self._form.setRowVisible(widget, angles.is_available)
        if angles.view is None and self._workflow.job is None:
            # Another recording, or it could not be looked at.
            self.check_angles.blockSignals(True)
            self.check_angles.setChecked(False)
            self.check_angles.blockSignals(False)
        was_open = self.panel.isVisible()
        if self.check_angles.isChecked():
            self.panel.refresh()
        else:
            self.panel.hide()
        if self.panel.isVisible() and not was_open:
            self.panel_opened.emit()
        if not angles.is_available or order is None:
            return
        orders = list(COMMON_ORDERS)
        if order not in orders:
            orders.append(order)
        self.layout_choice.clear()
        for one in orders:
            title = layout_title(one, acquisition.shape[1])
            self.layout_choice.addItem(title, list(one))
        self.layout_choice.setCurrentIndex(orders.index(order))

    def _on_kind(self) -> None:
        name = self.kind.currentData()
        self._workflow.set_modality(Modality(name) if name else None)

    def _on_fact(self, name: str, value: float | None) -> None:
        self._facts.set(**{name: value})

    def _on_check(self, is_open: bool) -> None:
        if is_open:
            self._angles.look()
        self.refresh()


def _text() -> QLabel:
    """Return a label that wraps and never widens the dock."""
    label = QLabel()
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def _show(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))


def _combo(name: str, titles: Mapping[Any, str], tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.setObjectName(name)
    combo.setToolTip(tooltip)
    for value, title in titles.items():
        # Plain texts: bindings differ in what they make of enumerations.
        combo.addItem(title, value.value)
    return combo
