"""PNG, JPEG and BMP pictures: one frame each, decoded at first use.

Headers are read by hand, so that opening costs some hundred bytes, and a JPEG that is
named .bmp is still known to be lossy. Decoding is imagecodecs': it keeps 16-bit RGB.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import FileFormatError
from napari_qpm.io.field import RawField

__all__ = [
    "LOSSY_NOTE",
    "PictureHeader",
    "PictureSource",
    "read_header",
    "read_picture",
    "read_pixels",
]

LOSSY_NOTE = (
    "JPEG compression is lossy: it changes the fringes, so phase and dry mass are less "
    "certain than the camera allows. Record as TIFF or PNG when you can."
)
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class PictureHeader:
    """What the header of a picture says.

    Parameters
    ----------
    kind
        ``"PNG"``, ``"JPEG"`` or ``"BMP"``, by content.
    shape
        ``(C, Y, X)`` with grey = 1, grey + alpha = 2, RGB = 3, RGB + alpha = 4.
    dtype
        Type of the decoded pixels.
    """

    kind: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]


def read_header(path: Path) -> PictureHeader:
    """Return kind, shape and type of a picture from its first bytes.

    Raises
    ------
    FileFormatError
        The content is neither PNG, JPEG nor BMP, or breaks off in the header.
    """
    with path.open("rb") as file:
        head = file.read(32)
        try:
            if head.startswith(b"\x89PNG\r\n\x1a\n"):
                return _png_header(head)
            if head.startswith(b"\xff\xd8"):
                file.seek(2)
                return _jpeg_header(file.read(1 << 20))
            if head.startswith(b"BM"):
                return _bmp_header(head)
        except (struct.error, KeyError, IndexError) as error:
            raise FileFormatError(
                f"{path} breaks off inside its header. Copy it again from the camera."
            ) from error
    raise FileFormatError(
        f"{path} is named like a picture but is neither PNG, JPEG nor BMP. "
        "Check that it was not renamed or cut."
    )


def _png_header(head: bytes) -> PictureHeader:
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    dtype = np.dtype(np.uint16 if bits == 16 else np.uint8)
    return PictureHeader("PNG", (_PNG_CHANNELS[colour], height, width), dtype)


def _jpeg_header(data: bytes) -> PictureHeader:
    at = 0
    while True:
        if data[at] != 0xFF:
            raise IndexError(at)
        marker = data[at + 1]
        if marker in _JPEG_FRAMES:
            bits, height, width, channels = struct.unpack(
                ">BHHB", data[at + 4 : at + 10]
            )
            dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
            return PictureHeader("JPEG", (channels, height, width), dtype)
        if marker == 0xFF:
            at += 1
            continue
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        at += 2 + length


def _bmp_header(head: bytes) -> PictureHeader:
    width, height, _, bits = struct.unpack("<iiHH", head[18:30])
    channels = {1: 1, 4: 1, 8: 1, 24: 3, 32: 4}[bits]
    return PictureHeader("BMP", (channels, abs(height), width), np.dtype(np.uint8))


def read_pixels(path: Path, header: PictureHeader) -> NDArray[Any]:
    """Return the decoded picture as ``(C, Y, X)``.

    Raises
    ------
    FileFormatError
        The file is truncated or damaged.
    """
    import imagecodecs

    decode = {
        "PNG": imagecodecs.png_decode,
        "JPEG": imagecodecs.jpeg_decode,
        "BMP": imagecodecs.bmp_decode,
    }[header.kind]
    try:
        pixels = np.asarray(decode(path.read_bytes()))
    except (RuntimeError, ValueError, IndexError, MemoryError) as error:
        raise FileFormatError(
            f"{path} is a damaged or truncated {header.kind} file and cannot be "
            f"decoded ({error}). Copy it again from the camera."
        ) from error
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


class PictureSource:
    """One picture as one frame; decoded once, then kept.

    Parameters
    ----------
    path
        The file.
    header
        Its `read_header`.
    """

    def __init__(self, path: Path, header: PictureHeader):
        self._path = path
        self._header = header
        self._pixels: NDArray[Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return PictureSource, (self._path, self._header)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return (1, *self._header.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        return self._header.dtype

    def read(self, t: int) -> NDArray[Any]:
        """Return the frame as ``(C, Y, X)``."""
        if self._pixels is None:
            pixels = read_pixels(self._path, self._header)
            # A palette may decode to more channels than the header promises: opacity.
            self._pixels = pixels[: self._header.shape[0]]
        return self._pixels


def read_picture(path: Path, planes: bool = False) -> list[RawField]:
    """Return the one field of view of a PNG, JPEG or BMP file."""
    header = read_header(path)
    notes = [LOSSY_NOTE] if header.kind == "JPEG" else []
    return [
        RawField(
            source=PictureSource(path, header),
            reader=header.kind,
            notes=tuple(notes),
            has_opacity=header.shape[0] in (2, 4),
        )
    ]
