"""Choose what the colours of the cells mean, with their legend."""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.viewer.colouring import COLORMAPS, Colouring
from napari_qpm.viewer.forms import FloatBox

__all__ = ["ColourBox"]

LEGEND_COLORS = 32
LEGEND_HEIGHT = 14
LEGEND_WIDTH = 50
BOX_WIDTH = 46
"""Of the digits [px]; styles add some space around them."""
COMBO_WIDTH = 90


class Legend(QWidget):
    """A strip of colours from low to high."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._colors: list[QColor] = []
        self.setFixedHeight(LEGEND_HEIGHT)
        self.setMinimumWidth(LEGEND_WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_colors(self, colors: NDArray[np.float64]) -> None:
        """Show colours ``(n, 4)``."""
        self._colors = [QColor.fromRgbF(*map(float, color)) for color in colors]
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the strip."""
        gradient = QLinearGradient(0, 0, self.width(), 0)
        for k, color in enumerate(self._colors):
            gradient.setColorAt(k / max(1, len(self._colors) - 1), color)
        painter = QPainter(self)
        painter.fillRect(self.rect(), gradient)
        painter.end()


class _LimitBox(FloatBox):
    """One end of the range, in four digits."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setButtonSymbols(FloatBox.ButtonSymbols.NoButtons)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def textFromValue(self, value: float) -> str:
        """Return the number as the user reads it."""
        return f"{value:.4g}"


class ColourBox(QWidget):
    """Column, colormap and range of the cells' colours.

    Parameters
    ----------
    colouring
        The view-model.
    """

    def __init__(self, colouring: Colouring, parent: QWidget | None = None):
        super().__init__(parent)
        self._colouring = colouring
        self._names: list[str] = []
        self.column = QComboBox()
        self.column.setObjectName("colour_column")
        self.column.setToolTip(
            "Colour the cells by a measured column; the selected cell is white."
        )
        self.column.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.colormap = QComboBox()
        self.colormap.setObjectName("colour_map")
        self.colormap.setToolTip("Colours from low to high.")
        self.colormap.addItems(COLORMAPS)
        self.low, self.high = _LimitBox(), _LimitBox()
        self.colormap.setMaximumWidth(COMBO_WIDTH)
        for box, name, tip in (
            (self.low, "colour_low", "Value of the first colour and below."),
            (self.high, "colour_high", "Value of the last colour and above."),
        ):
            box.setObjectName(name)
            box.setToolTip(tip)
            # napari's style sheet has a minimum of its own, wider than four digits.
            width = f"min-width: {BOX_WIDTH}px; max-width: {BOX_WIDTH}px;"
            box.setStyleSheet(width)
        self.legend = Legend()
        self.legend.setObjectName("colour_legend")
        self._scale = QWidget()
        scale = QHBoxLayout(self._scale)
        scale.setContentsMargins(0, 0, 0, 0)
        for widget in (self.low, self.legend, self.high, self.colormap):
            scale.addWidget(widget, int(widget is self.legend))
        choosing = QHBoxLayout()
        choosing.addWidget(QLabel("Colour cells by"))
        choosing.addWidget(self.column, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(choosing)
        layout.addWidget(self._scale)
        self.column.activated.connect(self._on_column)
        self.colormap.activated.connect(self._on_colormap)
        for box in (self.low, self.high):
            box.valueChanged.connect(self._on_limits)
        colouring.changed.connect(self.refresh)
        self.refresh()

    def close_connections(self) -> None:
        """Let go of the view-model."""
        self._colouring.changed.disconnect(self.refresh)

    def refresh(self) -> None:
        """Show the columns of the table and what is chosen."""
        colouring = self._colouring
        choices = colouring.choices()
        names = [name for name, _ in choices]
        if names != self._names:
            self._names = names
            self.column.clear()
            for name, title in choices:
                self.column.addItem(title, name)
        self.column.setCurrentIndex(max(0, self.column.findData(colouring.column)))
        is_scaled = bool(self.column.currentData())
        self._scale.setVisible(is_scaled)
        self.colormap.setCurrentText(colouring.colormap)
        for box, value in zip((self.low, self.high), colouring.limits, strict=True):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        if is_scaled:
            self.legend.show_colors(colouring.gradient(LEGEND_COLORS))

    def _on_column(self) -> None:
        self._colouring.choose(str(self.column.currentData()))

    def _on_colormap(self) -> None:
        self._colouring.set_colormap(self.colormap.currentText())

    def _on_limits(self) -> None:
        self._colouring.set_limits(self.low.value(), self.high.value())
