"""Lines and regions that the user draws on the phase: profiles and totals; no Qt.

One Shapes layer a field holds both: a line is a profile, any closed shape a region.
They stay in place over time and are measured in the frame that is shown.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_qpm.acquisition import PhaseMap
from napari_qpm.jobs import CancelToken
from napari_qpm.viewer.drawn_shapes import (
    LINES,
    DrawnShapes,
    MeasuredShapes,
    ProfileUnit,
)
from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role
from napari_qpm.viewer.layers import layer_name
from napari_qpm.viewer.newest import NewestFirst
from napari_qpm.viewer.results import cells_geometry, present

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Drawings", "Tool"]

EDGE_COLOR = "#ffb000"
FACE_COLOR = "#ffb00020"
EDGE_PX = 2
FRAME_PX_PER_EDGE_PX = 200
"""Small frames are shown large: a line of 2 px would hide what is under it."""
SETTLE_S = 0.03
"""A shape that is dragged is measured when it rests."""


class Tool(StrEnum):
    """What can be drawn; the values are modes of napari's Shapes layer."""

    LINE = "add_line"
    """A profile."""
    RECTANGLE = "add_rectangle"
    """A region with straight sides."""
    POLYGON = "add_polygon"
    """A region, corner by corner."""
    SELECT = "select"
    """Move and delete what was drawn."""


class Drawings:
    """Profile and totals of what is drawn over the selected recording.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    changed = Signal()
    """Something was drawn, moved or removed, or the frame changed."""
    measured = Signal()
    """`found` tells of what is drawn now."""

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow
        self.width_px = 1
        self.unit = ProfileUnit.MAP
        self.is_levelled = True
        self.found: MeasuredShapes | None = None
        self._asked: DrawnShapes | None = None
        self._is_closed = False
        self._worker = NewestFirst(self._work, SETTLE_S, "qpm drawings")
        self._layer: Any = None
        self._newest = -1
        workflow.changed.connect(self._on_workflow)
        workflow.viewer.dims.events.current_step.connect(self._on_step)
        self._on_workflow()

    def close(self) -> None:
        """Let go of viewer and view-model; what was drawn stays."""
        self._is_closed = True
        self._worker.close()
        self._workflow.changed.disconnect(self._on_workflow)
        self._workflow.viewer.dims.events.current_step.disconnect(self._on_step)
        self._follow(None)

    @property
    def is_ready(self) -> bool:
        """Whether there is a phase to draw on."""
        field = self._workflow.field
        return (
            field is not None
            and field.phase_map is not None
            and present(self._workflow.viewer, field, Role.PHASE) is not None
        )

    def start(self, tool: Tool) -> None:
        """Let the user draw; the layer is made when it is not there."""
        field = self._workflow.field
        if field is None or not self.is_ready:
            return
        viewer = self._workflow.viewer
        layer = present(viewer, field, Role.DRAWINGS)
        if layer is None:
            layer = self._add(field)
        self._follow(layer)
        viewer.layers.selection.active = layer
        layer.mode = tool.value

    def set_options(
        self,
        *,
        width_px: int | None = None,
        unit: ProfileUnit | None = None,
        is_levelled: bool | None = None,
    ) -> None:
        """Change how lines and regions are measured; what is not given stays."""
        self.width_px = self.width_px if width_px is None else width_px
        self.unit = self.unit if unit is None else unit
        self.is_levelled = self.is_levelled if is_levelled is None else is_levelled
        self.changed.emit()

    def shapes(self) -> DrawnShapes | None:
        """Return what is drawn and how it is measured; `None` without a phase."""
        field, phase_map = self._workflow.field, self._phase_map()
        if field is None or phase_map is None:
            return None
        layer, cells = self._layer, field.layer(Role.CELLS)
        regions = [
            (str(layer.shape_type[place]), np.array(layer.data[place], dtype=float))
            for place in self._region_places()
        ]
        return DrawnShapes(
            phase_map,
            self._workflow.current_frame(),
            line=self._line_place(),
            regions=tuple(regions),
            labels=None if cells is None else cells.data,
            width_px=self.width_px,
            unit=self.unit,
            is_levelled=self.is_levelled,
            parameters=dict(self._workflow.pipeline().measure or {}),
        )

    def measure(self) -> None:
        """Measure what is drawn now, on a thread of its own; `measured` tells."""
        shapes = self.shapes()
        if shapes is None or (shapes.line is None and not shapes.regions):
            self._worker.forget()
            self._show(None, None)
        else:
            self._asked = shapes
            self._worker.ask(shapes)

    @property
    def is_measuring(self) -> bool:
        """Whether `found` is not what is drawn now."""
        return self._asked is not None

    def _work(self, shapes: DrawnShapes, token: CancelToken) -> None:
        found = shapes.measure(token)
        self._workflow.post(lambda: self._show(shapes, found))

    def _show(self, shapes: DrawnShapes | None, found: MeasuredShapes | None) -> None:
        if self._is_closed or (shapes is not None and shapes is not self._asked):
            return
        self._asked, self.found = None, found
        self.measured.emit()

    def record(self) -> dict[str, Any]:
        """Return in plain values what was drawn: corners in pixels of the phase."""
        layer = self._layer
        shapes = [] if layer is None else zip(layer.shape_type, layer.data, strict=True)
        return {
            "frame": self._workflow.current_frame(),
            "width_px": self.width_px,
            "background_subtracted": self.is_levelled,
            "shapes": [
                {"kind": str(kind), "corners_yx_px": np.asarray(corners).tolist()}
                for kind, corners in shapes
            ],
        }

    # ------------------------------------------------------------ layer

    def _add(self, field: FieldOfView) -> Any:
        from napari.layers import Shapes

        assert field.phase_map is not None
        width = min(field.phase_map.shape[1:]) / FRAME_PX_PER_EDGE_PX
        placed = {key: value[-2:] for key, value in cells_geometry(field).items()}
        layer = Shapes(
            ndim=2,
            name=layer_name(field, Role.DRAWINGS),
            edge_color=EDGE_COLOR,
            face_color=FACE_COLOR,
            metadata={METADATA_KEY: field.record(Role.DRAWINGS)},
            **placed,
        )
        layer.current_edge_width = min(EDGE_PX, width)
        field.attach(Role.DRAWINGS, layer)
        self._workflow.viewer.add_layer(layer)
        return layer

    def _follow(self, layer: Any) -> None:
        """Listen to this layer instead of another."""
        if layer is self._layer:
            return
        if self._layer is not None:
            self._layer.events.data.disconnect(self._on_data)
        self._layer, self._newest = layer, -1
        if layer is not None:
            layer.events.data.connect(self._on_data)

    def _on_data(self, event: Any) -> None:
        numbers = [int(k) for k in getattr(event, "data_indices", ())]
        action = str(getattr(event, "action", ""))
        if action in ("added", "changed") and numbers:
            self._newest = numbers[-1] % max(1, len(self._layer.data))
        if action in ("added", "changed", "removed"):
            self.changed.emit()

    def _on_workflow(self) -> None:
        field = self._workflow.field
        layer = None
        if field is not None:
            layer = present(self._workflow.viewer, field, Role.DRAWINGS)
        self._follow(layer)
        self.changed.emit()

    def _on_step(self) -> None:
        if self._layer is not None and len(self._layer.data):
            self.changed.emit()

    def _phase_map(self) -> PhaseMap | None:
        field = self._workflow.field
        return field.phase_map if field is not None and self.is_ready else None

    def _region_places(self) -> list[int]:
        kinds = [] if self._layer is None else self._layer.shape_type
        return [k for k, kind in enumerate(kinds) if str(kind) not in LINES]

    def _line_place(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        if self._layer is None:
            return None
        kinds = [str(kind) for kind in self._layer.shape_type]
        numbers = [k for k, kind in enumerate(kinds) if kind in LINES]
        if not numbers:
            return None
        number = self._newest if self._newest in numbers else numbers[-1]
        corners = np.asarray(self._layer.data[number], dtype=float)
        return tuple(corners[0][-2:]), tuple(corners[-1][-2:])
