"""Layout of our OME-Zarr 0.5 results: arrays, levels and their OME metadata.

Unknown pixel sizes and frame intervals leave their axis without a unit: a scale of one
without a unit claims nothing.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_qpm.io.compression import quick_compressor
from napari_qpm.io.zarr_reader import OWN_KEY

__all__ = ["LABELS", "create_image", "create_labels", "omero"]

LABELS = "labels/cells"
"""Where the label images are, inside the result."""

_LARGEST_SINGLE_LEVEL = 512
_CHANNEL = "Phase2D"
_VERSION = "0.5"


def create_image(
    path: Path, shape: tuple[int, int, int], record: dict[str, Any]
) -> None:
    """Make the empty hierarchy under a temporary name, then move it in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{record['id'][:8]}.partial")
    try:
        group = zarr.create_group(str(partial), zarr_format=3)
        datasets = _create_arrays(partial, "", shape, record, "float32", np.nan)
        group.attrs.update(
            {
                "ome": {
                    "version": _VERSION,
                    "multiscales": [_multiscale(path.name, datasets, record, "mean")],
                    "omero": omero((0.0, 1.0)),
                },
                OWN_KEY: record,
            }
        )
        partial.rename(path)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def create_labels(
    path: Path, shape: tuple[int, int, int], record: Mapping[str, Any]
) -> None:
    """Add an empty label image to a result."""
    ome = {"version": _VERSION, "labels": ["cells"]}
    zarr.create_group(
        str(path), path="labels", zarr_format=3, attributes={"ome": ome}, overwrite=True
    )
    zarr.create_group(str(path), path=LABELS, zarr_format=3)
    datasets = _create_arrays(path, LABELS, shape, record, "int32", 0)
    cells = zarr.open_group(str(path), path=LABELS, mode="r+")
    cells.attrs.update(
        {
            "ome": {
                "version": _VERSION,
                "multiscales": [_multiscale("cells", datasets, record, "nearest")],
                "image-label": {"source": {"image": "../../"}},
            }
        }
    )


def _create_arrays(
    path: Path,
    group: str,
    shape: tuple[int, int, int],
    record: Mapping[str, Any],
    dtype: str,
    fill_value: float,
) -> list[dict[str, Any]]:
    """Make the arrays of every level; return their OME ``datasets`` entries."""
    t, y, x = shape
    pixel = record["pixel_size_um"] or (1.0, 1.0)
    interval = record["frame_interval_s"] or 1.0
    datasets: list[dict[str, Any]] = []
    while True:
        name = str(len(datasets))
        zarr.create_array(
            str(path),
            name=f"{group}/{name}" if group else name,
            shape=(t, 1, 1, y, x),
            chunks=(1, 1, 1, y, x),
            dtype=dtype,
            fill_value=fill_value,
            compressors=quick_compressor(dtype),
            dimension_names=("t", "c", "z", "y", "x"),
        )
        factor = 1 << len(datasets)
        scale = [interval, 1.0, 1.0, pixel[0] * factor, pixel[1] * factor]
        transform = {"type": "scale", "scale": scale}
        datasets.append({"path": name, "coordinateTransformations": [transform]})
        if max(y, x) <= _LARGEST_SINGLE_LEVEL:
            return datasets
        y, x = max(y // 2, 1), max(x // 2, 1)


def _multiscale(
    name: str, datasets: list[dict[str, Any]], record: Mapping[str, Any], method: str
) -> dict[str, Any]:
    time: dict[str, str] = {"name": "t", "type": "time"}
    if record["frame_interval_s"]:
        time["unit"] = "second"
    space = {"unit": "micrometer"} if record["pixel_size_um"] else {}
    return {
        "name": name,
        "type": method,
        "axes": [
            time,
            {"name": "c", "type": "channel"},
            {"name": "z", "type": "space"},
            {"name": "y", "type": "space", **space},
            {"name": "x", "type": "space", **space},
        ],
        "datasets": datasets,
    }


def omero(limits: tuple[float, float]) -> dict[str, Any]:
    """Return display settings: the channel's name and its contrast limits."""
    low, high = limits
    return {
        "channels": [
            {
                "label": _CHANNEL,
                "active": True,
                "color": "FFFFFF",
                "window": {"start": low, "end": high, "min": low, "max": high},
            }
        ],
        "rdefs": {"model": "greyscale", "defaultT": 0, "defaultZ": 0},
    }
