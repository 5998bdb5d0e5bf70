"""Plots of the measured cells: over time, as histogram, one column against another."""

from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.errors import QPMError
from napari_qpm.viewer.exports import provenance_of, save_plot
from napari_qpm.viewer.plot_canvas import PlotCanvas
from napari_qpm.viewer.plot_data import CellPlots, PlotKind
from napari_qpm.viewer.results import bright_colors
from napari_qpm.viewer.workflow import Workflow

__all__ = ["CellPlotBox"]

KIND_TITLES = {
    PlotKind.TIME: "Over time",
    PlotKind.HISTOGRAM: "Histogram",
    PlotKind.SCATTER: "Scatter",
}
HINT = "Click a point to see its cell."
EMPTY = "Measure cells first; their plots appear here."
MOST_COLORED = 40
"""More tracks than this are drawn in one colour, at once."""
POINT_PX = 6
SELECTED_PX = 11
MOST_SYMBOLS = 3000
BAR_ALPHA = 160
COLUMN_WIDTH = 210


class CellPlotBox(QWidget):
    """Choose what is plotted, see it, click through it, save it.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    def __init__(self, workflow: Workflow, parent: QWidget | None = None):
        super().__init__(parent)
        self._workflow = workflow
        self.plots = CellPlots(workflow)
        self._drawn: tuple[Any, ...] | None = None
        self._build()
        self._connect()
        self.plots.choose()

    def _build(self) -> None:
        self.kind = QComboBox()
        self.kind.setObjectName("plot_kind")
        for kind, title in KIND_TITLES.items():
            self.kind.addItem(title, kind.value)
        self.column = _columns("plot_column", "What is plotted.")
        self.against = _columns("plot_against", "What it is plotted against.")
        self.against_word = QLabel("against")
        self.this_frame = QCheckBox("Only this frame")
        self.this_frame.setToolTip("Leave out the cells of other frames.")
        self.save = QPushButton("Save plot…")
        self.save.setObjectName("save_plot_button")
        self.save.setToolTip(
            "Save the picture as PNG and its numbers as CSV, with what made them."
        )
        self.canvas = PlotCanvas(self._workflow.viewer)
        self.hint = QLabel()
        # Small windows cut it rather than grow.
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignRight)
        row = QHBoxLayout()
        row.addWidget(self.kind)
        row.addWidget(self.column)
        row.addWidget(self.against_word)
        row.addWidget(self.against)
        row.addWidget(self.this_frame)
        row.addWidget(self.hint, 1)
        row.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.canvas, 1)

    def _connect(self) -> None:
        self.kind.activated.connect(self._on_choice)
        self.column.activated.connect(self._on_choice)
        self.against.activated.connect(self._on_choice)
        self.this_frame.toggled.connect(self._on_choice)
        self.save.clicked.connect(self._on_save)
        self.canvas.clicked.connect(self._on_click)
        self.canvas.theme_changed.connect(self._redraw)
        self.plots.changed.connect(self.refresh)
        self._workflow.viewer.dims.events.current_step.connect(self._on_step)

    def close_connections(self) -> None:
        """Let go of viewer and view-model."""
        self._workflow.viewer.dims.events.current_step.disconnect(self._on_step)
        self.plots.changed.disconnect(self.refresh)
        self.plots.close()
        self.canvas.close_connections()

    def refresh(self) -> None:
        """Show what is chosen; only what changed is drawn again."""
        plots = self.plots
        columns = plots.columns()
        for combo, chosen in (
            (self.column, plots.column),
            (self.against, plots.against),
        ):
            _fill(combo, columns, chosen)
        self.kind.setCurrentIndex(self.kind.findData(plots.kind.value))
        is_scatter = plots.kind is PlotKind.SCATTER
        self.against.setVisible(is_scatter)
        self.against_word.setVisible(is_scatter)
        self.this_frame.setVisible(plots.kind is not PlotKind.TIME)
        has_cells = bool(columns)
        for widget in (self.kind, self.column, self.this_frame, self.save):
            widget.setEnabled(has_cells)
        self.hint.setText(HINT if has_cells else EMPTY)
        self._draw()

    def save_to(self, path: Path) -> None:
        """Write picture, numbers and what made them."""
        field = self._workflow.field
        if field is None or self.plots.table is None:
            return
        try:
            paths = save_plot(
                path,
                self.canvas.save_picture,
                self.plots.shown(),
                provenance_of(field, self.plots.record()),
            )
        except QPMError as error:
            self._workflow.fail(error)
            return
        names = ", ".join(one.name for one in paths)
        self.hint.setText(f"Saved {names}.")

    # ------------------------------------------------------------ drawing

    def _draw(self) -> None:
        plots = self.plots
        frame = self._workflow.current_frame() if plots.is_this_frame else None
        wanted = (id(plots.table), plots.kind, plots.column, plots.against, frame)
        if wanted != self._drawn:
            self._drawn = wanted
            self._draw_all()
        self._draw_selected()

    def _redraw(self) -> None:
        self._drawn = None
        self._draw()

    def _draw_all(self) -> None:
        plot = self.canvas.plot
        plot.clear()
        self._marks: list[Any] = []
        if self.plots.table is None:
            self.canvas.show_titles("", "")
            return
        self.canvas.show_titles(*self.plots.titles())
        if self.plots.kind is PlotKind.HISTOGRAM:
            self._draw_bars()
        elif self.plots.kind is PlotKind.SCATTER or not self._draw_curves():
            self._draw_points()
        plot.autoRange()

    def _draw_bars(self) -> None:
        edges, heights = self.plots.bars()
        color = pg.mkColor(self.canvas.accent_color)
        color.setAlpha(BAR_ALPHA)
        bars = pg.BarGraphItem(
            x0=edges[:-1],
            x1=edges[1:],
            height=heights,
            brush=color,
            pen=self.canvas.accent_color,
        )
        self.canvas.plot.addItem(bars)

    def _draw_curves(self) -> bool:
        curves = self.plots.curves()
        if not curves:
            return False
        if len(curves) > MOST_COLORED:
            x, y, joins = _joined(curves)
            pen = pg.mkPen(self.canvas.quiet_color, width=1)
            self.canvas.plot.plot(x, y, connect=joins, pen=pen)
            return True
        colors = bright_colors().map(np.array([curve.track for curve in curves]))
        has_symbols = sum(len(curve.x) for curve in curves) <= MOST_SYMBOLS
        for curve, color in zip(curves, colors, strict=True):
            rgb = tuple(int(255 * part * self.canvas.shade) for part in color[:3])
            symbols = (
                {"symbol": "o", "symbolSize": POINT_PX, "symbolBrush": rgb}
                | {"symbolPen": None}
                if has_symbols
                else {}
            )
            known = np.isfinite(curve.y)
            self.canvas.plot.plot(
                curve.x[known], curve.y[known], pen=pg.mkPen(rgb, width=1.5), **symbols
            )
        return True

    def _draw_points(self) -> None:
        points = self.plots.points()
        color = pg.mkColor(self.canvas.accent_color)
        color.setAlpha(BAR_ALPHA)
        cloud = pg.ScatterPlotItem(
            points.x, points.y, size=POINT_PX, pen=None, brush=color
        )
        self.canvas.plot.addItem(cloud)

    def _draw_selected(self) -> None:
        """Draw the selected cell and the time of the viewer over the rest."""
        plot = self.canvas.plot
        for mark in self._marks:
            plot.removeItem(mark)
        self._marks = self._make_marks()
        for mark in self._marks:
            # They follow what is shown and must not widen its range.
            plot.addItem(mark, ignoreBounds=True)

    def _make_marks(self) -> list[Any]:
        plots, color = self.plots, self.canvas.text_color
        marks: list[Any] = []
        now, here = plots.now(), plots.here()
        if now is not None and plots.columns():
            pen = pg.mkPen(self.canvas.quiet_color, style=Qt.PenStyle.DashLine)
            marks.append(pg.InfiniteLine(now, angle=90, pen=pen))
        if plots.kind is PlotKind.TIME:
            curve = plots.selected_curve()
            if curve is not None:
                marks += _bold(curve, color)
        elif plots.kind is PlotKind.SCATTER:
            chosen = plots.selected_points()
            marks.append(
                pg.ScatterPlotItem(
                    chosen.x, chosen.y, size=POINT_PX + 2, pen=None, brush=color
                )
            )
        if here is None:
            return marks
        if plots.kind is PlotKind.HISTOGRAM:
            pen = pg.mkPen(color, width=2)
            return [*marks, pg.InfiniteLine(here[0], angle=90, pen=pen)]
        ring = pg.mkPen(color, width=2)
        spot = pg.ScatterPlotItem(
            [here[0]], [here[1]], size=SELECTED_PX, pen=ring, brush=None
        )
        return [*marks, spot]

    # ------------------------------------------------------------ events

    def _on_choice(self) -> None:
        self.plots.choose(
            PlotKind(self.kind.currentData()),
            column=self.column.currentData() or "",
            against=self.against.currentData() or "",
            is_this_frame=self.this_frame.isChecked(),
        )

    def _on_click(self, x: float, y: float, width: float, height: float) -> None:
        self.plots.click(x, y, (width, height))

    def _on_step(self) -> None:
        if self.isVisible():
            self._draw()

    def _on_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save plot", f"{self.plots.column}.png", "Pictures (*.png)"
        )
        if name:
            self.save_to(Path(name))


def _bold(curve: Any, color: str) -> list[Any]:
    """Return a curve in front of the others, with its error bars."""
    known = np.isfinite(curve.y)
    x, y, error = curve.x[known], curve.y[known], curve.error[known]
    items = [pg.PlotDataItem(x, y, pen=pg.mkPen(color, width=3))]
    has_error = np.isfinite(error)
    if has_error.any():
        bars = pg.ErrorBarItem(
            x=x[has_error],
            y=y[has_error],
            height=2 * error[has_error],
            pen=pg.mkPen(color, width=1),
        )
        items.append(bars)
    return items


def _joined(curves: list[Any]) -> tuple[Any, Any, Any]:
    """Return all curves as one, with where a line goes on to the next point."""
    x = np.concatenate([curve.x for curve in curves])
    y = np.concatenate([curve.y for curve in curves])
    joins = np.ones(len(x), bool)
    joins[np.cumsum([len(curve.x) for curve in curves]) - 1] = False
    return x, y, joins & np.isfinite(y) & np.isfinite(np.roll(y, -1))


def _columns(name: str, tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.setObjectName(name)
    combo.setToolTip(tooltip)
    combo.setFixedWidth(COLUMN_WIDTH)
    return combo


def _fill(combo: QComboBox, columns: list[tuple[str, str]], chosen: str) -> None:
    names = [combo.itemData(i) for i in range(combo.count())]
    if names != [name for name, _ in columns]:
        combo.clear()
        for name, title in columns:
            combo.addItem(title, name)
    combo.setCurrentIndex(combo.findData(chosen))
