"""Cells to numbers: shape, optical path, dry mass with its error, one row a cell.

`measure` takes a recording, `measure_frame` one frame; both give the same rows. `link`
follows the cells over time, and the growth functions sum up tracks and population.
"""

from napari_qpm.measurement.calibration import missing_columns
from napari_qpm.measurement.columns import column_units
from napari_qpm.measurement.frame import RELATIVE, measure_frame
from napari_qpm.measurement.growth import (
    population_doubling,
    population_growth,
    track_growth,
)
from napari_qpm.measurement.linking import link
from napari_qpm.measurement.linking_parameters import LinkingParameters
from napari_qpm.measurement.napari_tracks import to_napari_tracks
from napari_qpm.measurement.parameters import MeasurementParameters, TextureSet
from napari_qpm.measurement.profile import Profile, line_profile
from napari_qpm.measurement.region import RegionTotal, region_total
from napari_qpm.measurement.saturation import saturated_pixels
from napari_qpm.measurement.series import measure

__all__ = [
    "RELATIVE",
    "LinkingParameters",
    "MeasurementParameters",
    "Profile",
    "RegionTotal",
    "TextureSet",
    "column_units",
    "line_profile",
    "link",
    "measure",
    "measure_frame",
    "missing_columns",
    "population_doubling",
    "population_growth",
    "region_total",
    "saturated_pixels",
    "to_napari_tracks",
    "track_growth",
]
