"""Folders of numbered frames, or of images named by polarizer angle.

Frames come in natural order (2 before 10). Gaps in the numbers are told, never closed
silently, and every header is checked at opening, so that a frame of another size is
named at once.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import FrameSource, Modality
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.field import GroupedSource, RawField

__all__ = ["FolderSource", "natural_key", "read_folder"]

_ANGLES = (0, 45, 90, 135)
_ANGLE_NAME = re.compile(r"^(.*?)(0|00|000|45|045|90|090|135)(?:deg)?$", re.IGNORECASE)
_FRAME_SUFFIXES = {
    ".tif",
    ".tiff",
    ".btf",
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".npy",
}


def natural_key(path: Path) -> list[Any]:
    """Return a sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.stem.lower())
    return [int(part) if part.isdecimal() else part for part in parts]


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


def read_folder(path: Path, skip: Sequence[Path] = ()) -> list[RawField]:
    """Return the one field of view of a folder of frames.

    Parameters
    ----------
    path
        The folder; its subfolders are not searched.
    skip
        Files that are no frames.

    Raises
    ------
    FileFormatError
        The folder holds no images.
    LayoutError
        Images of different size or type, files of several frames, a missing angle.
    """
    images, others = _frame_files(path, {p.absolute() for p in skip})
    first = _open_frame(images[0])
    source = _checked_source(images)
    notes = list(first.notes)
    if others:
        notes.append(f"Not used as frames: {_listed([p.name for p in others])}.")
    by_angle = _angle_order(path, images)
    if by_angle is not None:
        ordered = FolderSource(by_angle, source.shape[1:], source.dtype)
        notes.append("The polarizer angles are taken from the file names.")
        return [
            RawField(
                source=GroupedSource(ordered, 4),
                reader="folder",
                instrument={**first.instrument, "polarization_layout": _ANGLES},
                notes=tuple(notes),
                modality=Modality.POLARIZATION,
            )
        ]
    notes += _gap_notes(images)
    return [
        RawField(
            source=source,
            reader="folder",
            instrument=first.instrument,
            notes=tuple(notes),
        )
    ]


def _frame_files(path: Path, skip: set[Path]) -> tuple[list[Path], list[Path]]:
    """Return the images of a folder in natural order, and images that are no frames."""
    files = [
        p
        for p in path.iterdir()
        if p.suffix.lower() in _FRAME_SUFFIXES
        and p.is_file()
        and not p.name.startswith(".")
        and p.absolute() not in skip
    ]
    if not files:
        raise FileFormatError(
            f"The folder {path} holds no images to read "
            f"({', '.join(sorted(_FRAME_SUFFIXES))}). Choose the folder of frames."
        )
    numbered = [p for p in files if re.search(r"\d", p.stem)]
    others: list[Path] = []
    if numbered and len(numbered) < len(files):
        others = sorted(set(files) - set(numbered))
        files = numbered
    return sorted(files, key=natural_key), others


def _open_frame(path: Path) -> RawField:
    from napari_qpm.io.formats import reader_of

    reader = reader_of(path)
    assert reader is not None, path
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path} is empty (0 bytes). Remove it or copy it again.")
    fields = reader(path, False)
    if len(fields) > 1 or fields[0].source.shape[0] != 1:
        raise LayoutError(
            f"{path} holds several frames, but a folder is read as one frame a file. "
            "Open the files one by one."
        )
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


def _angle_order(path: Path, files: Sequence[Path]) -> list[Path] | None:
    """Return files as 0, 45, 90, 135 of each frame when their names end in angles.

    Raises
    ------
    LayoutError
        Names end in angles, but one angle is missing.
    """
    frames: dict[str, dict[int, Path]] = {}
    for file in files:
        match = _ANGLE_NAME.match(file.stem)
        if match is None or match[1][-1:].isdecimal():
            return None
        frames.setdefault(match[1], {})[int(match[2])] = file
    found = {angle for angles in frames.values() for angle in angles}
    if len(found) < 3:
        return None
    ordered = []
    for prefix, angles in sorted(
        frames.items(), key=lambda kv: natural_key(Path(kv[0]))
    ):
        missing = [str(angle) for angle in _ANGLES if angle not in angles]
        if missing:
            where = f"for {prefix!r} " if len(frames) > 1 else ""
            raise LayoutError(
                f"The folder {path} holds images of {len(angles)} polarizer angles "
                f"{where}(by their names); {', '.join(missing)} degrees is missing. "
                "Four are needed."
            )
        ordered += [angles[angle] for angle in _ANGLES]
    return ordered


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
