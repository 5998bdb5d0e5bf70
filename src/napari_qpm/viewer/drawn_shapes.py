"""Lines and regions as they lie on one frame: their profile and totals, on any thread.

A `DrawnShapes` is a copy of what is drawn and of how it is measured, so that measuring
needs neither layers nor the thread that owns them.
"""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap, PhaseUnit
from napari_qpm.errors import MissingMetadataError, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.viewer.wording import mass_text, unit_symbol

if TYPE_CHECKING:
    import pandas as pd

    from napari_qpm.measurement import Profile, RegionTotal

__all__ = ["DrawnShapes", "MeasuredLine", "MeasuredShapes", "ProfileUnit"]

LINES = ("line", "path")
_ELLIPSE_CORNERS = 120


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


@dataclass(frozen=True, eq=False)
class MeasuredShapes:
    """What lines and regions of one frame hold.

    Parameters
    ----------
    frame
        Its number.
    unit
        Symbol of the unit of the phase.
    line
        Profile along the line that was drawn or moved last.
    regions
        Each region's number with its total, or why there is none.
    problem
        Why there is no profile, or not in the unit that was asked for.
    """

    frame: int
    unit: str = "rad"
    line: MeasuredLine | None = None
    regions: "tuple[tuple[int, RegionTotal | str], ...]" = ()
    problem: str = ""

    def sentences(self) -> list[str]:
        """Return one line a region for the user."""
        return [
            f"Region {number}: "
            + (total if isinstance(total, str) else _in_words(total, self.unit))
            for number, total in self.regions
        ]

    def region_table(self) -> "pd.DataFrame":
        """Return one row a region that could be measured."""
        import pandas as pd

        rows = [
            {"region": number, "frame": self.frame} | dataclasses.asdict(total)
            for number, total in self.regions
            if not isinstance(total, str)
        ]
        return pd.DataFrame(rows)

    def line_table(self) -> "pd.DataFrame | None":
        """Return distance, mean and spread of the profile."""
        import pandas as pd

        line = self.line
        if line is None:
            return None
        return pd.DataFrame(
            {line.x_title: line.x, line.y_title: line.mean, "Spread": line.spread}
        )


@dataclass(frozen=True, eq=False)
class DrawnShapes:
    """Shapes over one frame of a phase.

    Parameters
    ----------
    phase_map, frame
        What they lie on.
    line
        Ends ``(y, x)`` of the line to show a profile of [px].
    regions
        Kind and corners ``(n, 2)`` [px] of each region.
    labels
        ``(T, Y, X)`` or ``(Y, X)`` cells, which are no background.
    width_px, unit, is_levelled, parameters
        How to measure.
    """

    phase_map: PhaseMap
    frame: int
    line: tuple[tuple[float, float], tuple[float, float]] | None = None
    regions: tuple[tuple[str, NDArray[np.float64]], ...] = ()
    labels: Any = None
    width_px: int = 1
    unit: ProfileUnit = ProfileUnit.MAP
    is_levelled: bool = True
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)

    def measure(self, token: CancelToken | None = None) -> MeasuredShapes:
        """Return profile and totals.

        Raises
        ------
        JobCancelled
            `token` was cancelled.
        """
        line, problem = self._measured_line()
        return MeasuredShapes(
            self.frame,
            unit_symbol(self.phase_map.unit),
            line,
            tuple(self._totals(token or CancelToken())),
            problem,
        )

    def _measured_line(self) -> tuple[MeasuredLine | None, str]:
        from napari_qpm.measurement import line_profile

        if self.line is None:
            return None, ""
        phase = self.phase_map.read(self.frame)
        try:
            profile = line_profile(phase, self.line[0], self.line[1], self.width_px)
        except QPMError as error:
            return None, str(error)
        return self._in_units(profile)

    def _in_units(self, profile: "Profile") -> tuple[MeasuredLine, str]:
        assert self.line is not None
        phase_map, problem = self.phase_map, ""
        x, x_title = profile.distance_px, "Distance (px)"
        pixel = phase_map.pixel_size_um
        if pixel is not None:
            along = np.subtract(self.line[1], self.line[0]) * pixel
            x = x / x[-1] * float(np.hypot(*along))
            x_title = "Distance (µm)"
        factor, y_title = 1.0, f"Phase ({unit_symbol(phase_map.unit)})"
        if self.unit is ProfileUnit.OPD:
            try:
                factor = phase_map.opd_nm_per_unit()
                y_title = "Optical path difference (nm)"
            except MissingMetadataError as error:
                problem = f"{error}"
        if phase_map.unit is PhaseUnit.MASS_DENSITY and factor == 1.0:
            y_title = "Dry-mass density (pg/µm²)"
        mean, spread = profile.mean * factor, profile.spread * factor
        return MeasuredLine(x, mean, spread, x_title, y_title), problem

    def _totals(self, token: CancelToken) -> "list[tuple[int, RegionTotal | str]]":
        from napari_qpm.measurement import MeasurementParameters, region_total

        parameters = MeasurementParameters.parse(self.parameters)
        shape = self.phase_map.shape[1:]
        found: list[tuple[int, RegionTotal | str]] = []
        for number, (kind, corners) in enumerate(self.regions, start=1):
            token.raise_if_cancelled()
            try:
                total = region_total(
                    self.phase_map,
                    self.frame,
                    _mask_of(corners, kind, shape),
                    labels=self._cells(),
                    is_levelled=self.is_levelled,
                    parameters=parameters,
                )
            except QPMError as error:
                found.append((number, str(error)))
            else:
                found.append((number, total))
        return found

    def _cells(self) -> Any:
        """Return the frame's cells ``(Y, X)``, where they fit the phase."""
        cells = self.labels
        if cells is None or tuple(cells.shape[-2:]) != self.phase_map.shape[1:]:
            return None
        return np.asarray(cells[self.frame] if cells.ndim == 3 else cells)


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
