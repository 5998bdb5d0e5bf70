"""Draw lines and regions on the phase; see profiles and totals."""

from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.errors import QPMError
from napari_qpm.viewer.drawings import Drawings, Tool
from napari_qpm.viewer.drawn_shapes import MeasuredShapes, ProfileUnit
from napari_qpm.viewer.exports import provenance_of, save_plot
from napari_qpm.viewer.plot_canvas import PlotCanvas
from napari_qpm.viewer.workflow import Workflow

__all__ = ["ProfileBox"]

WIDEST_PX = 999
BAND_ALPHA = 60
TOOLS = {
    Tool.LINE: ("Draw line", "Drag a line on the phase to see the profile along it."),
    Tool.RECTANGLE: ("Draw rectangle", "Drag a rectangle to get its dry mass."),
    Tool.POLYGON: (
        "Draw polygon",
        "Click the corners of a region to get its dry mass; double-click the last one.",
    ),
    Tool.SELECT: ("Move or delete", "Click a drawing to move it; Delete removes it."),
}
UNITS = {ProfileUnit.MAP: "Phase", ProfileUnit.OPD: "Optical path"}
HINT = "Draw a line for a profile, or a region for its dry mass."
EMPTY = "Retrieve the phase first, then draw on it."


class ProfileBox(QWidget):
    """Tools to draw with, the profile, and the totals.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    def __init__(self, workflow: Workflow, parent: QWidget | None = None):
        super().__init__(parent)
        self._workflow = workflow
        self.drawings = Drawings(workflow)
        self._build()
        self._connect()
        self._show()
        self.refresh()

    def _build(self) -> None:
        self.tools: dict[Tool, QPushButton] = {}
        drawing = QHBoxLayout()
        for tool, (text, tip) in TOOLS.items():
            button = QPushButton(text)
            button.setObjectName(f"{tool.name.lower()}_button")
            button.setToolTip(tip)
            drawing.addWidget(button)
            self.tools[tool] = button
        self.width = QSpinBox()
        self.width.setObjectName("profile_width")
        self.width.setRange(1, WIDEST_PX)
        self.width.setPrefix("width ")
        self.width.setSuffix(" px")
        self.width.setToolTip("The profile is the mean over this width.")
        self.unit = QComboBox()
        self.unit.setObjectName("profile_unit")
        self.unit.setToolTip("What the profile shows.")
        for unit, title in UNITS.items():
            self.unit.addItem(title, unit.value)
        self.levelled = QCheckBox("Subtract background")
        self.levelled.setChecked(True)
        self.levelled.setToolTip(
            "Take the level of the empty ring around a region off its total."
        )
        self.save = QPushButton("Save…")
        self.save.setObjectName("save_profile_button")
        self.save.setToolTip(
            "Save the picture as PNG and the numbers as CSV, with what made them."
        )
        drawing.addStretch()
        drawing.addWidget(self.width)
        drawing.addWidget(self.unit)
        drawing.addWidget(self.levelled)
        drawing.addWidget(self.save)
        self.canvas = PlotCanvas(self._workflow.viewer)
        self.totals = QLabel()
        self.totals.setObjectName("region_totals")
        self.totals.setWordWrap(True)
        self.totals.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(drawing)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.totals)

    def _connect(self) -> None:
        for tool, button in self.tools.items():
            button.clicked.connect(self._starter(tool))
        self.width.valueChanged.connect(self._on_options)
        self.unit.activated.connect(self._on_options)
        self.levelled.toggled.connect(self._on_options)
        self.save.clicked.connect(self._on_save)
        self.canvas.theme_changed.connect(self._show)
        self.drawings.changed.connect(self.refresh)
        self.drawings.measured.connect(self._show)

    def close_connections(self) -> None:
        """Let go of viewer and view-model."""
        self.drawings.changed.disconnect(self.refresh)
        self.drawings.measured.disconnect(self._show)
        self.drawings.close()
        self.canvas.close_connections()

    def showEvent(self, event: QShowEvent) -> None:
        """Measure what was drawn while this was out of sight."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Have what is drawn measured, while somebody sees it."""
        for button in self.tools.values():
            button.setEnabled(self.drawings.is_ready)
        if self.isHidden():
            return
        self.drawings.measure()
        # What is shown still belongs to another frame or shape.
        self.save.setEnabled(self.save.isEnabled() and not self.drawings.is_measuring)

    def _show(self) -> None:
        """Show profile and totals that were measured."""
        drawings = self.drawings
        found = drawings.found or MeasuredShapes(0)
        self._draw(found.line)
        sentences = found.sentences()
        if found.problem:
            sentences.append(found.problem)
        if not sentences and found.line is None:
            sentences = [HINT if drawings.is_ready else EMPTY]
        self.totals.setText("\n".join(sentences))
        self.totals.setVisible(bool(sentences))
        self.save.setEnabled(found.line is not None or bool(found.regions))

    def save_to(self, path: Path) -> None:
        """Write picture, numbers of line and regions, and what made them."""
        field, found = self._workflow.field, self.drawings.found
        if field is None or found is None:
            return
        line, regions = found.line_table(), found.region_table()
        numbers = regions if line is None else line
        record = provenance_of(field, self.drawings.record())
        try:
            paths = list(save_plot(path, self.canvas.save_picture, numbers, record))
            if line is not None and len(regions):
                stem = path.with_suffix("")
                extra = stem.with_name(stem.name + "-regions.csv")
                regions.to_csv(extra, index=False)
                paths.append(extra)
        except (QPMError, OSError) as error:
            self._workflow.fail(error, "Save profile")
            return
        self.totals.setText(f"Saved {', '.join(one.name for one in paths)}.")
        self.totals.show()

    def _draw(self, line: Any) -> None:
        plot = self.canvas.plot
        plot.clear()
        if line is None:
            self.canvas.show_titles("Distance", "Phase")
            return
        self.canvas.show_titles(line.x_title, line.y_title)
        color = pg.mkColor(self.canvas.accent_color)
        if self.drawings.width_px > 1:
            color.setAlpha(BAND_ALPHA)
            known = np.isfinite(line.mean)
            edges = [
                pg.PlotDataItem(
                    line.x[known], (line.mean + side * line.spread)[known], pen=None
                )
                for side in (-1, 1)
            ]
            for edge in edges:
                plot.addItem(edge)
            plot.addItem(pg.FillBetweenItem(*edges, brush=color))
        pen = pg.mkPen(self.canvas.text_color, width=2)
        plot.plot(line.x, line.mean, pen=pen, connect="finite")
        plot.autoRange()

    def _starter(self, tool: Tool) -> Any:
        return lambda: self.drawings.start(tool)

    def _on_options(self) -> None:
        self.drawings.set_options(
            width_px=self.width.value(),
            unit=ProfileUnit(self.unit.currentData()),
            is_levelled=self.levelled.isChecked(),
        )

    def _on_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save profile and regions", "profile.png", "Pictures (*.png)"
        )
        if name:
            self.save_to(Path(name))
