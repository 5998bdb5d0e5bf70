"""Which reader opens which path, and errors for the paths that none can open."""

import errno
from pathlib import Path

from napari_qpm.errors import FileFormatError
from napari_qpm.io.archive import archive_problem
from napari_qpm.io.field import RawField, Reader
from napari_qpm.io.koala import preview_problem

__all__ = [
    "READABLE_SUFFIXES",
    "UNCOMMON_SUFFIXES",
    "is_own_result",
    "read_fields",
    "reader_of",
]

_TIFF = (".tif", ".tiff", ".btf", ".tf8", ".tf2")
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
_HDF5 = (".h5", ".hdf5", ".hdf", ".he5")
READABLE_SUFFIXES = (
    *_TIFF,
    *_PICTURES,
    ".npy",
    ".npz",
    *_HDF5,
    ".bin",
    ".nd2",
    ".zarr",
)
"""What can be read, besides folders of these."""
UNCOMMON_SUFFIXES = (".npz", *_HDF5, ".bin", ".nd2")
"""Suffixes that napari itself does not open."""


def reader_of(path: Path) -> Reader | None:
    """Return the reader of a single file by its suffix; `None` when there is none."""
    suffix = path.suffix.lower()
    if suffix in _TIFF:
        from napari_qpm.io.tiff import read_tiff

        return read_tiff
    if suffix in _PICTURES:
        from napari_qpm.io.picture import read_picture

        return read_picture
    if suffix in (".npy", ".npz"):
        from napari_qpm.io.numpy_file import read_npy, read_npz

        return read_npy if suffix == ".npy" else read_npz
    if suffix in _HDF5:
        from napari_qpm.io.hdf5 import read_hdf5

        return read_hdf5
    if suffix == ".bin":
        from napari_qpm.io.koala import read_koala

        return read_koala
    if suffix == ".nd2":
        from napari_qpm.io.nd2_file import read_nd2

        return read_nd2
    return None


def read_fields(
    path: Path, planes: bool, skip: tuple[Path, ...] = ()
) -> list[RawField]:
    """Return every field of view of a file or folder.

    Parameters
    ----------
    path
        An existing file or folder.
    planes
        Whether a Z axis counts channels (through-focus).
    skip
        Files of a folder that are no frames, such as the reference.

    Raises
    ------
    FileFormatError
        Nothing can read it, it is empty, or access is denied.
    """
    try:
        if path.is_dir():
            return _read_directory(path, planes, skip)
        return _read_file(path, planes)
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_file(path: Path, planes: bool) -> list[RawField]:
    problem = archive_problem(path, READABLE_SUFFIXES)
    if problem:
        raise FileFormatError(problem)
    reader = reader_of(path)
    if reader is None:
        raise FileFormatError(
            f"{path.name} cannot be read: {path.suffix or 'a file without suffix'} is "
            f"not known. Readable are {', '.join(READABLE_SUFFIXES)}, and folders of "
            "numbered frames."
        )
    if path.name.lower().endswith("_seg.npy"):
        raise FileFormatError(
            f"{path} holds cells that Cellpose found, no recording. Drop it into "
            "napari, or read it with read_labels."
        )
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path} is empty (0 bytes). Copy it again.")
    fields = reader(path, planes)
    problem = preview_problem(path, fields[0].source.dtype)
    if problem:
        raise FileFormatError(problem)
    return fields


def _read_directory(path: Path, planes: bool, skip: tuple[Path, ...]) -> list[RawField]:
    from napari_qpm.io.folder import read_folder
    from napari_qpm.io.zarr_reader import is_zarr, read_zarr

    if path.suffix.lower() == ".zarr" or is_zarr(path):
        return read_zarr(path, planes)
    return read_folder(path, skip, planes)


def is_own_result(path: Path) -> bool:
    """Return whether a path is an OME-Zarr that this package wrote."""
    from napari_qpm.io.zarr_reader import is_zarr, own_record

    return path.is_dir() and is_zarr(path) and own_record(path) is not None


def _unreadable(path: Path, error: OSError) -> FileFormatError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return FileFormatError(
            f"You are not allowed to read {error.filename or path}. Change its "
            "permissions, or copy it to a folder of yours."
        )
    reason = error.strerror or str(error)
    return FileFormatError(f"{error.filename or path} cannot be read: {reason}.")
