"""`measure`: the table of a whole recording, one row a cell and frame."""

from typing import Any

import numpy as np
import pandas as pd

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import LayoutError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.measurement.calibration import Calibration
from napari_qpm.measurement.frame import measure_frame
from napari_qpm.measurement.parameters import MeasurementParameters
from napari_qpm.measurement.saturation import saturated_pixels

__all__ = ["measure"]


def measure(
    phase_map: PhaseMap,
    labels: Any,
    *,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
    **params: Any,
) -> pd.DataFrame:
    """Return one row a cell and frame of a recording.

    Parameters
    ----------
    phase_map
        Phase, in memory or lazy; frames are read one after the other.
    labels
        ``(T, Y, X)`` cells, in memory or lazy; ``(Y, X)`` for a single frame.
    token
        Checked at every frame.
    report
        Told after every frame.
    **params
        Fields of `MeasurementParameters`.

    Returns
    -------
    pandas.DataFrame
        Columns that need an unknown calibration value are absent;
        ``table.attrs["missing"]`` says why. ``attrs`` also holds units and parameters.
        A recording without cells gives an empty table with all its columns.

    Raises
    ------
    LayoutError
        Phase and labels differ in shape.
    MissingMetadataError
        ``require_mass=True`` and a value that dry mass needs is unknown.
    UnknownNameError, ParameterError
        A parameter is unknown or out of bounds.
    JobCancelled
        The token was cancelled.
    """
    parameters = MeasurementParameters.parse(params)
    if labels.ndim == 2:
        labels = labels[None]
    if tuple(labels.shape) != phase_map.shape:
        raise LayoutError(
            f"Labels of shape {tuple(labels.shape)} do not fit the phase of "
            f"{phase_map.acquisition.name!r}, {phase_map.shape}."
        )
    # Before the first frame is computed, which may take long.
    Calibration.of(phase_map, parameters)
    n_frames = phase_map.n_frames
    tables = []
    for t in range(n_frames):
        if token is not None:
            token.raise_if_cancelled()
        tables.append(
            measure_frame(
                phase_map.read(t),
                np.asarray(labels[t]),
                phase_map,
                t,
                parameters,
                saturated_pixels(phase_map, t),
                _notes(phase_map, t),
            )
        )
        if report is not None:
            report(Progress(t + 1, n_frames, "frames", "Measuring cells"))
    with_cells = [table for table in tables if len(table)]
    result = pd.concat(with_cells or tables[:1], ignore_index=True)
    result.attrs = tables[0].attrs
    return result


def _notes(phase_map: PhaseMap, t: int) -> dict[str, Any]:
    """Return what was found when a frame was retrieved, if that is known."""
    notes = phase_map.frame_notes
    return notes[t] if t < len(notes) else {}
