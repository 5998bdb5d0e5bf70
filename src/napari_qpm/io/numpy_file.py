"""NPY (memory-mapped) and NPZ files, a reference and instrument values by key."""

import struct
import threading
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Instrument
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.axes import array_order
from napari_qpm.io.field import RawField

__all__ = ["ArrayFileSource", "read_npy", "read_npz"]

DATA_KEYS = (
    "data",
    "frames",
    "hologram",
    "holograms",
    "raw",
    "images",
    "image",
    "phase",
    "arr_0",
)
REFERENCE_KEYS = ("bg_data", "reference", "ref", "background", "bg", "blank")

_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    SyntaxError,
    OSError,
    EOFError,
    MemoryError,
    OverflowError,
    NotImplementedError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and the zip module raise, depending on where the damage is."""


class ArrayFileSource:
    """An array in a NumPy file, mapped or loaded at first use.

    Parameters
    ----------
    path
        The file.
    key
        Array inside an NPZ; empty for NPY.
    shape, dtype
        From the header.
    """

    def __init__(self, path: Path, key: str, shape: tuple[int, ...], dtype: Any):
        self._arguments = (path, key, shape, dtype)
        self._order = array_order(path, shape)
        self._dtype = np.dtype(dtype)
        self._lock = threading.Lock()
        self._array: NDArray[Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return ArrayFileSource, self._arguments

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
        with self._lock:
            if self._array is None:
                self._array = _load(*self._arguments[:2])
        stored = self._array[self._order.selection(t)]
        return np.array(self._order.frame(stored), self.dtype)


def _load(path: Path, key: str) -> NDArray[Any]:
    try:
        if not key:
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[key])
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(
        f"{path} is not a readable NumPy file ({error}). Save it again with "
        "numpy.save or numpy.savez, without Python objects."
    )


def _header(file: Any, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of the array that starts here, checked."""
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    if dtype.kind == "c":
        raise LayoutError(
            f"{path.name} holds complex numbers. Save the phase (numpy.angle) as "
            "float32, or the raw hologram."
        )
    if dtype.kind not in "uifb":
        raise LayoutError(
            f"{path.name} holds {dtype} values; frames are integers or floats."
        )
    return tuple(shape), np.dtype(np.uint8) if dtype.kind == "b" else dtype


def read_npy(path: Path, planes: bool = False) -> list[RawField]:
    """Return the one field of view of an NPY file, memory-mapped."""
    with path.open("rb") as file:
        shape, dtype = _header(file, path)
        missing = file.tell() + int(np.prod(shape)) * dtype.itemsize
        missing -= path.stat().st_size
    if missing > 0:
        raise FileFormatError(
            f"{path} ends {missing} bytes before its array is complete. Copy it again."
        )
    return [RawField(source=ArrayFileSource(path, "", shape, dtype), reader="NPY")]


def read_npz(path: Path, planes: bool = False) -> list[RawField]:
    """Return the one field of view of an NPZ file.

    Raises
    ------
    FileFormatError
        The file is damaged, or it is not clear which of its arrays is the recording.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {}
            for member in archive.namelist():
                with archive.open(member) as file:
                    headers[member.removesuffix(".npy")] = _header(file, path)
    except PermissionError:
        raise
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    key = _data_key(path, headers)
    reference_key = next((k for k in REFERENCE_KEYS if k in headers and k != key), "")
    instrument = {
        name: _load(path, name).tolist()
        for name in Instrument.__dataclass_fields__
        if name in headers and np.prod(headers[name][0]) <= 4
    }
    used = {key, reference_key, *instrument}
    unused = [name for name in headers if name not in used]
    notes = [f"Not read from the file: {', '.join(unused)}."] if unused else []
    reference = _load(path, reference_key) if reference_key else None
    if reference is not None:
        notes.append(f"The reference frame is {reference_key!r} of the file.")
    source = ArrayFileSource(path, key, *headers[key])
    return [
        RawField(
            source=source,
            reader="NPZ",
            instrument=instrument,
            notes=tuple(notes),
            reference=reference,
        )
    ]


def _data_key(path: Path, headers: dict[str, Any]) -> str:
    """Return the key of the recording in an NPZ file."""
    images = {
        k: shape
        for k, (shape, _) in headers.items()
        if len(shape) >= 2 and k not in REFERENCE_KEYS
    }
    for key in DATA_KEYS:
        if key in images:
            return key
    if len(images) == 1:
        return next(iter(images))
    listed = ", ".join(f"{k} {shape}" for k, (shape, _) in headers.items()) or "nothing"
    raise FileFormatError(
        f"{path.name} holds {listed}: it is not clear which is the recording. "
        "Name its array 'data' and the empty field 'reference'."
    )
