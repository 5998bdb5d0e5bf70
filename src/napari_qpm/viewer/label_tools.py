"""Correcting cells by clicks: merge, split, delete and new; free of Qt.

Every edit goes through `Labels.data_setitem`, so that Ctrl+Z takes it back, over frames
as within one, like strokes of the brush.
"""

import weakref
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress, Status
from napari_qpm.viewer.cell_index import CellIndex
from napari_qpm.viewer.cell_selection import CLICK_REACH_PX
from napari_qpm.viewer.fields import FieldOfView, Role, field_of, unwrap
from napari_qpm.viewer.filling_layers import shown_frame
from napari_qpm.viewer.label_edits import (
    Pixels,
    cut,
    joined,
    parted,
    pixels_of,
    unused_label,
)
from napari_qpm.viewer.label_strokes import highest_label
from napari_qpm.viewer.results import present
from napari_qpm.viewer.shortcuts import SHORTCUTS, Act
from napari_qpm.viewer.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from napari_qpm.viewer.workflow import Workflow

__all__ = ["LabelTools", "Tool"]

EVERYWHERE = "Shift"
"""Modifier that deletes a cell in all of its frames."""
STOP_KEY = SHORTCUTS[Act.STOP].key


class Tool(StrEnum):
    """What a click on a cell does."""

    MERGE = "merge"
    """The next cell takes the label of the first."""
    SPLIT = "split"
    """The cell parts in two: at its neck, or along a line that is dragged."""
    DELETE = "delete"
    """The cell goes, in this frame or in all."""


HINTS = {
    Tool.MERGE: "Click a cell, then those that belong to it.",
    Tool.SPLIT: "Click a cell to part it at its neck, or drag a line across it.",
    Tool.DELETE: "Click a cell to delete it here; with Shift, in all frames.",
}


class LabelTools:
    """Edit tools for the cells of a workflow's field.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    changed = Signal()
    """Another tool is chosen, or its hint is another one."""

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow
        self.tool: Tool | None = None
        self.hint = ""
        self._first: int | None = None
        self._taken: weakref.ref[Any] | None = None
        self._is_told = False
        self._highest: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._linked: tuple[Any, pd.DataFrame, CellIndex] | None = None
        workflow.viewer.mouse_drag_callbacks.append(self._on_mouse)
        workflow.changed.connect(self._on_workflow)
        workflow.finished.connect(self._on_finished)
        self._on_workflow()

    def close(self) -> None:
        """Let go of the viewer and its layers."""
        self.choose(None)
        callbacks = self._workflow.viewer.mouse_drag_callbacks
        if self._on_mouse in callbacks:
            callbacks.remove(self._on_mouse)
        self._workflow.changed.disconnect(self._on_workflow)
        self._workflow.finished.disconnect(self._on_finished)
        for layer in list(self._highest):
            layer.events.paint.disconnect(self._on_paint)
            layer.events.mode.disconnect(self._on_mode)
            for act in (*map(Act, Tool), Act.NEW):
                layer.bind_key(SHORTCUTS[act].key, None)
        self._highest.clear()

    # ------------------------------------------------------------ choosing

    def cells(self) -> Any:
        """Return the cells layer of the field, if it is there."""
        field = self._workflow.field
        if field is None:
            return None
        return present(self._workflow.viewer, field, Role.CELLS)

    def obstacle(self) -> str | None:
        """Return why cells cannot be edited now; `None` when they can."""
        cells = self.cells()
        if cells is None:
            return "Segment the cells first."
        if cells.ndim not in (2, 3):
            return "These cells have more axes than time, y and x."
        if not cells.editable:
            return "Wait until the cells of all frames are there."
        if self._workflow.viewer.dims.ndisplay != 2:
            return "Switch the viewer to 2D first."
        return None

    def choose(self, tool: Tool | None) -> None:
        """Let clicks on cells do this; `None` lets them select, as always."""
        if tool is not None and self.obstacle() is not None:
            return
        self._put_away()
        cells = self.cells()
        if cells is not None and tool is not None:
            self._workflow.viewer.layers.selection.active = cells
            self._take_over(cells, tool)
        self.tool = tool
        self._say("" if tool is None else HINTS[tool])

    def _take_over(self, cells: Any, tool: Tool) -> None:
        """Let the mouse on a cells layer serve our tool."""
        cells.visible = True
        cells.mode = "pan_zoom"
        cells.bind_key(STOP_KEY, lambda _: self.choose(None), overwrite=True)
        # A drag draws the cutting line; without it, a drag moves the view.
        cells.mouse_pan = tool is not Tool.SPLIT
        cells.cursor = "cross"
        self._taken = weakref.ref(cells)

    def _put_away(self) -> None:
        """Give the mouse back to napari."""
        cells = None if self._taken is None else self._taken()
        self.tool = self._first = self._taken = None
        if cells is None:
            return
        cells.bind_key(STOP_KEY, None)
        if str(cells.mode) == "pan_zoom":
            cells.mouse_pan, cells.cursor = True, "standard"

    def new_cell(self) -> None:
        """Select a label that no cell has, and the brush."""
        cells = self.cells()
        if cells is None or self.obstacle() is not None:
            return
        try:
            label = self._new_label(cells, self._frame_number(cells))
        except QPMError as error:
            self._workflow.fail(error)
            return
        self.choose(None)
        self._workflow.viewer.layers.selection.active = cells
        cells.visible = True
        cells.selected_label = label
        cells.mode = "paint"
        self._say(f"Paint cell {label}. Ctrl+Z takes strokes back.")

    # ------------------------------------------------------------ edits

    def merge(self, keep: int, other: int, t: int) -> None:
        """Give cell `other` the label `keep` in frame `t`."""
        cells = self.cells()
        frame = _frame(cells, t)
        _write(cells, t, joined(frame, keep, other), keep)
        self._say(f"Cell {other} is now part of cell {keep}.")

    def split(self, label: int, t: int) -> None:
        """Part a cell of frame `t` in two; the smaller part gets a new label."""
        cells = self.cells()
        pixels = parted(_frame(cells, t), label, self._phase(cells, t))
        self._part(cells, t, label, pixels)

    def split_along(
        self, start: tuple[float, float], end: tuple[float, float], t: int
    ) -> None:
        """Cut the cell that a line ``(y, x)`` [px] crosses most."""
        cells = self.cells()
        label, pixels = cut(_frame(cells, t), start, end)
        if label:
            self._part(cells, t, label, pixels)
        else:
            self._say("The line crosses no cell.")

    def delete(self, label: int, t: int) -> None:
        """Delete a cell in frame `t`."""
        cells = self.cells()
        _write(cells, t, pixels_of(_frame(cells, t) == label), 0)
        self._say(f"Cell {label} is deleted in this frame.")

    def delete_everywhere(self, label: int, t: int) -> None:
        """Delete a cell of frame `t` in all frames that it was followed through."""
        cells = self.cells()
        if cells.ndim == 2 or cells.data.shape[0] == 1:
            self.delete(label, t)
            return
        places = self._followed(cells, label, t)
        if places is None:
            self._workflow.fail(
                QPMError(
                    f"Cell {label} has not been followed over time yet. Measure the "
                    "cells of all frames first, then Shift+click it."
                )
            )
            return
        self._workflow.start(_deleting(cells, label, places))

    def _part(self, cells: Any, t: int, label: int, pixels: Pixels) -> None:
        if pixels[0].size == 0:
            self._say(f"Cell {label} cannot be split there.")
            return
        try:
            new = self._new_label(cells, t)
        except QPMError as error:
            self._workflow.fail(error)
            return
        _write(cells, t, pixels, new)
        self._say(f"Cell {label} is split: its smaller part is cell {new}.")

    def _new_label(self, cells: Any, t: int) -> int:
        field = field_of(cells)
        known = [] if field is None else [max(x, default=0) for x in _labels_of(field)]
        highest = max([self._highest.get(cells, 0), *known])
        label = unused_label(_frame(cells, t), highest)
        if label is None:
            raise QPMError(
                f"Layer {cells.name!r} has no free label left: its type "
                f"{cells.data.dtype} ends at {np.iinfo(cells.data.dtype).max}. "
                "Convert it to int32 in the layer list's menu first."
            )
        self._highest[cells] = max(highest, label)
        return label

    def _phase(self, cells: Any, t: int) -> Any:
        """Return the phase ``(Y, X)`` under the cells, if it is on their grid."""
        field = field_of(cells)
        phase_map = None if field is None else field.phase_map
        if phase_map is None or phase_map.shape[1:] != tuple(cells.data.shape[-2:]):
            return None
        return phase_map.read(min(t, phase_map.n_frames - 1))

    def _followed(self, cells: Any, label: int, t: int) -> list[tuple[int, int]] | None:
        """Return frames and labels of the track that a cell belongs to."""
        if self._linked is None or self._linked[0]() is not cells:
            return None
        index = self._linked[2]
        row = index.row(t, label)
        if row is None:
            return None
        rows = index.rows_of_track(int(index.track[row]))
        return [(int(index.frame[k]), int(index.label[k])) for k in rows]

    # ------------------------------------------------------------ events

    def _on_mouse(self, viewer: Any, event: Any) -> Iterator[None]:
        """Edit the cell that was clicked, or cut by the line that was dragged."""
        if self.tool is None or getattr(event, "button", 1) != 1:
            return
        begin = np.array(event.pos, dtype=float)
        start = np.array(event.position, dtype=float)
        is_everywhere = EVERYWHERE in [str(key) for key in event.modifiers]
        is_drag = False
        yield
        while event.type == "mouse_move":
            way = np.hypot(*(np.array(event.pos, dtype=float) - begin))
            is_drag = is_drag or way > CLICK_REACH_PX
            yield
        end = np.array(event.position, dtype=float)
        if self.tool is None or self.obstacle() is not None:
            return
        if not is_drag:
            self._click(start, is_everywhere)
        elif self.tool is Tool.SPLIT:
            cells = self.cells()
            first, last = (_pixel(cells, place) for place in (start, end))
            self.split_along(first, last, self._frame_number(cells))

    def _click(self, position: Any, is_everywhere: bool) -> None:
        cells = self.cells()
        t = self._frame_number(cells)
        value = cells.get_value(position, world=True)
        label = int(value) if value else 0
        if self.tool is Tool.MERGE:
            self._click_to_merge(cells, label, t)
        elif not label:
            self._say(f"There is no cell. {HINTS[self.tool] if self.tool else ''}")
        elif self.tool is Tool.SPLIT:
            self.split(label, t)
        elif is_everywhere:
            self.delete_everywhere(label, t)
        else:
            self.delete(label, t)

    def _click_to_merge(self, cells: Any, label: int, t: int) -> None:
        if not label:
            self._first = None
            self._say(HINTS[Tool.MERGE])
        elif self._first is None or self._first == label:
            self._first = cells.selected_label = label
            self._say(
                f"Click the cells that belong to cell {label}; click beside the cells "
                "to start with another one."
            )
        else:
            self.merge(self._first, label, t)

    def _on_workflow(self) -> None:
        cells = self.cells()
        if cells is not None and cells not in self._highest:
            self._watch(cells)
        self._remember_tracks(cells)
        field = self._workflow.field
        self._is_told = field is not None and field.is_corrected and field.table is None
        active = unwrap(self._workflow.viewer.layers.selection.active)
        if self.tool is not None and (cells is None or active is not cells):
            self.choose(None)
        elif cells is None and self.hint:
            self._say("")

    def _watch(self, cells: Any) -> None:
        self._highest[cells] = 0
        cells.events.paint.connect(self._on_paint)
        cells.events.mode.connect(self._on_mode)
        for tool in Tool:
            key = SHORTCUTS[Act(tool)].key
            cells.bind_key(key, _chooser(self, tool), overwrite=True)
        key = SHORTCUTS[Act.NEW].key
        cells.bind_key(key, lambda _: self.new_cell(), overwrite=True)

    def _remember_tracks(self, cells: Any) -> None:
        """Keep which cells belong together; an edit makes the table itself outdated."""
        field = self._workflow.field
        table = None if field is None else field.table
        if cells is None or table is None or "track_id" not in table.columns:
            return
        if self._linked is None or self._linked[1] is not table:
            self._linked = (weakref.ref(cells), table, CellIndex(table))

    def _on_finished(self, title: str, status: Status) -> None:
        if title.startswith(("Segment", "Import")):
            # Labels of frames that were outlined anew mean other cells.
            self._linked = None

    def _on_paint(self, event: Any) -> None:
        cells = event.source
        field = field_of(cells)
        highest = max(self._highest.get(cells, 0), highest_label(event.value))
        self._highest[cells] = highest
        if field is None or field.role_of(cells) is not Role.CELLS:
            return
        field.mark_corrected()
        if not self._is_told and self._workflow.job is None:
            self._workflow.changed.emit()

    def _on_mode(self, event: Any) -> None:
        """Put our tool away when one of napari's is chosen."""
        if self.tool is not None and str(event.source.mode) != "pan_zoom":
            self.choose(None)

    def _frame_number(self, cells: Any) -> int:
        if cells.ndim < 3:
            return 0
        t = shown_frame(self._workflow.viewer, cells)
        return min(max(t, 0), int(cells.data.shape[0]) - 1)

    def _say(self, hint: str) -> None:
        self.hint = hint
        self.changed.emit()


def _chooser(tools: LabelTools, tool: Tool) -> Callable[[Any], None]:
    """Return what a key does that chooses a tool, or puts it away.

    A function, as napari asks for its name whenever a key is pressed.
    """

    def choose(layer: Any) -> None:
        tools.choose(None if tools.tool is tool else tool)

    return choose


def _labels_of(field: FieldOfView) -> list[Any]:
    """Return the labels of every frame as they were segmented."""
    return list(field.outlines.values())


def _frame(cells: Any, t: int) -> Any:
    return np.asarray(cells.data if cells.ndim == 2 else cells.data[t])


def _pixel(cells: Any, position: Any) -> tuple[float, float]:
    place = cells.world_to_data(position)
    return float(place[-2]), float(place[-1])


def _write(cells: Any, t: int, pixels: Pixels, label: int) -> None:
    """Write a label undoably into pixels of a frame."""
    where = pixels if cells.ndim == 2 else (np.full_like(pixels[0], t), *pixels)
    if pixels[0].size:
        cells.data_setitem(where, label)


def _deleting(cells: Any, label: int, places: list[tuple[int, int]]) -> Task:
    """Return the task that deletes a cell in many frames, as one step to undo."""
    data = cells.data

    def work(token: CancelToken, report: ReportProgress) -> Any:
        found: list[tuple[Any, Any, Any]] = []
        for n, (t, one) in enumerate(places):
            token.raise_if_cancelled()
            rows, columns = np.nonzero(np.asarray(data[t]) == one)
            found.append((np.full_like(rows, t), rows, columns))
            report(Progress(n + 1, len(places), "frames", "Deleting cell"))
        return tuple(np.concatenate(axis) for axis in zip(*found, strict=True))

    def commit(where: Any) -> str:
        if cells.data is data and where[0].size:
            cells.data_setitem(where, 0)
        return (
            f"Cell {label} is deleted in {len(places)} frames; Ctrl+Z brings it back."
        )

    return Task("Delete cell in all frames", work, commit)
