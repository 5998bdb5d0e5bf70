"""Painting where there is no cell, in frames that are not done; Qt-free.

What is painted is a layer of its own beside the cells, so that nothing that reads cells
ever meets it: measuring, tracks, colours and exports.
"""

import weakref
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_qpm.viewer.fields import Role, unwrap
from napari_qpm.viewer.label_tools import LabelTools
from napari_qpm.viewer.results import present, show_no_cells
from napari_qpm.viewer.shortcuts import SHORTCUTS, Act

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["NoCellBrush"]

FRAME_PX_PER_BRUSH_PX = 20
LEAST_BRUSH_PX = 10
HINT = "Paint where there is no cell. Cells that you drew or corrected stay cells."


class NoCellBrush:
    """The brush that paints where there is no cell.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    tools
        What edits the cells; its tool is put away.
    """

    changed = Signal()
    """The brush was taken or put away."""

    def __init__(self, workflow: "Workflow", tools: LabelTools):
        self._workflow, self._tools = workflow, tools
        self._bound: weakref.WeakSet[Any] = weakref.WeakSet()
        workflow.changed.connect(self._tell)

    def close(self) -> None:
        """Let go of the viewer and its layers."""
        self._workflow.changed.disconnect(self._tell)
        for layer in self._bound:
            layer.bind_key(SHORTCUTS[Act.STOP].key, None)
        self._bound.clear()

    @property
    def is_chosen(self) -> bool:
        """Whether strokes go to where there is no cell."""
        layer = self._layer()
        active = unwrap(self._workflow.viewer.layers.selection.active)
        return layer is not None and active is layer

    @property
    def hint(self) -> str:
        """What to do with it; empty while it is put away."""
        return HINT if self.is_chosen else ""

    def obstacle(self) -> str | None:
        """Return why nothing can be painted now; `None` when it can."""
        return self._tools.obstacle()

    def toggle(self) -> None:
        """Take the brush, or go back to the cells."""
        if self.is_chosen:
            self._put_away()
        elif self.obstacle() is None:
            self._take()

    def _take(self) -> None:
        workflow = self._workflow
        field, cells = workflow.field, self._tools.cells()
        assert field is not None
        self._tools.choose(None)
        shape = (1, *cells.data.shape)[-3:]
        layer = unwrap(show_no_cells(workflow.viewer, field, shape))
        if layer not in self._bound:
            side = min(shape[1:])
            layer.brush_size = max(side // FRAME_PX_PER_BRUSH_PX, LEAST_BRUSH_PX)
            layer.bind_key(SHORTCUTS[Act.STOP].key, lambda _: self._put_away())
            self._bound.add(layer)
        workflow.viewer.layers.selection.active = layer
        layer.visible, layer.selected_label = True, 1
        layer.mode = "paint"

    def _put_away(self) -> None:
        layer, cells = self._layer(), self._tools.cells()
        if layer is not None:
            layer.mode = "pan_zoom"
        if cells is not None:
            self._workflow.viewer.layers.selection.active = cells

    def _layer(self) -> Any:
        field = self._workflow.field
        if field is None:
            return None
        return present(self._workflow.viewer, field, Role.NO_CELLS)

    def _tell(self) -> None:
        self.changed.emit()
