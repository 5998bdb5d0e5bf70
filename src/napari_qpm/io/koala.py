"""Koala's phase images (``.bin``), as digital holographic microscopes of Lyncée export.

A packed little-endian header of 23 bytes holds the size, the pixel size [m] and the
height scale [m/rad]; float32 pixels follow. Koala's ``Image/*.tif`` are 8-bit pictures
for the eye: `preview_problem` recognises them, because no phase can be had from them.
"""

import contextlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Modality, PhaseUnit
from napari_qpm.errors import FileFormatError
from napari_qpm.io.field import RawField
from napari_qpm.io.units import positive

__all__ = ["KoalaSource", "koala_times", "preview_problem", "read_koala"]

_HEADER = struct.Struct("<BBiiiffB")
_TIMES = "timestamps.txt"
_LARGEST_HEIGHT_SCALE = 1e-4
"""More than 100 um of height a radian is no microscope's."""
_RADIANS, _METRES = 1, 2
_PREVIEW_FOLDERS = ("phase", "intensity", "amplitude")


@dataclass(frozen=True)
class KoalaHeader:
    """Header of a Koala file.

    Parameters
    ----------
    shape
        ``(Y, X)``.
    start
        Byte at which the pixels begin.
    byte_order
        ``"<"`` or ``">"``.
    pixel_size_m, height_scale_m
        Of a pixel, and of one radian; 0 when unknown.
    unit
        1 for radians, 2 for metres of height, others for no phase.
    """

    shape: tuple[int, int]
    start: int
    byte_order: str
    pixel_size_m: float
    height_scale_m: float
    unit: int

    @property
    def radians(self) -> float | None:
        """Factor from pixels to radians; `None` when they are no phase."""
        if self.unit == _RADIANS:
            return 1.0
        if self.unit == _METRES and self.height_scale_m > 0:
            return 1 / self.height_scale_m
        return None


class KoalaSource:
    """The one image of a Koala file.

    Parameters
    ----------
    path
        The file.
    header
        From its first bytes.
    """

    def __init__(self, path: Path, header: KoalaHeader):
        self._path = path
        self._header = header

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return 1, 1, *self._header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    def read(self, t: int) -> NDArray[Any]:
        """Return the frame as ``(C, Y, X)``."""
        header = self._header
        count = header.shape[0] * header.shape[1]
        with self._path.open("rb") as file:
            file.seek(header.start)
            data = file.read(4 * count)
        if len(data) < 4 * count:
            raise _cut(self._path, 4 * count - len(data))
        pixels = np.frombuffer(data, f"{header.byte_order}f4").astype(np.float32)
        factor = header.radians or 1.0
        if factor != 1:
            pixels *= np.float32(factor)
        return pixels.reshape(1, *header.shape)


def read_koala(path: Path, planes: bool = False) -> list[RawField]:
    """Return the one field of view of a Koala file, in radians.

    Raises
    ------
    FileFormatError
        The header is none of Koala's, or the file ends before its image.
    """
    header = _header(path)
    instrument: dict[str, Any] = {"phase_unit": PhaseUnit.RADIANS}
    notes: list[str] = []
    if header.radians is None:
        instrument["phase_unit"] = PhaseUnit.UNKNOWN
        notes.append(
            "Koala does not state the unit of these values: they may be an intensity. "
            "Export the phase in radians."
        )
    elif header.unit == _METRES:
        notes.append(
            "Koala states heights; they are turned back into the phase they came from."
        )
    pixel = positive(header.pixel_size_m)
    if pixel is not None:
        # Stored with 24 bits: nine digits would show the rounding.
        instrument["pixel_size_um"] = float(f"{pixel * 1e6:.7g}")
    notes.append(
        "Koala does not store the wavelength. Say it with wavelength_nm=… to measure "
        "picograms."
    )
    return [
        RawField(
            source=KoalaSource(path, header),
            reader="Koala",
            instrument=instrument,
            notes=tuple(notes),
            modality=Modality.PHASE,
        )
    ]


def _header(path: Path) -> KoalaHeader:
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise _not_koala(path)
    _, _, start, width, height, pixel, scale, unit = _HEADER.unpack(head)
    byte_order = "<"
    if start != _HEADER.size:
        # The header itself is in the byte order of the machine that wrote it.
        _, _, start, width, height, pixel, scale, unit = struct.unpack(
            ">BBiiiffB", head
        )
        byte_order = ">"
    sane = (
        start == _HEADER.size
        and 0 < width < 1 << 20
        and 0 < height < 1 << 20
        and unit <= 4
        and 0 <= scale < _LARGEST_HEIGHT_SCALE
    )
    if not sane:
        raise _not_koala(path)
    missing = start + 4 * width * height - path.stat().st_size
    if missing > 0:
        raise _cut(path, missing)
    return KoalaHeader((height, width), start, byte_order, pixel, scale, unit)


def _not_koala(path: Path) -> FileFormatError:
    return FileFormatError(
        f"{path} is named .bin, but is not a phase image of Koala (its header of 23 "
        "bytes is missing). Export the phase from Koala as .bin."
    )


def _cut(path: Path, missing: int) -> FileFormatError:
    return FileFormatError(
        f"{path} ends {missing} bytes before its image is complete. Copy it again."
    )


def preview_problem(path: Path, dtype: np.dtype[Any]) -> str:
    """Return why a picture is one of Koala's previews; empty when it is none.

    Koala keeps ``Phase/Image/00000_phase.tif`` beside ``Phase/Float/Bin``.
    """
    folder = path.parent
    is_named = path.stem.lower().rpartition("_")[2] in _PREVIEW_FOLDERS
    is_in_image = folder.name.lower() == "image" and (
        folder.parent.name.lower() in _PREVIEW_FOLDERS
    )
    if dtype.itemsize != 1 or not (is_in_image and is_named):
        return ""
    return (
        f"{path} is an 8-bit picture that Koala made for the eye: its grey values are "
        "stretched, so no phase can be had from it. Open the file of the same number "
        f"in {folder.parent / 'Float' / 'Bin'}, or the hologram in Holograms."
    )


def koala_times(folder: Path, files: Sequence[Path]) -> tuple[float, ...]:
    """Return the time [s] of each file of a sequence, from its ``timestamps.txt``.

    A line is number, time of day, date and milliseconds since the start; the list lies
    in the folder of the sequence, up to three levels above the images.
    """
    places = (folder, *folder.absolute().parents[:3])
    found = next((p / _TIMES for p in places if (p / _TIMES).is_file()), None)
    numbers = [re.match(r"\d+", file.stem) for file in files]
    if found is None or not all(numbers):
        return ()
    seconds: dict[int, float] = {}
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in found.read_text("utf-8").splitlines():
            parts = line.split()
            with contextlib.suppress(ValueError, IndexError):
                seconds[int(parts[0])] = float(parts[3]) / 1000
    wanted = [int(match[0]) for match in numbers if match is not None]
    if not set(wanted) <= seconds.keys():
        return ()
    return tuple(seconds[number] for number in wanted)
