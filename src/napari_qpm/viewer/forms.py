"""Forms made from parameter models: one row a field, tooltip and bounds from the model.

Values go in and out as plain data; the model alone decides what is valid.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_qpm.errors import QPMError
from napari_qpm.parameters import Parameters

__all__ = ["FloatBox", "ParameterForm"]

AUTOMATIC = "automatic"
LARGEST = 1_000_000_000


class FloatBox(QDoubleSpinBox):
    """Number box that shows no more digits than the number has."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setDecimals(6)
        self.setRange(-LARGEST, LARGEST)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setKeyboardTracking(False)

    def textFromValue(self, value: float) -> str:
        """Return the number as the user reads it."""
        return f"{value:.6g}"


class _Choice:
    """One of an enumeration's or literal's values, or of ``(value, title)`` pairs."""

    def __init__(self, values: list[Any], renew: Callable[[], list[Any]] | None = None):
        self.widget = QComboBox()
        self._renew = renew
        self._fill(values)
        self.changed = self.widget.currentIndexChanged

    def _fill(self, values: list[Any]) -> None:
        self.widget.clear()
        for value in values:
            if isinstance(value, tuple):
                plain, text = value
            else:
                plain = value.value if isinstance(value, Enum) else value
                text = str(plain).replace("_", " ").replace("-", " ").capitalize()
            self.widget.addItem(text, plain)

    def get(self) -> Any:
        return self.widget.currentData()

    def set(self, value: Any) -> None:
        plain = value.value if isinstance(value, Enum) else value
        if self.widget.findData(plain) < 0 and self._renew is not None:
            # Something new was installed since the list was made.
            self._fill(self._renew())
        if self.widget.findData(plain) < 0:
            # Kept, not replaced by another: the engine will say what is wrong with it.
            self.widget.addItem(f"{plain} (not found)", plain)
        self.widget.setCurrentIndex(self.widget.findData(plain))


class _Flag:
    """Yes or no."""

    def __init__(self) -> None:
        self.widget = QCheckBox()
        self.changed = self.widget.toggled

    def get(self) -> bool:
        return bool(self.widget.isChecked())

    def set(self, value: bool) -> None:
        self.widget.setChecked(value)


class _Number:
    """A number within bounds."""

    def __init__(self, box: QSpinBox | QDoubleSpinBox, info: FieldInfo):
        self.widget = box
        self._given: Any = None
        self._shown: Any = None
        low, high = _bounds(info)
        if low is not None:
            box.setMinimum(low)
        if high is not None:
            box.setMaximum(high)
        box.setKeyboardTracking(False)
        self.changed = box.valueChanged

    def get(self) -> Any:
        # The box rounds (1/3 becomes 0.333333); what nobody touched stays exact.
        value = self.widget.value()
        return self._given if value == self._shown else value

    def set(self, value: Any) -> None:
        self.widget.setValue(value)
        self._given, self._shown = value, self.widget.value()


class _Slider:
    """A number that is found by trying: between its bounds, shown while one moves."""

    def __init__(self, info: FieldInfo):
        self.widget = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        low, high = _bounds(info)
        self.widget.setDecimals(1)
        self.widget.setRange(low, high)
        self.widget.setSingleStep((high - low) / 400)
        self.widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.changed = self.widget.valueChanged

    def get(self) -> float:
        return round(float(self.widget.value()), 3)

    def set(self, value: float) -> None:
        self.widget.setValue(value)


class _Text:
    """Whatever has no box of its own: free text, lists of numbers, optional values."""

    def __init__(self, is_optional: bool):
        self.widget = QLineEdit()
        self._is_optional = is_optional
        if is_optional:
            self.widget.setPlaceholderText(AUTOMATIC)
        self.changed = self.widget.editingFinished

    def get(self) -> Any:
        text = self.widget.text().strip()
        if not text and self._is_optional:
            return None
        if "," in text:
            return [part.strip() for part in text.split(",")]
        return text

    def set(self, value: Any) -> None:
        if value is None:
            self.widget.clear()
        elif isinstance(value, list | tuple):
            self.widget.setText(", ".join(f"{part:g}" for part in value))
        else:
            self.widget.setText(str(value))


Editor = _Choice | _Flag | _Number | _Slider | _Text


class ParameterForm(QWidget):
    """Form of one parameters model.

    Parameters
    ----------
    model
        The frozen model; its fields become rows.
    values
        What is set already; the rest shows its default.
    """

    values_changed = Signal(dict)
    """All values, after the user changed one and they are valid."""

    def __init__(
        self,
        model: type[Parameters],
        values: dict[str, Any] | None = None,
        parent: QWidget | None = None,
    ):
        super().__init__(parent)
        self._model = model
        self._editors: dict[str, Editor] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name, info in model.model_fields.items():
            choices = model.choices(name)
            if choices is None:
                editor = _make_editor(info)
            else:
                editor = _Choice(choices, partial(_choices, model, name))
            editor.widget.setObjectName(name)
            label = QLabel(info.title or name)
            for widget in (label, editor.widget):
                widget.setToolTip(_tooltip(info))
            layout.addRow(label, editor.widget)
            self._editors[name] = editor
        self._problem = QLabel()
        self._problem.setWordWrap(True)
        self._problem.hide()
        layout.addRow(self._problem)
        self.set_values(values or {})
        for editor in self._editors.values():
            editor.changed.connect(self._on_edit)

    @property
    def problem(self) -> str:
        """What is wrong with the values; empty when they are valid."""
        return str(self._problem.text())

    def values(self) -> dict[str, Any]:
        """Return all values as plain data."""
        return {name: editor.get() for name, editor in self._editors.items()}

    def set_values(self, values: dict[str, Any]) -> None:
        """Show these values, and the default of every other parameter."""
        shown = self._model.parse(values)
        for name, editor in self._editors.items():
            editor.widget.blockSignals(True)
            editor.set(getattr(shown, name))
            editor.widget.blockSignals(False)
        self._show_problem("")

    def reset(self) -> None:
        """Return to the defaults."""
        self.set_values({})
        self.values_changed.emit(self.values())

    def _on_edit(self) -> None:
        values = self.values()
        try:
            self._model.parse(values)
        except QPMError as error:
            self._show_problem(str(error))
            return
        self._show_problem("")
        self.values_changed.emit(values)

    def _show_problem(self, text: str) -> None:
        self._problem.setText(text)
        self._problem.setVisible(bool(text))


def _choices(model: type[Parameters], name: str) -> list[tuple[str, str]]:
    return model.choices(name) or []


def _make_editor(info: FieldInfo) -> Editor:
    kind, is_optional = _without_none(info.annotation)
    if not is_optional:
        if kind is bool:
            return _Flag()
        if isinstance(kind, type) and issubclass(kind, Enum):
            return _Choice(list(kind))
        if kind is int:
            box = QSpinBox()
            box.setRange(-LARGEST, LARGEST)
            return _Number(box, info)
        if kind is float:
            extra = info.json_schema_extra
            wants_slider = isinstance(extra, dict) and extra.get("slider")
            return _Slider(info) if wants_slider else _Number(FloatBox(), info)
        if get_origin(kind) is not None and str(get_origin(kind)).endswith("Literal"):
            return _Choice(list(get_args(kind)))
    return _Text(is_optional)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return the type inside ``X | None`` and whether it was optional."""
    if get_origin(annotation) in (Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not NoneType]
        return (inner[0] if len(inner) == 1 else annotation), True
    return annotation, False


def _bounds(info: FieldInfo) -> tuple[Any, Any]:
    low: Any = None
    high: Any = None
    for rule in info.metadata:
        if isinstance(rule, annotated_types.Ge):
            low = rule.ge
        elif isinstance(rule, annotated_types.Gt):
            low = rule.gt
        elif isinstance(rule, annotated_types.Le):
            high = rule.le
        elif isinstance(rule, annotated_types.Lt):
            high = rule.lt
    return low, high


def _tooltip(info: FieldInfo) -> str:
    low, high = _bounds(info)
    limits = {
        (True, True): f" From {low} to {high}.",
        (True, False): f" At least {low}.",
        (False, True): f" At most {high}.",
    }.get((low is not None, high is not None), "")
    return f"{info.description or ''}{limits}"
