"""napari's reader hook: raw recordings open as calibrated, lazy layers.

napari asks us only when the user chose us, for one file or once for all of its kind
(napari cannot prefer a plugin for the files that it recognises). A picture that is no
recording is therefore handed on to napari's own reader, so that "remember this choice"
suits all files. `get_reader` never raises.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_qpm.viewer.layers import (
    LayerTuple,
    recording_layer,
    scaled_geometry,
)

__all__ = ["get_reader", "read_recordings"]

logger = logging.getLogger(__name__)

NAPARI = "napari"
PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".npy")
"""What napari reads too, of the names that the manifest claims."""

PathLike = str | Path
Reader = Callable[[PathLike | Sequence[PathLike]], list[LayerTuple]]


def get_reader(path: PathLike | Sequence[PathLike]) -> Reader | None:
    """Return our reader for recordings, napari's for other pictures, else None."""
    from napari_qpm.io import is_ours
    from napari_qpm.io.archive import ARCHIVE_SUFFIXES
    from napari_qpm.io.label_files import is_seg_file

    try:
        paths = _as_paths(path)
        if all(is_seg_file(one) or is_ours(one) for one in paths):
            return read_recordings
        if all(_is_file_of(one, ARCHIVE_SUFFIXES) for one in paths):
            # Reading refuses it, and says what to do; napari says nothing of use.
            return read_recordings
        are_pictures = all(_is_file_of(one, PICTURES) for one in paths)
        return read_as_napari if are_pictures else None
    except Exception:
        logger.debug("Could not examine %s", path, exc_info=True)
        return None


def read_as_napari(path: PathLike | Sequence[PathLike]) -> list[LayerTuple]:
    """Return what napari's own reader makes of these files."""
    import npe2

    names = [str(one) for one in _as_paths(path)]
    is_stack = not isinstance(path, str | Path)
    read: Any = npe2.read(names, plugin_name=NAPARI, stack=is_stack)
    return list(read)


def _is_file_of(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.is_file() and path.suffix.lower() in suffixes


def read_recordings(path: PathLike | Sequence[PathLike]) -> list[LayerTuple]:
    """Return one Image layer for each field of view in these files or folders.

    A result of ours, or the folder it lies in, also gives its cells as Labels, and so
    does a segmentation of Cellpose.
    """
    from napari_qpm.io import open_all
    from napari_qpm.io.label_files import is_seg_file, read_labels
    from napari_qpm.pipeline.results import is_result

    layers: list[LayerTuple] = []
    for one in _as_paths(path):
        if is_seg_file(one):
            layers.append((read_labels(one), {"name": one.stem}, "labels"))
        elif is_result(one):
            layers += _result_layers(one)
        else:
            layers += [recording_layer(acquisition) for acquisition in open_all(one)]
    return layers


def _result_layers(path: Path) -> list[LayerTuple]:
    """Return the phase of a result of ours, named after its folder, and its cells."""
    from napari_qpm.io import open_acquisition
    from napari_qpm.pipeline.results import phase_path, read_cells

    place = phase_path(path)
    phase = open_acquisition(place)
    if phase.name == phase_path(Path()).name.partition(".")[0]:
        phase = phase.replace(name=place.resolve().parent.name)
    layers = [recording_layer(phase)]
    cells = read_cells(place)
    if cells is not None:
        keywords = scaled_geometry(phase).keywords() | {"name": f"{phase.name} cells"}
        layers.append((cells, keywords, "labels"))
    return layers


def _as_paths(path: PathLike | Sequence[PathLike] | Any) -> list[Path]:
    paths = [path] if isinstance(path, str | Path) else list(path)
    return _as_folder([Path(one) for one in paths])


def _as_folder(paths: list[Path]) -> list[Path]:
    """Return the folder of files that were dropped together as its four angles."""
    from napari_qpm.io.angle_names import order_by_angle

    folder = paths[0].parent if paths else Path()
    if len(paths) < 4 or any(p.parent != folder or not p.is_file() for p in paths):
        return paths
    if {p for p in folder.iterdir() if p.suffix == paths[0].suffix} != set(paths):
        return paths
    return paths if order_by_angle(folder, paths) is None else [folder]
