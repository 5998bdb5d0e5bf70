"""One pyqtgraph plot in the colours of napari's theme."""

from pathlib import Path
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

__all__ = ["PlotCanvas"]

PICTURE_WIDTH = 1600
GRID_ALPHA = 0.15
SHADE_ON_LIGHT = 0.65


class PlotCanvas(QWidget):
    """Axes to draw on, and the place of clicks.

    Parameters
    ----------
    viewer
        Its theme gives the colours.
    """

    clicked = Signal(float, float, float, float)
    """A click: x, y, and the extent of a pixel on both axes."""
    theme_changed = Signal()
    """The colours changed; draw again."""

    def __init__(self, viewer: Any, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = viewer
        self.plot = pg.PlotWidget()
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.showGrid(x=True, y=True, alpha=GRID_ALPHA)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.plot.scene().sigMouseClicked.connect(self._on_click)
        viewer.events.theme.connect(self._on_theme)
        self._on_theme()

    def close_connections(self) -> None:
        """Let go of the viewer."""
        self._viewer.events.theme.disconnect(self._on_theme)

    @property
    def text_color(self) -> str:
        """Colour of text and of what must be seen first."""
        return self._theme().text.as_hex()

    @property
    def quiet_color(self) -> str:
        """Colour of what stands behind."""
        return self._theme().highlight.as_hex()

    @property
    def accent_color(self) -> str:
        """Colour of marks, napari's own for what is current."""
        return self._theme().current.as_hex()

    @property
    def shade(self) -> float:
        """Factor that makes colours for dark images readable on this background."""
        is_light = pg.mkColor(self._theme().background.as_hex()).lightnessF() > 0.5
        return SHADE_ON_LIGHT if is_light else 1.0

    def show_titles(self, horizontal: str, vertical: str) -> None:
        """Name the axes."""
        for side, title in (("bottom", horizontal), ("left", vertical)):
            self.plot.setLabel(side, title, color=self.text_color)

    def save_picture(self, path: Path) -> None:
        """Write what is shown as PNG."""
        from pyqtgraph.exporters import ImageExporter

        exporter = ImageExporter(self.plot.plotItem)
        exporter.parameters()["width"] = PICTURE_WIDTH
        exporter.export(str(path))

    def _theme(self) -> Any:
        from napari.utils.theme import get_theme

        return get_theme(self._viewer.theme)

    def _on_theme(self) -> None:
        self.plot.setBackground(self._theme().background.as_hex())
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(self.quiet_color)
            axis.setTextPen(self.text_color)
            axis.enableAutoSIPrefix(False)
        self.theme_changed.emit()

    def _on_click(self, event: Any) -> None:
        box = self.plot.getViewBox()
        place = event.scenePos()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if not box.sceneBoundingRect().contains(place):
            return
        point = box.mapSceneToView(place)
        width, height = box.viewPixelSize()
        self.clicked.emit(point.x(), point.y(), width, height)
