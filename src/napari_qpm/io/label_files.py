"""Cells in the files of others: mask images, NumPy arrays, and Cellpose ``_seg.npy``.

Cellpose stores a pickled dictionary. Pickles can run any code, so only the few names
that such a dictionary needs are allowed; all others are refused.
"""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_qpm.errors import FileFormatError, LayoutError, OutputError
from napari_qpm.files import write_atomically
from napari_qpm.io.angle_names import natural_key
from napari_qpm.io.whole_file import whole_file

__all__ = [
    "SEG_SUFFIX",
    "LabelFile",
    "is_seg_file",
    "open_labels",
    "read_labels",
    "write_labels",
]

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


@dataclass(frozen=True)
class LabelFile:
    """Cells in a file, read frame by frame.

    Parameters
    ----------
    path
        The file or folder.
    shape
        ``(T, Y, X)``.
    frame
        Returns frame `t` as it is stored.
    """

    path: Path
    shape: tuple[int, int, int]
    frame: Callable[[int], NDArray[Any]]

    def read(self, t: int) -> NDArray[np.int32]:
        """Return the cells ``(Y, X)`` of frame `t`; 0 is no cell.

        Raises
        ------
        FileFormatError
            The frame is damaged, or holds no whole numbers.
        """
        return _whole(self.path, self.frame(t))


def open_labels(path: str | Path) -> LabelFile:
    """Return the cells of a mask image or a Cellpose file, to be read as needed.

    Parameters
    ----------
    path
        TIFF, PNG, NPY, NPZ, HDF5 or OME-Zarr of whole numbers, a folder of them,
        ``_seg.npy``, or a folder with one of these for each frame.

    Raises
    ------
    FileFormatError
        The file cannot be read, or holds no cells.
    LayoutError
        It holds several fields of view, or more than one image a frame.
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise FileFormatError(f"There is no file or folder {path}. Check the path.")
    if is_seg_file(place):
        masks = _read_seg(place)
        return LabelFile(place, _three(masks), masks.__getitem__)
    if place.is_dir():
        segs = [one for one in place.iterdir() if is_seg_file(one)]
        if segs:
            return _open_segs(place, sorted(segs, key=natural_key))
    return _open_masks(_labels_inside(place))


def read_labels(
    path: str | Path, shape: tuple[int, int, int] | None = None
) -> NDArray[np.int32]:
    """Return cells ``(T, Y, X)`` of a mask image or a Cellpose file; 0 is no cell.

    Parameters
    ----------
    path
        See `open_labels`.
    shape
        Of the phase that the cells belong to; anything else is refused.

    Raises
    ------
    FileFormatError
        The file cannot be read, or holds no whole numbers.
    LayoutError
        The cells have another shape.
    """
    file = open_labels(path)
    labels = np.stack([file.read(t) for t in range(file.shape[0])])
    if shape is not None and labels.shape != tuple(shape):
        raise LayoutError(
            f"The cells of {file.path} have shape {labels.shape}, the phase has "
            f"{tuple(shape)} (T, Y, X). Choose the cells of this recording."
        )
    return labels


def _open_masks(path: Path) -> LabelFile:
    from napari_qpm.io.formats import read_fields

    fields = read_fields(path, planes=False)
    source = fields[0].source
    t, n_channels, y, x = source.shape
    if len(fields) > 1 or n_channels != 1:
        raise LayoutError(
            f"{path} holds {len(fields)} fields of view of {n_channels} channels; "
            "cells are one image a frame."
        )
    return LabelFile(path, (t, y, x), lambda n: source.read(n)[0])


def _open_segs(folder: Path, paths: Sequence[Path]) -> LabelFile:
    """Return the frames that Cellpose saved in a file each."""
    first = _read_seg(paths[0])

    def frame(t: int) -> NDArray[Any]:
        masks = _read_seg(paths[t])
        if masks.shape != first.shape or len(masks) != 1:
            raise LayoutError(
                f"{paths[t].name} has shape {masks.shape}, {paths[0].name} "
                f"{first.shape}; the files of a folder are one frame each, all alike."
            )
        image: NDArray[Any] = masks[0]
        return image

    return LabelFile(folder, (len(paths), *_three(first)[1:]), frame)


def _three(masks: NDArray[Any]) -> tuple[int, int, int]:
    t, y, x = masks.shape
    return t, y, x


def _labels_inside(path: Path) -> Path:
    """Return the labels that an OME-Zarr image has beside its pixels, if it has any."""
    from napari_qpm.io.zarr_reader import is_zarr, label_names

    if not path.is_dir() or not is_zarr(path):
        return path
    names = label_names(path)
    if len(names) > 1:
        raise LayoutError(
            f"{path} holds the labels {', '.join(names)}. Name one of them, such as "
            f"{path / 'labels' / names[0]}."
        )
    return path / "labels" / names[0] if names else path


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
