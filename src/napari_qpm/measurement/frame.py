"""The rows of one frame: one for each cell."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_qpm.acquisition import RELATIVE, PhaseMap
from napari_qpm.errors import LayoutError
from napari_qpm.measurement.calibration import Calibration
from napari_qpm.measurement.cells import Cells
from napari_qpm.measurement.columns import COLUMNS, Need
from napari_qpm.measurement.focus import focus_columns
from napari_qpm.measurement.mass_error import mass_errors
from napari_qpm.measurement.parameters import MeasurementParameters
from napari_qpm.measurement.shapes import shape_columns
from napari_qpm.measurement.texture import glcm_columns, gradient_columns

__all__ = ["RELATIVE", "measure_frame"]

Columns = dict[str, Any]

MIN_EMPTY_SHARE = 0.15
"""Share of a frame without cells below which its own background is not believed."""


def measure_frame(
    phase: NDArray[np.floating],
    labels: NDArray[np.integer],
    phase_map: PhaseMap,
    t: int,
    parameters: MeasurementParameters,
    saturated: NDArray[np.bool_] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return one row a cell of one frame.

    Mass is the plain sum over the mask, ``m = sum(OPD) dA / alpha``; no local
    background is subtracted. Pixels without a value (NaN) do not count, and
    ``invalid_share`` says how many of a cell's pixels these are.

    Parameters
    ----------
    phase, labels
        ``(Y, X)`` phase in the unit of `phase_map`, and its cells.
    phase_map
        Context: unit, pixel size and instrument. Its pixels are not read.
    t
        Number of the frame.
    parameters
        Constants and choices.
    saturated
        ``(Y, X)`` where raw pixels are saturated; `None` means nowhere.
    notes
        What was found when the frame was retrieved: its focus, and whether the
        background below the cells is a guess, so that masses compare but do not count
        in absolute terms. Where they do not say, that is without a reference frame
        and with less than 15 % of the frame empty.

    Raises
    ------
    LayoutError
        Phase and labels differ in shape, or the labels are no labels.
    MissingMetadataError
        `require_mass` is set and a value that dry mass needs is unknown.
    """
    phase, labels = np.asarray(phase), np.asarray(labels)
    if phase.ndim != 2 or labels.shape != phase.shape:
        raise LayoutError(
            f"Frame {t}: labels {labels.shape} do not fit the phase {phase.shape}."
        )
    calibration = Calibration.of(phase_map, parameters)
    cells = Cells.of(labels)
    columns: Columns = {
        "label": cells.labels,
        "frame": np.full(cells.count, t, np.int64),
    }
    columns |= shape_columns(cells, calibration.pixel_um)
    columns |= _time_column(phase_map, cells, t)
    columns |= _path_columns(phase, cells, calibration, parameters)
    columns |= _mass_columns(phase, cells, calibration, parameters)
    notes = notes or {}
    is_relative = notes.get(RELATIVE)
    if is_relative is None:
        has_reference = phase_map.acquisition.has_empty_reference
        is_relative = not has_reference and _is_crowded(cells)
    columns[RELATIVE] = np.full(cells.count, is_relative)
    columns |= _texture_columns(phase, cells, calibration)
    columns |= focus_columns(phase_map, notes, cells)
    columns |= _flag_columns(phase, cells, calibration, saturated)
    columns |= _engine_columns(phase_map, cells)
    names = calibration.columns
    table = pd.DataFrame({name: columns[name] for name in names}, columns=names)
    table.attrs = {
        "units": {name: COLUMNS[name][0] for name in names},
        "missing": calibration.missing,
        "parameters": parameters.model_dump(mode="json"),
    }
    return table


def _is_crowded(cells: Cells) -> bool:
    """Return whether too little of a frame is empty to find its background."""
    return bool(np.mean(cells.numbers == 0) < MIN_EMPTY_SHARE)


def _time_column(phase_map: PhaseMap, cells: Cells, t: int) -> Columns:
    time_s = phase_map.acquisition.time_s(t)
    if time_s is None:
        return {}
    return {"time_s": np.full(cells.count, time_s)}


def _path_columns(
    phase: NDArray[np.floating],
    cells: Cells,
    calibration: Calibration,
    parameters: MeasurementParameters,
) -> Columns:
    """Return the optical path difference of the cells, and their optical volume."""
    if calibration.opd_nm is None:
        return {}
    mean, deviation, maximum = cells.statistics(phase)
    columns: Columns = {
        "opd_mean_nm": mean * calibration.opd_nm,
        "opd_max_nm": maximum * calibration.opd_nm,
        "opd_std_nm": deviation * calibration.opd_nm,
    }
    if calibration.pixel_um is None:
        return columns
    area_um2 = calibration.pixel_um[0] * calibration.pixel_um[1]
    columns["opd_sum_um3"] = cells.sum(phase) * calibration.opd_nm / 1000 * area_um2
    if parameters.n_cell is not None and calibration.n_medium is not None:
        rise = parameters.n_cell - calibration.n_medium
        columns |= {
            "optical_volume_um3": columns["opd_sum_um3"] / rise,
            "n_cell": np.full(cells.count, parameters.n_cell),
            "n_cell_source": ["assumed"] * cells.count,
            "n_medium": np.full(cells.count, calibration.n_medium),
        }
    return columns


def _mass_columns(
    phase: NDArray[np.floating],
    cells: Cells,
    calibration: Calibration,
    parameters: MeasurementParameters,
) -> Columns:
    """Return dry mass, its error bars and the increment behind it."""
    if calibration.mass_pg is None or calibration.pixel_um is None:
        return {}
    density = phase.astype(np.float64) * calibration.mass_pg
    mass = cells.sum(density)
    errors = mass_errors(density, cells, parameters.background_margin_px)
    pixels = np.bincount(cells.numbers.ravel(), minlength=cells.count + 1)[1:]
    area_um2 = pixels * calibration.pixel_um[0] * calibration.pixel_um[1]
    columns: Columns = {
        "dry_mass_pg": mass,
        "dry_mass_sd_pg": errors.total,
        "dry_mass_sd_background_pg": errors.background,
        "dry_mass_sd_mask_pg": errors.mask,
        "dry_mass_sd_contact_pg": errors.contact,
        "dry_mass_offset_pg": errors.offset,
        "dry_mass_sd_method": [method.value for method in errors.method],
        "mass_density_pg_um2": mass / area_um2,
    }
    if calibration.has(Need.INCREMENT):
        spread = parameters.alpha_sd_ml_g / parameters.alpha_ml_g
        columns |= {
            "dry_mass_alpha_sd_pg": np.abs(mass) * spread,
            "refractive_increment_ml_g": np.full(cells.count, parameters.alpha_ml_g),
        }
    return columns


def _texture_columns(
    phase: NDArray[np.floating], cells: Cells, calibration: Calibration
) -> Columns:
    columns: Columns = {}
    if calibration.has(Need.GRADIENT):
        assert calibration.opd_nm is not None
        assert calibration.pixel_um is not None
        opd_nm = phase * calibration.opd_nm
        columns |= gradient_columns(opd_nm, cells, calibration.pixel_um)
    if calibration.has(Need.GLCM):
        columns |= glcm_columns(phase, cells)
    return columns


def _flag_columns(
    phase: NDArray[np.floating],
    cells: Cells,
    calibration: Calibration,
    saturated: NDArray[np.bool_] | None,
) -> Columns:
    """Return what makes the numbers of a cell doubtful."""
    pixels = np.bincount(cells.numbers.ravel(), minlength=cells.count + 1)[1:]
    invalid = cells.sum((~np.isfinite(phase)).astype(np.float64))
    columns: Columns = {
        "border": cells.touching_border(),
        "invalid_share": invalid / pixels,
        "edited_by_hand": np.zeros(cells.count, bool),
        "saturated": np.zeros(cells.count, bool),
    }
    if saturated is not None:
        columns["saturated"] = cells.any(np.asarray(saturated, dtype=bool))
    if calibration.radians is not None:
        jumps = _steps_beyond_pi(phase * calibration.radians, cells.numbers)
        columns["unwrap_suspect"] = cells.any(jumps)
    return columns


def _steps_beyond_pi(
    phase_rad: NDArray[np.floating], numbers: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Return the pixels of cells whose next pixel in the same cell is over pi away."""
    marked = np.zeros(phase_rad.shape, bool)
    for axis in (0, 1):
        inside = np.diff(numbers, axis=axis) == 0
        # NaN compares as false: an unknown pixel is no jump.
        far = (np.abs(np.diff(phase_rad, axis=axis)) > np.pi) & inside
        first = (slice(None, -1), slice(None)) if axis == 0 else (..., slice(None, -1))
        marked[first] |= far
    return marked & (numbers > 0)


def _engine_columns(phase_map: PhaseMap, cells: Cells) -> Columns:
    """Return the engines in the history of the phase map; empty when not recorded."""
    names = {step.name: step.engine for step in phase_map.history}
    return {
        f"{column}_engine": [names.get(step, "")] * cells.count
        for column, step in (("phase", "retrieve"), ("segmentation", "segment"))
    }
