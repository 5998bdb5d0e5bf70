"""Raw recordings written as OME-Zarr 0.5, to be opened like those of a microscope.

What OME metadata cannot say (kind of recording, optics, camera) goes to the sidecar
``NAME.qpm.yaml`` beside the folder, where `open_acquisition` finds it.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
import zarr

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import OutputError
from napari_qpm.io.compression import quick_compressor
from napari_qpm.io.sidecar import SIDECAR_SUFFIX

__all__ = ["write_recording"]

SUFFIX = ".ome.zarr"
BATCH_BYTES, MOST_FRAMES = 64 * 2**20, 16


def write_recording(acquisition: Acquisition, path: str | Path) -> Path:
    """Write raw frames as ``(T, C, 1, Y, X)``, one chunk a channel and frame.

    Several frames share a file: thousands of files are slow to copy. The reference
    frame, if there is one, is written as ``NAME.reference.ome.zarr`` beside them.
    Everything appears under its name only when it is complete.

    Parameters
    ----------
    acquisition
        Frames keep their type.
    path
        Folder to make, ``….ome.zarr``.

    Returns
    -------
    Path
        The folder, to be opened.

    Raises
    ------
    OutputError
        Something is there already, or the folder cannot be written.
    """
    place = Path(path)
    name = place.name.removesuffix(".zarr").removesuffix(".ome")
    reference = place.with_name(f"{name}.reference{SUFFIX}")
    sidecar = place.with_name(name + SIDECAR_SUFFIX)
    for existing in (place, reference, sidecar):
        if existing.exists():
            raise OutputError(
                f"{existing} exists already. Choose another folder or remove it."
            )
    facts = _facts(acquisition)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if acquisition.reference is not None:
            empty = Acquisition.from_array(acquisition.reference[None])
            empty = empty.replace(instrument=acquisition.instrument)
            _write_image(empty, reference)
            facts["reference"] = reference.name
        text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
        sidecar.write_text(text, encoding="utf-8")
        _write_image(acquisition, place)
    except OSError as error:
        raise OutputError(
            f"{place} cannot be written: {error.strerror or error}. "
            "Free some space or choose another folder."
        ) from error
    return place


def _facts(acquisition: Acquisition) -> dict[str, Any]:
    """Return the content of the sidecar."""
    facts: dict[str, Any] = {"name": acquisition.name}
    if acquisition.modality is not None:
        facts["modality"] = acquisition.modality.value
    return facts | acquisition.instrument.to_dict()


def _write_image(acquisition: Acquisition, path: Path) -> None:
    """Write frames under a temporary name, then move the folder in place."""
    t, c, y, x = acquisition.shape
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        group = zarr.create_group(str(partial), zarr_format=3)
        group.attrs.update({"ome": _metadata(acquisition, path.name)})
        batches = list(_batches(acquisition))
        array = zarr.create_array(
            str(partial),
            name="0",
            shape=(t, c, 1, y, x),
            chunks=(1, 1, 1, y, x),
            shards=(len(batches[0]), c, 1, y, x) if len(batches[0]) > 1 else None,
            dtype=np.dtype(acquisition.dtype).newbyteorder("="),
            compressors=quick_compressor(acquisition.dtype),
            dimension_names=("t", "c", "z", "y", "x"),
        )
        for frames in batches:
            together = np.stack([acquisition.read(frame) for frame in frames])
            array[frames.start : frames.stop] = together[:, :, None]
        partial.rename(path)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _batches(acquisition: Acquisition) -> Iterator[range]:
    """Yield frames that go into one file, and are compressed on several cores."""
    t, *frame = acquisition.shape
    n_bytes = int(np.prod(frame)) * acquisition.dtype.itemsize
    size = max(1, min(MOST_FRAMES, BATCH_BYTES // max(n_bytes, 1)))
    for start in range(0, t, size):
        yield range(start, min(start + size, t))


def _metadata(acquisition: Acquisition, name: str) -> dict[str, Any]:
    """Return the OME attributes; unknown sizes leave their axes without a unit."""
    instrument = acquisition.instrument
    pixel, interval = instrument.pixel_size_um, instrument.frame_interval_s
    time: dict[str, str] = {"name": "t", "type": "time"}
    if interval:
        time["unit"] = "second"
    space = {"type": "space"} | ({"unit": "micrometer"} if pixel else {})
    scale = [interval or 1.0, 1.0, 1.0, pixel or 1.0, pixel or 1.0]
    axes = [
        time,
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space"},
        {"name": "y", **space},
        {"name": "x", **space},
    ]
    transform = {"type": "scale", "scale": scale}
    dataset = {"path": "0", "coordinateTransformations": [transform]}
    multiscale = {"name": name, "axes": axes, "datasets": [dataset]}
    return {"version": "0.5", "multiscales": [multiscale]}
