"""Total of a region that was drawn: optical path and dry mass, with an error bar.

The level of the background around the region is subtracted when asked for. The error
bar then comes from doing the same at other, empty places of the frame: the same shape,
less the level of the same ring around it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import LayoutError, ParameterError
from napari_qpm.measurement.calibration import Calibration
from napari_qpm.measurement.cells import Cells
from napari_qpm.measurement.mass_error import (
    ErrorMethod,
    background_error,
    outline_errors,
    ring_error,
)
from napari_qpm.measurement.parameters import MeasurementParameters

__all__ = ["RegionTotal", "region_total"]

RING_PX = 8
_GAP_PX = 2
_FEWEST_RING_PIXELS = 20
_NEAREST_PX = 80
_FARTHEST_PX = 200
"""Reach of the window around a region: twice its size within these limits."""


@dataclass(frozen=True)
class RegionTotal:
    """What a region holds; `None` where a calibration value is unknown.

    Parameters
    ----------
    n_pixels
        Pixels with a value.
    area_um2
        Their area.
    phase_sum, phase_mean
        In the unit of the phase map; the sum is over pixels.
    opd_sum_um3
        Optical path difference times area.
    dry_mass_pg, dry_mass_sd_pg
        Mass and its standard deviation: background and outline in quadrature.
    background
        Level that was subtracted, in the unit of the phase map; 0 for none.
    method
        How the background part of the error was found.
    """

    n_pixels: int
    area_um2: float | None
    phase_sum: float
    phase_mean: float
    opd_sum_um3: float | None
    dry_mass_pg: float | None
    dry_mass_sd_pg: float | None
    background: float
    method: ErrorMethod


def region_total(
    phase_map: PhaseMap,
    t: int,
    mask: NDArray[np.bool_],
    *,
    labels: NDArray[np.integer] | None = None,
    is_levelled: bool = True,
    parameters: MeasurementParameters | None = None,
) -> RegionTotal:
    """Return the total over a region of one frame.

    Parameters
    ----------
    phase_map
        Phase of the recording; frame `t` is read.
    mask
        ``(Y, X)`` the region.
    labels
        ``(Y, X)`` cells of the frame; what they cover is no background.
    is_levelled
        Subtract the median of the ring around the region that no cell covers.
    parameters
        Constants of the measurement.

    Raises
    ------
    LayoutError
        The region has another shape than the frame.
    ParameterError
        The region is empty, or has no empty background around it.
    """
    chosen = parameters or MeasurementParameters()
    phase = np.asarray(phase_map.read(t), dtype=np.float64)
    if mask.shape != phase.shape:
        raise LayoutError(f"A region {mask.shape} does not fit a frame {phase.shape}.")
    known = mask & np.isfinite(phase)
    n_pixels = int(np.count_nonzero(known))
    if n_pixels == 0:
        raise ParameterError("There is no phase in this region: draw it on the frame.")
    taken = mask if labels is None else mask | (np.asarray(labels) > 0)
    # What is far away costs time and says little of the background here.
    near = _surroundings(mask)
    phase, mask, known, taken = phase[near], mask[near], known[near], taken[near]
    level = _level(phase, mask, taken) if is_levelled else 0.0
    total = float((phase[known] - level).sum())
    calibration = Calibration.of(phase_map, chosen)
    area, opd, mass, sd = None, None, None, None
    method = ErrorMethod.NONE
    if calibration.pixel_um is not None:
        pixel_um2 = calibration.pixel_um[0] * calibration.pixel_um[1]
        area = n_pixels * pixel_um2
        if calibration.opd_nm is not None:
            opd = total * calibration.opd_nm / 1000 * pixel_um2
    if calibration.mass_pg is not None:
        mass = total * calibration.mass_pg
        density = (phase - level) * calibration.mass_pg
        sd, method = _error(density, mask, taken, is_levelled, chosen)
    return RegionTotal(
        n_pixels, area, total, total / n_pixels, opd, mass, sd, level, method
    )


def _surroundings(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the window around a region in which its background is judged."""
    rows, columns = ndimage.find_objects(mask.astype(np.int8))[0]
    margin = max(
        _NEAREST_PX, 2 * max(rows.stop - rows.start, columns.stop - columns.start)
    )
    margin = min(margin, _FARTHEST_PX)
    return (
        slice(max(0, rows.start - margin), rows.stop + margin),
        slice(max(0, columns.start - margin), columns.stop + margin),
    )


def ring_around(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the ring around a region, a little apart from it."""
    distance = ndimage.distance_transform_edt(~mask)
    ring: NDArray[np.bool_] = (distance > _GAP_PX) & (distance <= _GAP_PX + RING_PX)
    return ring


def _level(
    phase: NDArray[np.float64], mask: NDArray[np.bool_], taken: NDArray[np.bool_]
) -> float:
    ring = ring_around(mask) & ~taken & np.isfinite(phase)
    if np.count_nonzero(ring) < _FEWEST_RING_PIXELS:
        raise ParameterError(
            "There is no empty background around this region: leave some around it "
            "when drawing, or switch off the subtraction of the background."
        )
    return float(np.median(phase[ring]))


def _error(
    density: NDArray[np.float64],
    mask: NDArray[np.bool_],
    taken: NDArray[np.bool_],
    is_levelled: bool,
    parameters: MeasurementParameters,
) -> tuple[float, ErrorMethod]:
    """Return the standard deviation of the total, and how it was found."""
    margin = parameters.background_margin_px
    region = Cells.of(np.where(mask, 1, 0))
    # Drawn by hand against whatever lies there: its edge is one against background.
    outline = float(outline_errors(density, region)[0])
    others = Cells.of(np.where(taken, 1, 0))
    if is_levelled:
        levelled = ring_error(density, others, mask, ring_around(mask), margin)
        if levelled is not None:
            return float(np.hypot(levelled, outline)), ErrorMethod.MOVED_MASK
    background, offset, method = background_error(density, others, mask, margin)
    if is_levelled:
        # Scaled windows have no ring; what is known of the offset is subtracted.
        background = float(np.sqrt(max(background**2 - offset**2, 0)))
    return float(np.hypot(background, outline)), method
