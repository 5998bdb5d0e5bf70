"""A number that may be unknown, with a word on who stated it."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QWidget

from napari_qpm.viewer.forms import FloatBox
from napari_qpm.viewer.number_lists import numbers_in_words
from napari_qpm.viewer.recording_facts import Origin

__all__ = ["FactBox", "NumbersBox", "WithOrigin"]

UNKNOWN = "unknown"


class FactBox(FloatBox):
    """A positive number that may be unknown (shown at zero)."""

    fact_changed = Signal(str, object)
    """The user changed it: its name and number, or `None`."""

    def __init__(self, name: str, unit: str, tooltip: str):
        super().__init__()
        self.setObjectName(name)
        self.setRange(0, 1e6)
        self.setSuffix(f" {unit}" if unit else "")
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


class NumbersBox(QLineEdit):
    """A list of numbers that may be unknown (empty)."""

    numbers_typed = Signal(str, str)
    """The user changed it: its name and the text."""

    def __init__(self, name: str, tooltip: str):
        super().__init__()
        self.setObjectName(name)
        self.setToolTip(tooltip)
        self._shown = ""
        self.editingFinished.connect(self._on_text)

    def _on_text(self) -> None:
        # Also comes when the box only loses the focus.
        if self.text().strip() != self._shown:
            self.numbers_typed.emit(self.objectName(), self.text())

    def show_numbers(self, values: Sequence[float] | None, hint: str) -> None:
        """Show numbers, and what to type while there are none."""
        self._shown = numbers_in_words(values)
        self.setText(self._shown)
        self.setCursorPosition(0)
        self.setPlaceholderText(hint)


class WithOrigin(QWidget):
    """A field of a form with a word on who stated its value.

    Parameters
    ----------
    field
        Takes what room there is.
    """

    def __init__(self, field: QWidget):
        super().__init__()
        self.origin = QLabel()
        self.origin.setObjectName(f"{field.objectName()}_origin")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(field, 1)
        row.addWidget(self.origin)

    def show_origin(self, origin: Origin) -> None:
        """Show who stated the value."""
        self.origin.setText(origin.word)
        self.origin.setToolTip(origin.sentence)
        self.origin.setVisible(bool(origin.word))
