"""From values of a phase map to nm, um and pg, and what is unknown on the way.

A column that needs an unknown calibration value is absent, never filled with a guess;
`missing_columns` says what to give.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_qpm.acquisition import PhaseMap, PhaseUnit
from napari_qpm.errors import MissingMetadataError, ParameterError
from napari_qpm.measurement.columns import COLUMNS, Need
from napari_qpm.measurement.focus import focus_needs
from napari_qpm.measurement.parameters import MeasurementParameters, TextureSet

__all__ = ["Calibration", "missing_columns"]

_OPTIONAL = frozenset(
    {Need.VOLUME, Need.GRADIENT, Need.GLCM, Need.FOCUS, Need.CELL_FOCUS}
)
_OPD_IN_MASS_UNIT = (
    "The recording holds dry-mass density, which has no optical path difference "
    "without the refractive increment it was made with."
)


@dataclass(frozen=True)
class Calibration:
    """Factors from values of a phase map to physical quantities; `None` is unknown.

    Parameters
    ----------
    pixel_um
        ``(y, x)`` size of a pixel.
    opd_nm
        Optical path difference of one unit of the map.
    radians
        Phase of one unit of the map.
    mass_pg
        Dry mass of one unit of the map in one pixel.
    n_medium
        Refractive index of the medium.
    reasons
        Why a need is not met, in words for the user.
    wanted
        Optional needs that were asked for, here or when the phase was retrieved.
    """

    pixel_um: tuple[float, float] | None
    opd_nm: float | None
    radians: float | None
    mass_pg: float | None
    n_medium: float | None
    reasons: Mapping[Need, str] = field(default_factory=dict)
    wanted: frozenset[Need] = frozenset()

    @classmethod
    def of(
        cls, phase_map: PhaseMap, parameters: MeasurementParameters
    ) -> "Calibration":
        """Return the factors of a phase map.

        Raises
        ------
        MissingMetadataError
            `require_mass` is set and a value that dry mass needs is unknown.
        ParameterError
            The index of the cells does not exceed that of the medium.
        """
        reasons: dict[Need, str] = {}
        pixel = phase_map.pixel_size_um
        area = None if pixel is None else pixel[0] * pixel[1]
        if pixel is None:
            reasons[Need.PIXEL] = _lacking("pixel_size_um", "A length", phase_map)
        opd_nm = _opd_factor(phase_map, reasons)
        radians = _radian_factor(phase_map, reasons)
        mass_pg = _mass_factor(phase_map, parameters, area, reasons)
        n_medium = _medium_index(phase_map, parameters, reasons)
        instrument = phase_map.acquisition.instrument
        if instrument.frame_interval_s is None:
            reasons[Need.TIME] = _lacking("frame_interval_s", "A time", phase_map)
        if phase_map.acquisition.saturation_level is None:
            reasons[Need.SATURATION] = (
                "Which raw value is saturated is not known: the recording holds phase, "
                "or does not state its bit depth (give bit_depth=… when opening)."
            )
        both = reasons.get(Need.PIXEL) or reasons.get(Need.PATH)
        if both:
            for need in (Need.PIXEL_AND_PATH, Need.GRADIENT, Need.VOLUME):
                reasons[need] = both
        wanted = _wanted(parameters) | focus_needs(phase_map)
        return cls(pixel, opd_nm, radians, mass_pg, n_medium, reasons, wanted)

    def has(self, need: Need) -> bool:
        """Return whether columns with this need are in the table."""
        return need not in self.reasons and not self.is_unasked(need)

    def is_unasked(self, need: Need) -> bool:
        """Return whether columns with this need are optional and not asked for."""
        return need in _OPTIONAL and need not in self.wanted

    @property
    def missing(self) -> dict[str, str]:
        """Columns that are absent for want of a value: ``{column: reason}``."""
        return {
            column: self.reasons[need]
            for column, (_, need) in COLUMNS.items()
            if need in self.reasons and not self.is_unasked(need)
        }

    @property
    def columns(self) -> list[str]:
        """Columns of the table, in order."""
        return [column for column, (_, need) in COLUMNS.items() if self.has(need)]


def missing_columns(
    phase_map: PhaseMap, parameters: MeasurementParameters | None = None
) -> dict[str, str]:
    """Return the columns that cannot be computed, and why: ``{column: reason}``."""
    chosen = (parameters or MeasurementParameters()).model_copy(
        update={"require_mass": False}
    )
    return Calibration.of(phase_map, chosen).missing


def _lacking(name: str, needed_for: str, phase_map: PhaseMap) -> str:
    where = repr(phase_map.acquisition.name)
    return str(MissingMetadataError(name, needed_for, where))


def _wanted(parameters: MeasurementParameters) -> frozenset[Need]:
    wanted = set()
    if parameters.n_cell is not None:
        wanted.add(Need.VOLUME)
    if parameters.texture in (TextureSet.GRADIENT, TextureSet.ALL):
        wanted.add(Need.GRADIENT)
    if parameters.texture in (TextureSet.GLCM, TextureSet.ALL):
        wanted.add(Need.GLCM)
    return frozenset(wanted)


def _opd_factor(phase_map: PhaseMap, reasons: dict[Need, str]) -> float | None:
    if phase_map.unit is PhaseUnit.MASS_DENSITY:
        reasons[Need.PATH] = _OPD_IN_MASS_UNIT
        return None
    try:
        return phase_map.opd_nm_per_unit()
    except MissingMetadataError as error:
        reasons[Need.PATH] = str(error)
        return None


def _radian_factor(phase_map: PhaseMap, reasons: dict[Need, str]) -> float | None:
    match phase_map.unit:
        case PhaseUnit.RADIANS:
            return 1.0
        case PhaseUnit.WAVES:
            return 2 * math.pi
        case PhaseUnit.MASS_DENSITY:
            reasons[Need.RADIANS] = _OPD_IN_MASS_UNIT
            return None
    try:
        opd_nm = phase_map.opd_nm_per_unit("A check of the unwrapping")
        instrument = phase_map.acquisition.instrument
        wavelength = instrument.require(
            "wavelength_nm",
            "A check of the unwrapping",
            repr(phase_map.acquisition.name),
        )
    except MissingMetadataError as error:
        reasons[Need.RADIANS] = str(error)
        return None
    return 2 * math.pi * opd_nm / float(wavelength)


def _mass_factor(
    phase_map: PhaseMap,
    parameters: MeasurementParameters,
    area_um2: float | None,
    reasons: dict[Need, str],
) -> float | None:
    """Return pg per unit and pixel: m = sum(OPD) dA / alpha, alpha in um^3/pg."""
    try:
        if area_um2 is None:
            where = repr(phase_map.acquisition.name)
            raise MissingMetadataError("pixel_size_um", "Dry mass", where)
        if phase_map.unit is PhaseUnit.MASS_DENSITY:
            reasons[Need.INCREMENT] = (
                "The recording holds dry-mass density already; the refractive "
                "increment it was made with is not known."
            )
            return area_um2
        opd_um = phase_map.opd_nm_per_unit("Dry mass") / 1000
    except MissingMetadataError as error:
        if parameters.require_mass:
            raise
        reasons[Need.MASS] = reasons[Need.INCREMENT] = str(error)
        return None
    return opd_um * area_um2 / parameters.alpha_ml_g


def _medium_index(
    phase_map: PhaseMap, parameters: MeasurementParameters, reasons: dict[Need, str]
) -> float | None:
    n_medium = parameters.n_medium or phase_map.acquisition.instrument.medium_index
    if n_medium is None:
        reasons[Need.VOLUME] = _lacking("medium_index", "Optical volume", phase_map)
    elif parameters.n_cell is not None and parameters.n_cell <= n_medium:
        raise ParameterError(
            f"The index of the cells, n_cell = {parameters.n_cell:g}, must exceed that "
            f"of the medium, {n_medium:g}."
        )
    return n_medium
