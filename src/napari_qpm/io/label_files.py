"""Cells in the files of others: mask images, NumPy arrays, and Cellpose ``_seg.npy``.

Cellpose stores a pickled dictionary. Pickles can run any code, so only the few names
that such a dictionary needs are allowed; all others are refused.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_qpm.errors import FileFormatError, LayoutError, OutputError
from napari_qpm.files import write_atomically
from napari_qpm.io.whole_file import whole_file

__all__ = ["SEG_SUFFIX", "is_seg_file", "read_labels", "write_labels"]

SEG_SUFFIX = "_seg.npy"
_MASK_SUFFIXES = (".tif", ".tiff")
_MODULES = ("numpy.core", "numpy._core")
_NAMES = {
    (f"{module}.{part}", name)
    for module in _MODULES
    for part, name in (
        ("multiarray", "_reconstruct"),
        ("multiarray", "scalar"),
        ("numeric", "_frombuffer"),
    )
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
_PICKLE_ERRORS = (
    pickle.UnpicklingError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ImportError,
    EOFError,
    MemoryError,
    OverflowError,
    RecursionError,
    RuntimeError,
    AssertionError,
    SyntaxError,
)


def is_seg_file(path: Path) -> bool:
    """Return whether a path is named like a segmentation of Cellpose."""
    return path.name.lower().endswith(SEG_SUFFIX)


def read_labels(
    path: str | Path, shape: tuple[int, int, int] | None = None
) -> NDArray[np.int32]:
    """Return cells ``(T, Y, X)`` of a mask image or a Cellpose file; 0 is no cell.

    Parameters
    ----------
    path
        TIFF, PNG, NPY, NPZ, HDF5 or OME-Zarr of whole numbers, a folder of them, or
        ``_seg.npy``.
    shape
        Of the phase that the cells belong to; anything else is refused.

    Raises
    ------
    FileFormatError
        The file cannot be read, or holds no whole numbers.
    LayoutError
        The cells have another shape.
    """
    place = Path(path).expanduser()
    labels = _read_seg(place) if is_seg_file(place) else _read_masks(place)
    if shape is not None and labels.shape != tuple(shape):
        raise LayoutError(
            f"The cells of {place} have shape {labels.shape}, the phase has "
            f"{tuple(shape)} (T, Y, X). Choose the cells of this recording."
        )
    return labels


def _read_masks(path: Path) -> NDArray[np.int32]:
    from napari_qpm.io.formats import read_fields

    if not path.exists():
        raise FileFormatError(f"There is no file or folder {path}. Check the path.")
    fields = read_fields(path, planes=False)
    source = fields[0].source
    if len(fields) > 1 or source.shape[1] != 1:
        raise LayoutError(
            f"{path} holds {len(fields)} fields of view of {source.shape[1]} channels; "
            "cells are one image a frame."
        )
    frames = [_whole(path, source.read(t)[0]) for t in range(source.shape[0])]
    return np.stack(frames)


def _whole(path: Path, image: NDArray[Any]) -> NDArray[np.int32]:
    """Return an image as labels, which are whole numbers from 0."""
    if image.dtype.kind == "f" and not np.array_equal(image, np.rint(image)):
        raise FileFormatError(
            f"{path} holds fractions, so it is no image of cells. Save masks as whole "
            "numbers, 0 for the background."
        )
    if image.size and (image.min() < 0 or image.max() > np.iinfo(np.int32).max):
        raise FileFormatError(
            f"{path} holds numbers from {image.min()} to {image.max()}; cells are "
            "numbered from 1."
        )
    return image.astype(np.int32)


class _SafeUnpickler(pickle.Unpickler):
    """Builds arrays, numbers, texts and their containers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _read_seg(path: Path) -> NDArray[np.int32]:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                header = np.lib.format.read_array_header_2_0
            shape, _, dtype = header(file)
            if shape != () or dtype.kind != "O":
                raise ValueError(f"it holds an array of {dtype}, not a dictionary")
            content = _SafeUnpickler(file).load()
        stored = content.item() if isinstance(content, np.ndarray) else content
        masks = np.asarray(stored["masks"])
        if masks.dtype.kind not in "uifb":
            raise ValueError(f"its masks are {masks.dtype}")
    except OSError as error:
        reason = error.strerror or error
        raise FileFormatError(f"{path} cannot be read: {reason}.") from error
    except _PICKLE_ERRORS as error:
        raise FileFormatError(
            f"{path} is no segmentation of Cellpose that can be read safely ({error}). "
            "Save it again from Cellpose, or save the masks as TIFF."
        ) from error
    if masks.ndim not in (2, 3) or 0 in masks.shape:
        raise LayoutError(
            f"The masks of {path} have shape {masks.shape}; (Y, X) or (T, Y, X) is "
            "expected."
        )
    return _whole(path, masks.reshape(-1, *masks.shape[-2:]))


def write_labels(labels: Any, path: str | Path) -> tuple[Path, ...]:
    """Write cells ``(T, Y, X)`` and return the files that were made.

    Parameters
    ----------
    labels
        Whole numbers, 0 for no cell; lazy frames are computed one by one.
    path
        ``….tif`` for a mask image of all frames, or ``…_seg.npy`` for Cellpose, which
        reads one image a file: several frames become ``…_0000_seg.npy`` and so on.

    Raises
    ------
    OutputError
        Another suffix, or the files cannot be written.
    """
    place = Path(path)
    if is_seg_file(place):
        return _write_segs(labels, place)
    if place.suffix.lower() not in _MASK_SUFFIXES:
        raise OutputError(
            f"{place.name}: cells are written as ….tif (masks) or …{SEG_SUFFIX} "
            "(Cellpose). Choose one of these names."
        )
    frames = [np.asarray(frame) for frame in labels]
    largest = max((int(frame.max(initial=0)) for frame in frames), default=0)
    dtype = np.uint16 if largest < 1 << 16 else np.uint32
    stack = np.stack(frames).astype(dtype)
    with whole_file(place) as partial:
        tifffile.imwrite(
            partial,
            stack,
            photometric="minisblack",
            compression="zlib",
            metadata={"axes": "TYX"},
        )
    return (place,)


def _write_segs(labels: Sequence[Any], path: Path) -> tuple[Path, ...]:
    stem = path.name[: -len(SEG_SUFFIX)]
    frames = [np.asarray(frame) for frame in labels]
    names = [path]
    if len(frames) > 1:
        names = [
            path.with_name(f"{stem}_{t:04}{SEG_SUFFIX}") for t in range(len(frames))
        ]
    for name, frame in zip(names, frames, strict=True):
        content = _seg_content(frame, name)
        write_atomically(name, lambda file, c=content: np.save(file, c))  # type: ignore[misc]
    return tuple(names)


def _seg_content(frame: NDArray[Any], path: Path) -> Any:
    """Return one frame as the dictionary that Cellpose loads."""
    from skimage.segmentation import find_boundaries

    largest = int(frame.max(initial=0))
    masks = frame.astype(np.uint16 if largest < 1 << 16 else np.uint32)
    numbers = np.unique(masks)
    n_cells = int((numbers > 0).sum())
    return {
        "filename": path.name[: -len(SEG_SUFFIX)] + ".tif",
        "masks": masks,
        "outlines": masks * find_boundaries(masks, mode="inner"),
        "chan_choose": [0, 0],
        "ismanual": np.zeros(n_cells, bool),
        "colors": np.random.default_rng(0).integers(40, 255, (n_cells, 3), np.uint8),
        "flows": [],
        "est_diam": 0.0,
    }
