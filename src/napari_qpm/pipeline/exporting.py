"""Results of ours as the files of other programs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_qpm.acquisition import PhaseMap, PhaseUnit
from napari_qpm.errors import FileFormatError, OutputError
from napari_qpm.io.label_files import SEG_SUFFIX, is_seg_file, write_labels
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.io.zarr_reader import own_record
from napari_qpm.pipeline.results import described, phase_path, read_cells
from napari_qpm.pipeline.run import lazy_frames
from napari_qpm.pipeline.saving import save

__all__ = ["export_result", "stored_phase"]

_PHASE = (".h5", ".hdf5", ".ome.tif", ".ome.tiff")


def stored_phase(path: Path) -> PhaseMap:
    """Return the phase of a result of ours, lazily, with what is known of it.

    Raises
    ------
    FileFormatError
        The path is no result, or its frames are not all retrieved.
    """
    place = phase_path(path)
    record = own_record(place)
    if record is None or "acquisition" not in record:
        raise FileFormatError(
            f"{path} is not a result of napari-qpm. Name the folder that napari-qpm "
            "retrieve or run has made."
        )
    store = ResultStore(place)
    missing = store.shape[0] - len(store.finished("phase"))
    if missing:
        raise FileFormatError(
            f"{missing} of {store.shape[0]} frames in {path} are not retrieved yet. "
            "Run the command that made it again."
        )
    y, x = record.get("grid_scale", (1.0, 1.0))
    size = [store.shape[0], 1, *store.shape[1:]]
    return PhaseMap(
        phase=lazy_frames(store.read_phase, store.shape, np.float32),
        acquisition=described(record["acquisition"], size),
        grid_scale=(y, x),
        unit=PhaseUnit(record.get("unit", "rad")),
    )


def export_result(path: Path, targets: Sequence[Path]) -> list[Path]:
    """Write phase or cells of a result into files, and return these.

    Parameters
    ----------
    path
        Result folder.
    targets
        ``….h5`` (qpimage) and ``….ome.tif`` get the phase, ``….tif`` the cells as a
        mask, ``…_seg.npy`` the cells for Cellpose.

    Raises
    ------
    OutputError
        A name that says no format, cells that are not there, or a full disk.
    """
    made: list[Path] = []
    for target in targets:
        name = target.name.lower()
        if target.exists():
            raise OutputError(f"{target} exists already. Choose another name.")
        if name.endswith(_PHASE):
            made.append(save(target, stored_phase(path)))
        elif name.endswith((".tif", ".tiff")) or is_seg_file(target):
            cells = read_cells(path)
            if cells is None:
                raise OutputError(
                    f"{path} holds no cells yet. Run napari-qpm segment on it first."
                )
            made += write_labels(cells, target)
        else:
            raise OutputError(
                f"{target.name} says no format. Name it ….h5 (qpimage), ….ome.tif "
                f"(phase), ….tif (masks of cells) or …{SEG_SUFFIX} (Cellpose)."
            )
    return made
