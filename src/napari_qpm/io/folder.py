"""Folders of numbered frames, of images named by polarizer angle, or of stacks.

Frames come in natural order (2 before 10). Gaps in the numbers are told, never closed
silently, and every header is checked at opening, so that a frame of another size is
named at once.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import FrameSource, Modality
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.angle_names import ANGLES, natural_key, order_by_angle
from napari_qpm.io.field import GroupedSource, RawField
from napari_qpm.io.frame_names import group_channels
from napari_qpm.io.koala import koala_times, preview_problem
from napari_qpm.io.micromanager import read_metadata_text
from napari_qpm.io.plausible import require_plausible

__all__ = ["FolderSource", "first_part", "read_folder"]

_FRAME_SUFFIXES = {
    ".tif",
    ".tiff",
    ".btf",
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".npy",
    ".bin",
}

_CELLS = ("_seg.npy", "_cp_masks.png", "_cp_masks.tif")
"""Endings of what Cellpose puts beside the images it was given."""


class FolderSource:
    """Single-frame files of one folder as frames, opened one at a time.

    Parameters
    ----------
    files
        In frame order.
    shape, dtype
        ``(C, Y, X)`` and type of every file.
    """

    def __init__(
        self, files: Sequence[Path], shape: tuple[int, int, int], dtype: np.dtype[Any]
    ):
        self._files = tuple(files)
        self._shape = shape
        self._dtype = dtype

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return (len(self._files), *self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        return self._dtype

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        path = self._files[t]
        try:
            frame = _open_frame(path).source.read(0)
        except OSError as error:
            raise FileFormatError(
                f"{path} cannot be read any more: {error.strerror or error}."
            ) from error
        if frame.shape != self._shape:
            raise _wrong_size(path, frame.shape, self._files[0], self._shape)
        return frame


def read_folder(
    path: Path, skip: Sequence[Path] = (), planes: bool = False
) -> list[RawField]:
    """Return the fields of view of a folder of frames.

    A folder of stacks holds one field of view in each, and so does a folder of folders
    of frames, unless these are named by angle.

    Parameters
    ----------
    path
        The folder.
    skip
        Files that are no frames.
    planes
        Whether a Z axis of stacks counts channels.

    Raises
    ------
    FileFormatError
        The folder holds no images.
    LayoutError
        Images of different size or type, a missing angle.
    """
    hidden = {p.absolute() for p in skip}
    if not _images(path, hidden):
        return _read_subfolders(path, hidden)
    images, others = _frame_files(path, hidden)
    if _is_stack(images[0]):
        return _read_stacks(images, planes)
    return [_read_frames(path, images, others)]


def _read_frames(
    path: Path, images: list[Path], others: Sequence[Path] = ()
) -> RawField:
    """Return the one field of view of single-frame files."""
    first = _open_frame(images[0])
    source = _checked_source(images)
    notes = list(first.notes)
    if others:
        notes.append(f"Not used as frames: {_listed([p.name for p in others])}.")
    by_angle = order_by_angle(path, images)
    if by_angle is not None:
        return _angles(by_angle, source, first, notes)
    ordered, names = group_channels(images)
    if names:
        frames = FolderSource(ordered, source.shape[1:], source.dtype)
        source = GroupedSource(frames, len(names))
    else:
        notes += _gap_notes(images)
    facts = read_metadata_text(path)
    known = {name: value for name, value in facts.instrument.items() if value}
    stated = facts.channel_names
    return RawField(
        source=source,
        reader="folder" if first.modality is None else f"folder, {first.reader}",
        instrument=first.instrument | known,
        notes=(*notes, *facts.notes),
        modality=first.modality,
        channel_names=stated if len(stated) == len(names) else names,
        has_opacity=first.has_opacity,
        times_s=koala_times(path, images) or facts.times_s,
    )


def _angles(
    files: Sequence[Path], source: FrameSource, first: RawField, notes: list[str]
) -> RawField:
    ordered = FolderSource(files, source.shape[1:], source.dtype)
    notes.append("The polarizer angles are taken from the file names.")
    return RawField(
        source=GroupedSource(ordered, len(ANGLES)),
        reader="folder",
        instrument={**first.instrument, "polarization_layout": ANGLES},
        notes=tuple(notes),
        modality=Modality.POLARIZATION,
    )


def first_part(path: Path) -> Path:
    """Return the folder inside that tells what a folder of folders holds.

    Looking at one is enough to say whether they are recordings; a tree of pictures may
    have thousands.
    """
    if not path.is_dir() or _images(path, set()):
        return path
    folders = _subfolders(path, set())
    by_angle = order_by_angle(path, folders) if len(folders) == len(ANGLES) else None
    return folders[0] if folders and by_angle is None else path


def _subfolders(path: Path, hidden: set[Path]) -> list[Path]:
    """Return folders inside that hold images, in natural order."""
    inside = [p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return sorted((p for p in inside if _images(p, hidden)), key=natural_key)


def _read_subfolders(path: Path, hidden: set[Path]) -> list[RawField]:
    """Return folders inside as angles of one field of view, or as one each."""
    folders = _subfolders(path, hidden)
    if not folders:
        raise FileFormatError(
            f"The folder {path} holds no images to read "
            f"({', '.join(sorted(_FRAME_SUFFIXES))}). Choose the folder of frames."
        )
    by_angle = order_by_angle(path, folders) if len(folders) == len(ANGLES) else None
    if by_angle is None:
        return [
            dataclasses.replace(field, position=f"{p.name} {field.position}".strip())
            for p in folders
            for field in read_folder(p, tuple(hidden))
        ]
    series = [_frame_files(p, hidden)[0] for p in by_angle]
    counts = [len(files) for files in series]
    if len(set(counts)) > 1:
        listed = ", ".join(
            f"{p.name}: {n}" for p, n in zip(by_angle, counts, strict=True)
        )
        raise LayoutError(
            f"The folders of polarizer angles in {path} hold different numbers of "
            f"images ({listed}). Remove the incomplete frames."
        )
    files = [file for frame in zip(*series, strict=True) for file in frame]
    return [_angles(files, _checked_source(files), _open_frame(files[0]), [])]


def _is_stack(file: Path) -> bool:
    fields = _read_one(file, planes=False)
    return len(fields) > 1 or fields[0].source.shape[0] > 1


def _read_stacks(files: Sequence[Path], planes: bool) -> list[RawField]:
    """Return the fields of view of stacks; parts of a set that one opens come once."""
    if all("_MMStack" in file.name for file in files):
        first = _read_one(files[0], planes)
        if len(first) > 1:
            return first
    several = len(files) > 1
    return [
        dataclasses.replace(field, position=f"{file.stem} {field.position}".strip())
        if several
        else field
        for file in files
        for field in _read_one(file, planes)
    ]


def _images(path: Path, skip: set[Path]) -> list[Path]:
    """Return the image files of a folder; its subfolders are not searched."""
    return [
        p
        for p in path.iterdir()
        if p.suffix.lower() in _FRAME_SUFFIXES
        and p.is_file()
        and not p.name.startswith(".")
        and not p.name.lower().endswith(_CELLS)
        and p.absolute() not in skip
    ]


def _frame_files(path: Path, skip: set[Path]) -> tuple[list[Path], list[Path]]:
    """Return the images of a folder in natural order, and images that are no frames."""
    files = _images(path, skip)
    numbered = [p for p in files if re.search(r"\d", p.stem)]
    others: list[Path] = []
    if numbered and len(numbered) < len(files):
        others = sorted(set(files) - set(numbered))
        files = numbered
    return sorted(files, key=natural_key), others


def _read_one(path: Path, planes: bool) -> list[RawField]:
    """Return the fields of view of one file of the folder."""
    from napari_qpm.io.formats import reader_of

    reader = reader_of(path)
    assert reader is not None, path
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path} is empty (0 bytes). Remove it or copy it again.")
    return reader(path, planes)


def _open_frame(path: Path) -> RawField:
    """Return the only frame of a file."""
    fields = _read_one(path, planes=False)
    if len(fields) > 1 or fields[0].source.shape[0] != 1:
        raise LayoutError(
            f"{path} holds several frames, others in its folder hold one. Keep stacks "
            "and single frames in folders of their own."
        )
    problem = preview_problem(path, fields[0].source.dtype)
    if problem:
        raise FileFormatError(problem)
    require_plausible(path, fields[0].source)
    return fields[0]


def _checked_source(files: Sequence[Path]) -> FrameSource:
    """Return the frames of files whose headers agree in size and type."""
    first = _open_frame(files[0]).source
    for path in files[1:]:
        source = _open_frame(path).source
        if source.shape[1:] != first.shape[1:]:
            raise _wrong_size(path, source.shape[1:], files[0], first.shape[1:])
        if source.dtype != first.dtype:
            raise LayoutError(
                f"{path} holds {source.dtype} pixels, {files[0].name} {first.dtype}. "
                "Keep frames of one recording in a folder of their own."
            )
    return FolderSource(files, first.shape[1:], first.dtype)


def _wrong_size(
    path: Path, shape: tuple[int, ...], first: Path, expected: tuple[int, ...]
) -> LayoutError:
    return LayoutError(
        f"{path} has shape {shape}, but {first.name} has {expected} (C, Y, X). Keep "
        "frames of one recording in a folder of their own."
    )


def _gap_notes(files: Sequence[Path]) -> list[str]:
    """Return a note on numbers that are missing in a numbered series."""
    last = [re.findall(r"\d+", p.stem) for p in files]
    if any(not found for found in last):
        return []
    numbers = {int(found[-1]) for found in last}
    if len(numbers) != len(files):
        return []
    missing = sorted(set(range(min(numbers), max(numbers) + 1)) - numbers)
    if not missing or len(missing) >= len(numbers):
        return []
    listed = _listed([str(number) for number in missing])
    note = f"Frames are missing from the numbering: {listed}. The others are joined up."
    return [note]


def _listed(names: Sequence[str], most: int = 8) -> str:
    text = ", ".join(names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"
