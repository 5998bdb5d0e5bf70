"""Lines and regions that the user draws on the phase: profiles and totals; no Qt.

One Shapes layer a field holds both: a line is a profile, any closed shape a region.
They stay in place over time and are measured in the frame that is shown.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_qpm.acquisition import PhaseMap, PhaseUnit
from napari_qpm.errors import MissingMetadataError, QPMError
from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role
from napari_qpm.viewer.layers import layer_name
from napari_qpm.viewer.results import cells_geometry, present
from napari_qpm.viewer.wording import mass_text, unit_symbol

if TYPE_CHECKING:
    import pandas as pd

    from napari_qpm.measurement import Profile, RegionTotal
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Drawings", "ProfileUnit", "Tool"]

EDGE_COLOR = "#ffb000"
FACE_COLOR = "#ffb00020"
EDGE_PX = 2
LINES = ("line", "path")
_ELLIPSE_CORNERS = 120
_COLUMNS = {
    "area_um2": "Area (µm²)",
    "n_pixels": "Pixels",
    "dry_mass_pg": "Dry mass (pg)",
    "opd_sum_um3": "Sum of OPD (µm³)",
    "phase_mean": "Mean",
}


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


class ProfileUnit(StrEnum):
    """Unit of the values of a profile."""

    MAP = "as retrieved"
    """The unit of the phase, radians as a rule."""
    OPD = "nm"
    """Optical path difference."""


@dataclass(frozen=True, eq=False)
class MeasuredLine:
    """A profile in the units that are shown.

    Parameters
    ----------
    x, mean, spread
        ``(n,)`` distance, mean over the width and its standard deviation.
    x_title, y_title
        With units.
    """

    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    x_title: str
    y_title: str


class Drawings:
    """Profile and totals of what is drawn over the selected recording.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    changed = Signal()
    """Something was drawn, moved or removed, or the frame changed."""

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow
        self.width_px = 1
        self.unit = ProfileUnit.MAP
        self.is_levelled = True
        self.problem = ""
        self._layer: Any = None
        self._newest = -1
        workflow.changed.connect(self._on_workflow)
        workflow.viewer.dims.events.current_step.connect(self._on_step)
        self._on_workflow()

    def close(self) -> None:
        """Let go of viewer and view-model; what was drawn stays."""
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

    def line(self) -> MeasuredLine | None:
        """Return the profile along the line that was drawn or moved last."""
        place, phase_map = self._line_place(), self._phase_map()
        if place is None or phase_map is None:
            return None
        from napari_qpm.measurement import line_profile

        self.problem = ""
        phase = phase_map.read(self._workflow.current_frame())
        try:
            profile = line_profile(phase, place[0], place[1], self.width_px)
            return self._in_units(profile, phase_map, place)
        except QPMError as error:
            self.problem = str(error)
            return None

    def regions(self) -> list[tuple[int, "RegionTotal | str"]]:
        """Return each region's number with its total, or why there is none."""
        phase_map, layer = self._phase_map(), self._layer
        if phase_map is None or layer is None:
            return []
        from napari_qpm.measurement import MeasurementParameters, region_total

        t = self._workflow.current_frame()
        values = self._workflow.pipeline().measure or {}
        parameters = MeasurementParameters.parse(values)
        found: list[tuple[int, RegionTotal | str]] = []
        for number, place in enumerate(self._region_places(), start=1):
            corners = np.asarray(layer.data[place], dtype=float)
            kind = str(layer.shape_type[place])
            try:
                total = region_total(
                    phase_map,
                    t,
                    _mask_of(corners, kind, phase_map.shape[1:]),
                    labels=self._labels(t, phase_map.shape[1:]),
                    is_levelled=self.is_levelled,
                    parameters=parameters,
                )
            except QPMError as error:
                found.append((number, str(error)))
            else:
                found.append((number, total))
        return found

    @property
    def has_regions(self) -> bool:
        """Whether any region is drawn."""
        return bool(self._region_places())

    def sentences(self) -> list[str]:
        """Return one line a region for the user."""
        phase_map = self._phase_map()
        unit = "rad" if phase_map is None else unit_symbol(phase_map.unit)
        return [
            f"Region {number}: "
            + (total if isinstance(total, str) else _in_words(total, unit))
            for number, total in self.regions()
        ]

    def region_table(self) -> "pd.DataFrame":
        """Return one row a region that could be measured."""
        import dataclasses

        import pandas as pd

        rows = [
            {"region": number, "frame": self._workflow.current_frame()}
            | dataclasses.asdict(total)
            for number, total in self.regions()
            if not isinstance(total, str)
        ]
        return pd.DataFrame(rows)

    def line_table(self) -> "pd.DataFrame | None":
        """Return distance, mean and spread of the profile."""
        import pandas as pd

        line = self.line()
        if line is None:
            return None
        return pd.DataFrame(
            {line.x_title: line.x, line.y_title: line.mean, "Spread": line.spread}
        )

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

        placed = {key: value[-2:] for key, value in cells_geometry(field).items()}
        layer = Shapes(
            ndim=2,
            name=layer_name(field, Role.DRAWINGS),
            edge_color=EDGE_COLOR,
            face_color=FACE_COLOR,
            edge_width=EDGE_PX,
            metadata={METADATA_KEY: field.record(Role.DRAWINGS)},
            **placed,
        )
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

    def _labels(self, t: int, shape: tuple[int, ...]) -> Any:
        field = self._workflow.field
        cells = None if field is None else field.layer(Role.CELLS)
        if cells is None or tuple(cells.data.shape[-2:]) != tuple(shape):
            return None
        return np.asarray(cells.data[t] if cells.data.ndim == 3 else cells.data)

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

    def _in_units(
        self, profile: "Profile", phase_map: PhaseMap, place: Any
    ) -> MeasuredLine:
        x, x_title = profile.distance_px, "Distance (px)"
        pixel = phase_map.pixel_size_um
        if pixel is not None:
            along = np.subtract(place[1], place[0]) * pixel
            x = x / x[-1] * float(np.hypot(*along))
            x_title = "Distance (µm)"
        factor, y_title = 1.0, f"Phase ({unit_symbol(phase_map.unit)})"
        if self.unit is ProfileUnit.OPD:
            try:
                factor = phase_map.opd_nm_per_unit()
                y_title = "Optical path difference (nm)"
            except MissingMetadataError as error:
                self.problem = f"{error}"
        if phase_map.unit is PhaseUnit.MASS_DENSITY and factor == 1.0:
            y_title = "Dry-mass density (pg/µm²)"
        return MeasuredLine(
            x, profile.mean * factor, profile.spread * factor, x_title, y_title
        )


def _mask_of(
    corners: NDArray[np.float64], kind: str, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return the pixels ``(Y, X)`` of a closed shape, also where it leaves the frame.

    napari's own masks cost the whole frame for every shape.
    """
    from skimage.draw import polygon

    if kind == "ellipse":
        middle = corners.mean(axis=0)
        first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
        angle = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)[:, None]
        corners = middle + np.cos(angle) * first + np.sin(angle) * second
    mask = np.zeros(shape, bool)
    mask[polygon(corners[:, -2], corners[:, -1], shape)] = True
    return mask


def _in_words(total: "RegionTotal", unit: str) -> str:
    parts = []
    if total.dry_mass_pg is not None:
        sd = float("nan") if total.dry_mass_sd_pg is None else total.dry_mass_sd_pg
        parts.append(f"{mass_text(total.dry_mass_pg, sd)} pg")
    if total.opd_sum_um3 is not None:
        parts.append(f"sum of OPD {total.opd_sum_um3:.4g} µm³")
    if total.area_um2 is not None:
        parts.append(f"{total.area_um2:.4g} µm²")
    else:
        parts.append(f"{total.n_pixels} px")
    parts.append(f"mean {total.phase_mean:.3g} {unit}")
    if total.background:
        parts.append(f"background {total.background:.3f} {unit} subtracted")
    return ", ".join(parts)
