"""Cells to numbers: shape, optical path, dry mass with its error, one row a cell.

`measure` takes a recording, `measure_frame` one frame; both give the same rows.
"""

from napari_qpm.measurement.calibration import missing_columns
from napari_qpm.measurement.columns import column_units
from napari_qpm.measurement.frame import measure_frame
from napari_qpm.measurement.parameters import MeasurementParameters, TextureSet
from napari_qpm.measurement.saturation import saturated_pixels
from napari_qpm.measurement.series import measure

__all__ = [
    "MeasurementParameters",
    "TextureSet",
    "column_units",
    "measure",
    "measure_frame",
    "missing_columns",
    "saturated_pixels",
]
