"""`save`: write phase, cells and table that were made step by step.

The name decides on the format: OME-Zarr (ours, which can be continued), HDF5 for
qpimage, or OME-TIFF.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import LayoutError, OutputError
from napari_qpm.io.label_files import write_labels
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.io.table import write_table
from napari_qpm.measurement import column_units
from napari_qpm.pipeline.run import PHASE_NAME, TABLE_NAME, write_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Write phase, with cells and table if given, and return the path of the phase.

    Parameters
    ----------
    folder
        Gets ``phase.ome.zarr``, ``cells.csv`` and ``cells.parquet``, and the same of
        ``tracks`` when the table is linked. A path that ends in ``.zarr`` names the
        phase itself; the tables go beside it. One that ends in ``.h5`` is HDF5 for
        qpimage, ``.ome.tif`` OME-TIFF; cells are then ``NAME-cells.tif`` beside it.
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
    other = _other_format(target)
    path = target if other is not None else path
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already. Choose another folder, or pass overwrite=True to "
            "replace it."
        )
    if other is not None:
        other(phase_map, path)
        if labels is not None:
            write_labels(labels, path.with_name(f"{_stem(path)}-cells.tif"))
        _write_tables(table, path.with_name(f"{_stem(path)}-{TABLE_NAME}"))
        return path
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
    _write_tables(table, path.parent / TABLE_NAME)
    return path


def _write_tables(table: "pd.DataFrame | None", path: Path) -> None:
    if table is None:
        return
    write_table(table, path, column_units(table))
    if "track_id" in table.columns:
        write_tracks(path.parent, table)


def _other_format(path: Path) -> "Callable[[PhaseMap, Path], Path] | None":
    """Return the writer of a file that is not our OME-Zarr, by its name."""
    name = path.name.lower()
    if name.endswith((".h5", ".hdf5")):
        from napari_qpm.io.qpimage_writer import write_qpimage

        return write_qpimage
    if name.endswith((".ome.tif", ".ome.tiff")):
        from napari_qpm.io.ome_tiff_writer import write_ome_tiff

        return write_ome_tiff
    return None


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]
