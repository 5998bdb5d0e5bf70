"""HDF5 files: those of qpimage and qpformat, and any others by their image datasets.

A file of unknown origin opens as one field of view for each image dataset, so that
`position` chooses among them. The handle is opened where it is used, never pickled.
"""

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.angle_names import natural_key
from napari_qpm.io.axes import ArrayOrder, array_order
from napari_qpm.io.field import RawField
from napari_qpm.io.numpy_file import DATA_KEYS, REFERENCE_KEYS

if TYPE_CHECKING:
    import h5py

__all__ = ["HDF5_ERRORS", "DatasetSource", "SeriesSource", "damaged", "read_hdf5"]

HDF5_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    RuntimeError,
    MemoryError,
    OverflowError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    SystemError,
)
"""What h5py raises, depending on where the damage is."""

_MOST_OBJECTS = 20_000
_SMALLEST_SIDE = 8
"""Datasets with fewer rows or columns are tables and curves, not images."""


def damaged(path: Path, error: Exception) -> FileFormatError:
    """Return the error for an HDF5 file that h5py cannot read."""
    return FileFormatError(
        f"{path} is not a readable HDF5 file ({_first_line(error)}). It is damaged or "
        "was copied incompletely; copy it again."
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


class _Handle:
    """The open file of a source; opened at first use, in each process anew."""

    def __init__(self, path: Path):
        self.path = path
        self.lock = threading.Lock()
        self._file: h5py.File | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Handle, (self.path,)

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def file(self) -> Any:
        """The file; the caller holds the lock."""
        import h5py

        if self._file is None:
            self._file = h5py.File(self.path, "r")
        return self._file


class SeriesSource:
    """Frames that are one two-dimensional dataset each.

    Parameters
    ----------
    path
        The file.
    names
        Datasets in frame order.
    shape, dtype
        ``(Y, X)`` and type of every dataset.
    backgrounds
        Datasets to take off each frame, as qpimage stores them; empty for none.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        backgrounds: Sequence[tuple[str, ...]] = (),
    ):
        self._names = tuple(names)
        self._size = shape
        self._dtype = np.dtype(dtype)
        self._backgrounds = tuple(backgrounds)
        self._handle = _Handle(path)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return len(self._names), 1, *self._size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels, in the byte order of this machine."""
        native: np.dtype[Any] = self._dtype.newbyteorder("=")
        return native

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        path, name = self._handle.path, self._names[t]
        with self._handle.lock:
            try:
                frame = self._read_one(name)
                for background in self._backgrounds[t] if self._backgrounds else ():
                    frame = frame - np.asarray(self._handle.file[background][()])
            except HDF5_ERRORS as error:
                raise damaged(path, error) from error
        return np.asarray(frame, self.dtype)[None]

    def _read_one(self, name: str) -> NDArray[Any]:
        """Return one dataset; the caller holds the lock."""
        dataset = self._handle.file[name]
        if dataset.shape != self._size:
            raise LayoutError(
                f"{self._handle.path} holds {name} of shape {dataset.shape}, but "
                f"{self._names[0]} has {self._size} (Y, X)."
            )
        return np.asarray(dataset[()])


class DatasetSource:
    """Frames of one dataset.

    Parameters
    ----------
    path
        The file.
    name
        Of the dataset.
    order
        What its axes mean.
    dtype
        Of the dataset.
    """

    def __init__(self, path: Path, name: str, order: ArrayOrder, dtype: np.dtype[Any]):
        self._name = name
        self._order = order
        self._dtype = np.dtype(dtype)
        self._handle = _Handle(path)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return self._order.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels, in the byte order of this machine."""
        native: np.dtype[Any] = self._dtype.newbyteorder("=")
        return native

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        with self._handle.lock:
            try:
                stored = self._handle.file[self._name][self._order.selection(t)]
            except HDF5_ERRORS as error:
                raise damaged(self._handle.path, error) from error
        return np.ascontiguousarray(self._order.frame(stored), self.dtype)


def read_hdf5(path: Path, planes: bool = False) -> list[RawField]:
    """Return every field of view of an HDF5 file.

    Raises
    ------
    FileFormatError
        Not HDF5, damaged, or no images in it.
    LayoutError
        Images of a series differ in size.
    """
    import h5py

    from napari_qpm.io.qpimage_file import (
        is_qpformat,
        is_qpimage,
        read_qpformat,
        read_qpimage,
    )

    try:
        with h5py.File(path, "r") as file:
            if is_qpimage(file):
                return read_qpimage(path, file)
            if is_qpformat(file):
                return read_qpformat(path, file)
            return _read_any(path, file)
    except HDF5_ERRORS as error:
        raise damaged(path, error) from error


def _read_any(path: Path, file: "h5py.File") -> list[RawField]:
    """Return the image datasets of a file that no known program wrote."""
    images = _image_datasets(path, file)
    references = {n: d for n, d in images.items() if _leaf(n) in REFERENCE_KEYS}
    frames = {n: d for n, d in images.items() if n not in references}
    if not frames:
        listed = ", ".join(images) or "no images"
        raise FileFormatError(
            f"{path.name} holds {listed}: there is no recording in it. Images are "
            f"datasets of at least {_SMALLEST_SIDE} rows and columns."
        )
    series = _one_series(frames)
    if series:
        first = frames[series[0]]
        source = SeriesSource(path, series, first.shape, first.dtype)
        notes = (f"The {len(series)} datasets of the file are taken as frames.",)
        fields = [RawField(source=source, reader="HDF5", notes=notes)]
    else:
        names = sorted(frames, key=_rank)
        fields = [_one_dataset(path, n, frames[n], len(names) > 1) for n in names]
    return [_with_own_reference(path, field, references) for field in fields]


def _image_datasets(path: Path, file: "h5py.File") -> dict[str, Any]:
    """Return the datasets that may be images, in natural order."""
    import h5py

    found: dict[str, Any] = {}
    n_objects = 0

    def examine(name: str, thing: Any) -> bool | None:
        nonlocal n_objects
        n_objects += 1
        is_image = (
            isinstance(thing, h5py.Dataset)
            and thing.dtype.kind in "uifb"
            and 2 <= thing.ndim <= 4
            and sorted(thing.shape)[-2] >= _SMALLEST_SIDE
            and 0 not in thing.shape
        )
        if is_image:
            found[name] = thing
        # visititems stops at anything but None.
        return True if n_objects >= _MOST_OBJECTS else None

    file.visititems(examine)
    return {name: found[name] for name in sorted(found, key=_natural)}


def _natural(name: str) -> list[Any]:
    return natural_key(Path(name.replace(".", "_")))


def _leaf(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _rank(name: str) -> tuple[int, list[Any]]:
    """Return a sort key that puts datasets named like recordings first."""
    leaf = _leaf(name)
    rank = DATA_KEYS.index(leaf) if leaf in DATA_KEYS else len(DATA_KEYS)
    return rank, _natural(name)


def _one_series(frames: dict[str, Any]) -> list[str]:
    """Return all names when they are numbered images of one size, else nothing."""
    stems = {re.sub(r"\d+", "#", name) for name in frames}
    kinds = {(dataset.shape, dataset.dtype) for dataset in frames.values()}
    is_series = len(frames) > 1 and len(stems) == 1 and len(kinds) == 1
    if not is_series or any(len(shape) != 2 for shape, _ in kinds):
        return []
    return list(frames)


def _one_dataset(path: Path, name: str, dataset: Any, is_one_of_many: bool) -> RawField:
    dtype = np.dtype(np.uint8) if dataset.dtype.kind == "b" else dataset.dtype
    source = DatasetSource(path, name, array_order(path, dataset.shape), dtype)
    position = name if is_one_of_many else ""
    return RawField(source=source, reader="HDF5", position=position)


def _with_own_reference(
    path: Path, field: RawField, references: dict[str, Any]
) -> RawField:
    """Return the field with the one dataset that fits it and is named a reference."""
    from dataclasses import replace

    size = field.source.shape[-2:]
    fitting = [name for name, d in references.items() if d.shape == size]
    if len(fitting) != 1:
        return field
    note = f"The reference frame is {fitting[0]!r} of the file."
    reference = np.asarray(references[fitting[0]][()])
    return replace(field, reference=reference, notes=(*field.notes, note))
