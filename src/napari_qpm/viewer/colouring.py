"""Colours of the cells: by cell, or by any measured column; free of Qt.

The labels keep napari's cyclic colormap with one colour for each label. Another frame
or another column only changes these colours, never the mapping of the pixels, so that
following the time slider costs no second drawing of the labels.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_qpm.viewer.cell_table import plottable
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.results import bright_colors, present
from napari_qpm.viewer.titles import title_of

if TYPE_CHECKING:
    from napari_qpm.viewer.cell_selection import CellSelection
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["BY_CELL", "COLORMAPS", "Colouring"]

BY_CELL = ""
"""Every cell has a colour of its own, over time the same when cells are linked."""
COLORMAPS = ("viridis", "magma", "turbo", "cividis", "coolwarm")
_MOST_LABELS = 60_000
"""napari's limit is 65535 colours."""
_PERCENTILES = (1.0, 99.0)
_UNKNOWN = (0.5, 0.5, 0.5, 1.0)
_SELECTED = (1.0, 1.0, 1.0, 1.0)


class Colouring:
    """What the colours of the cells say, while there is a table.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    selection
        Its selected cell, which is drawn in white.
    """

    changed = Signal()
    """Column, colormap or limits changed."""

    def __init__(self, workflow: "Workflow", selection: "CellSelection"):
        self._workflow = workflow
        self._selection = selection
        self.column = BY_CELL
        self.colormap = COLORMAPS[0]
        self.limits = (0.0, 1.0)
        self._layer: Any = None
        self._applied: tuple[Any, ...] = ()
        selection.changed.connect(self.apply)
        workflow.viewer.dims.events.current_step.connect(self._on_step)

    def close(self) -> None:
        """Let go of the viewer; the colours stay as they are."""
        self._selection.changed.disconnect(self.apply)
        self._workflow.viewer.dims.events.current_step.disconnect(self._on_step)

    def choices(self) -> list[tuple[str, str]]:
        """Return the columns that cells can be coloured by: ``(name, title)``."""
        table = self._selection.table
        if table is None:
            return [(BY_CELL, "Cell")]
        return [(BY_CELL, "Cell"), *((n, title_of(n)) for n in plottable(table))]

    def choose(self, column: str) -> None:
        """Colour by this column, from its lower to its upper end."""
        self.column = column
        values = self._values()
        if values is not None:
            known = values[np.isfinite(values)]
            low, high = np.percentile(known, _PERCENTILES) if known.size else (0, 1)
            self.limits = (float(low), float(high if high > low else low + 1))
        self._refresh()

    def set_limits(self, low: float, high: float) -> None:
        """Set the values at the ends of the colormap."""
        self.limits = (min(low, high), max(low, high))
        self._refresh()

    def set_colormap(self, name: str) -> None:
        """Use another colormap, one of `COLORMAPS`."""
        self.colormap = name
        self._refresh()

    def gradient(self, n: int) -> NDArray[np.float64]:
        """Return ``(n, 4)`` colours of the legend, from low to high."""
        return self._map(np.linspace(0, 1, n))

    def apply(self) -> None:
        """Colour the cells of the frame that is shown."""
        layer, index = self._cells(), self._selection.index
        if layer is None:
            return
        if index is None:
            if layer is self._layer:
                # Edited cells are known by their labels alone.
                layer.colormap = bright_colors()
                self._layer = None
            return
        wanted = (
            index,
            self._workflow.current_frame(),
            self._selection.row,
            self.column,
            self.colormap,
            self.limits,
        )
        if layer is self._layer and wanted == self._applied:
            return
        self._applied = wanted
        n_labels = min(int(index.label.max(initial=0)), _MOST_LABELS)
        colors = self._colors(n_labels)
        if layer is self._layer and len(layer.colormap.colors) == len(colors):
            layer.colormap.colors = colors
            layer.events.colormap()
            return
        from napari.utils.colormaps import CyclicLabelColormap

        self._layer = layer
        layer.colormap = CyclicLabelColormap(colors=colors)

    def _refresh(self) -> None:
        self.apply()
        self.changed.emit()

    def _on_step(self) -> None:
        index = self._selection.index
        if index is not None and (self.column or index.is_linked):
            self.apply()

    def _colors(self, n_labels: int) -> NDArray[np.float32]:
        """Return ``(n_labels + 1, 4)``: the colour of each label, 0 transparent."""
        index, bright = self._selection.index, bright_colors()
        assert index is not None
        labels = np.arange(n_labels + 1)
        if self._values() is None:
            colors = bright.map(labels)
        else:
            colors = np.tile(np.array(_UNKNOWN), (n_labels + 1, 1))
        rows = index.rows_of_frame(self._workflow.current_frame())
        rows = rows[index.label[rows] <= n_labels]
        colors[index.label[rows]] = self._colors_of(rows, bright)
        selected = self._selection.key
        if selected is not None and selected[1] <= n_labels:
            colors[selected[1]] = _SELECTED
        colors[0] = 0
        return colors.astype(np.float32)

    def _colors_of(self, rows: NDArray[np.intp], bright: Any) -> Any:
        index, values = self._selection.index, self._values()
        assert index is not None
        if values is None:
            return bright.map(
                index.track[rows] if index.is_linked else index.label[rows]
            )
        low, high = self.limits
        share = (values[rows] - low) / max(high - low, np.finfo(float).tiny)
        colors = self._map(np.clip(np.nan_to_num(share), 0, 1))
        colors[~np.isfinite(share)] = _UNKNOWN
        return colors

    def _values(self) -> NDArray[np.float64] | None:
        """Return the column that is coloured by; `None` for colours by cell."""
        table = self._selection.table
        if table is None or self.column == BY_CELL or self.column not in table.columns:
            return None
        return np.asarray(table[self.column], dtype=np.float64)

    def _map(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        from napari.utils.colormaps import ensure_colormap

        return np.array(ensure_colormap(self.colormap).map(shares), dtype=np.float64)

    def _cells(self) -> Any:
        field = self._workflow.field
        if field is None:
            return None
        return present(self._workflow.viewer, field, Role.CELLS)
