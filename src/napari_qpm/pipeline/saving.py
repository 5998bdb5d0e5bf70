"""`save`: write phase, cells and table that were made step by step."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import LayoutError, OutputError
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.io.table import write_table
from napari_qpm.measurement import column_units
from napari_qpm.pipeline.run import PHASE_NAME, TABLE_NAME, write_tracks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["save"]


def save(
    folder: str | Path,
    phase_map: PhaseMap,
    labels: Any = None,
    table: "pd.DataFrame | None" = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write phase as OME-Zarr, with cells and table if given, and return its path.

    Parameters
    ----------
    folder
        Gets ``phase.ome.zarr``, ``cells.csv`` and ``cells.parquet``, and the same of
        ``tracks`` when the table is linked. A path that ends in ``.zarr`` names the
        phase itself; the tables go beside it.
    phase_map
        Phase; lazy frames are computed one by one.
    labels
        Cells ``(T, Y, X)`` on the grid of the phase.
    table
        Measurements.
    overwrite
        Replace what is there.

    Raises
    ------
    OutputError
        Something is there already, or it cannot be written.
    """
    target = Path(folder)
    path = target if target.suffix == ".zarr" else target / PHASE_NAME
    if labels is not None and tuple(labels.shape) != phase_map.shape:
        raise LayoutError(
            f"The labels have shape {tuple(labels.shape)}, the phase "
            f"{phase_map.shape}. Save labels that belong to this phase."
        )
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already. Choose another folder, or pass overwrite=True to "
            "replace it."
        )
    record = phase_map.record() | {"pipeline": {"saved": True}}
    store = ResultStore.open(
        path,
        shape=phase_map.shape,
        pixel_size_um=phase_map.pixel_size_um,
        frame_interval_s=phase_map.acquisition.instrument.frame_interval_s,
        record=record,
        unit=phase_map.unit.value,
        overwrite=overwrite,
    )
    notes = phase_map.frame_notes or ({},) * phase_map.n_frames
    for t in range(phase_map.n_frames):
        store.write_phase(t, phase_map.read(t), dict(notes[t]))
        if labels is not None:
            store.write_labels(t, np.asarray(labels[t], dtype=np.int32))
    store.finalise(record)
    if table is not None:
        write_table(table, path.parent / TABLE_NAME, column_units(table))
        if "track_id" in table.columns:
            write_tracks(path.parent, table)
    return path
