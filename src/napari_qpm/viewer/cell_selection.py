"""The cell that canvas, table and plots all point at; free of Qt.

A click on a cell, a row or a point selects it. A linked cell is followed: when the time
slider moves, the selection goes to the same track in the new frame.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_qpm.viewer.cell_index import CellIndex
from napari_qpm.viewer.fields import Role, unwrap
from napari_qpm.viewer.results import present

if TYPE_CHECKING:
    import pandas as pd

    from napari_qpm.viewer.workflow import Workflow

__all__ = ["CellSelection"]

LOOKING_MODES = ("pan_zoom", "pick")
"""Modes in which a click means no edit."""
CLICK_REACH_PX = 4
"""A press that moves farther than this pans the view."""


class CellSelection:
    """Selected cell of a workflow's table.

    Parameters
    ----------
    workflow
        The view-model of the dock; its table is pointed into.
    """

    changed = Signal()
    """Another cell is selected, or none, or the table is another one."""

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow
        self.table: pd.DataFrame | None = None
        self.index: CellIndex | None = None
        self.row: int | None = None
        self.track: int | None = None
        self._last: tuple[pd.DataFrame, int | None, int | None] | None = None
        viewer = workflow.viewer
        viewer.mouse_drag_callbacks.append(self._on_mouse)
        viewer.dims.events.current_step.connect(self._on_step)
        workflow.changed.connect(self._on_workflow)

    def close(self) -> None:
        """Let go of the viewer."""
        viewer = self._workflow.viewer
        if self._on_mouse in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._on_mouse)
        viewer.dims.events.current_step.disconnect(self._on_step)
        self._workflow.changed.disconnect(self._on_workflow)

    @property
    def key(self) -> tuple[int, int] | None:
        """Frame and label of the selected cell."""
        if self.row is None or self.index is None:
            return None
        return int(self.index.frame[self.row]), int(self.index.label[self.row])

    def select_row(self, row: int) -> None:
        """Select a row of the table and show its cell in the viewer."""
        if self.index is None or not 0 <= row < len(self.index.frame):
            return
        self._set(row)
        frame, label = int(self.index.frame[row]), int(self.index.label[row])
        self._workflow.show_cell(label, frame)
        self._bring_into_view()

    def select_track(self, track: int) -> None:
        """Select a track: where it is now, or where it begins."""
        if self.index is None:
            return
        here = self.index.row_of_track(track, self._workflow.current_frame())
        rows = self.index.rows_of_track(track)
        if here is not None:
            self.select_row(here)
        elif len(rows):
            self.select_row(int(rows[0]))

    def select_cell(self, frame: int, label: int) -> bool:
        """Select a cell if the table has it; return whether it has."""
        row = None if self.index is None else self.index.row(frame, label)
        if row is None:
            return False
        self.select_row(row)
        return True

    def clear(self) -> None:
        """Select nothing."""
        if self.row is not None or self.track is not None:
            self.row = self.track = None
            self.changed.emit()

    def _set(self, row: int | None) -> None:
        assert self.index is not None
        if row is not None:
            self.track = int(self.index.track[row]) if self.index.is_linked else None
        if row != self.row:
            self.row = row
            self.changed.emit()

    def _on_workflow(self) -> None:
        field = self._workflow.field
        table = None if field is None else field.table
        if table is self.table:
            return
        before = self.key
        if self.table is not None:
            self._last = (self.table, self.row, self.track)
        self.table, self.row, self.track = table, None, None
        self.index = None if table is None else CellIndex(table)
        if self._last is not None and table is self._last[0]:
            # Another layer was selected in between, perhaps for a moment only.
            self.row, self.track = self._last[1:]
        elif before is not None and self.index is not None:
            self.row = self.index.row(*before)
            if self.row is not None and self.index.is_linked:
                self.track = int(self.index.track[self.row])
        self.changed.emit()

    def _on_step(self) -> None:
        """Follow the selected track to the frame that is shown now."""
        if self.track is None or self.index is None:
            return
        row = self.index.row_of_track(self.track, self._workflow.current_frame())
        if row == self.row:
            return
        self._set(row)
        cells = self._cells()
        if row is not None and cells is not None:
            cells.selected_label = int(self.index.label[row])

    def _on_mouse(self, viewer: Any, event: Any) -> Iterator[None]:
        """Select the cell that was clicked; a drag moves the view as always."""
        start = np.array(event.pos, dtype=float)
        position = np.array(event.position, dtype=float)
        yield
        while event.type == "mouse_move":
            if np.hypot(*(np.array(event.pos, dtype=float) - start)) > CLICK_REACH_PX:
                return
            yield
        active = unwrap(viewer.layers.selection.active)
        if active is None or str(getattr(active, "mode", "")) in LOOKING_MODES:
            self.pick(position)

    def pick(self, position: Any) -> None:
        """Select the cell at a place in the world, if there is one."""
        cells = self._cells()
        if cells is None or self.index is None or not cells.visible:
            return
        label = cells.get_value(position, world=True)
        if label:
            self.select_cell(self._workflow.current_frame(), int(label))

    def _cells(self) -> Any:
        field = self._workflow.field
        if field is None:
            return None
        return present(self._workflow.viewer, field, Role.CELLS)

    def _bring_into_view(self) -> None:
        """Centre the view on the selected cell if it is outside of it."""
        cells, table = self._cells(), self.table
        if cells is None or table is None or self.row is None:
            return
        viewer = self._workflow.viewer
        if viewer.dims.ndisplay != 2:
            return
        place = table[["centroid_y_px", "centroid_x_px"]].iloc[self.row].to_numpy(float)
        scale, shift = np.array(cells.scale[-2:]), np.array(cells.translate[-2:])
        world = place * scale + shift
        camera = viewer.scene.camera
        half = np.array(viewer.canvas.size, dtype=float) / camera.zoom / 2
        if (np.abs(world - camera.center[-2:]) > half).any():
            camera.center = (*camera.center[:-2], *map(float, world))
