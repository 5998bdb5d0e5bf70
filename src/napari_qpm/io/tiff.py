"""TIFF in its dialects: multi-page, BigTIFF, OME, ImageJ, Micro-Manager, compressed.

What the pages hold is believed over what a description claims. Uncompressed frames are
read straight from their offset (0.3 ms a megapixel), others are decoded by tifffile; a
lock makes one handle serve all threads.
"""

import contextlib
import logging
import math
import struct
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.axes import FrameAxes, plan_axes
from napari_qpm.io.field import RawField
from napari_qpm.io.tiff_metadata import instrument_from_tiff

__all__ = ["TiffSource", "read_tiff"]

_PARSE_ERRORS = (
    tifffile.TiffFileError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    struct.error,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    MemoryError,
)
"""What tifffile and its codecs raise, depending on where the damage is."""

_POSITION_KINDS = {"ome", "shaped", "mmstack", "ndtiff", "mdgel", "micromanager"}
"""Series of these are fields of view; series of others are pages of mixed sizes."""

_TRAILER_BYTES = 64
"""Room for alignment between the last frame and the page list of a cut file."""


@contextlib.contextmanager
def _quiet_parser() -> Iterator[None]:
    """Keep tifffile from logging, on this thread, what we tell as notes and errors."""
    thread = threading.get_ident()

    def is_other_thread(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger = logging.getLogger("tifffile")
    logger.addFilter(is_other_thread)
    try:
        yield
    finally:
        logger.removeFilter(is_other_thread)


class _OpenTiff:
    """An open TIFF that several sources share; closed with the last of them."""

    def __init__(self, path: Path):
        try:
            with _quiet_parser():
                self.tif = tifffile.TiffFile(path)
        except _PARSE_ERRORS as error:
            raise FileFormatError(
                f"{path} is not a readable TIFF file ({error}). Check that it was "
                "copied completely and not renamed."
            ) from error
        self.lock = threading.RLock()
        self.bytes = path.stat().st_size
        weakref.finalize(self, self.tif.close)


@dataclass(frozen=True)
class _Pages:
    """Where the frames of one field of view lie.

    Parameters
    ----------
    keyframe
        Page that all others equal in shape and type.
    axes
        Frames and channels over the pages.
    pages
        Sequence of pages; may be shorter than the frames when `offset` is given.
    offset
        Byte where all frames lie back to back, or `None`.
    """

    keyframe: Any
    axes: FrameAxes
    pages: Any
    offset: int | None


class TiffSource:
    """Frames of one field of view in a TIFF file.

    Parameters
    ----------
    path
        The file.
    position
        Which field of view.
    planes
        Whether Z counts channels.
    handle, pages
        Open file and layout, from `read_tiff`.
    """

    def __init__(
        self, path: Path, position: int, planes: bool, handle: _OpenTiff, pages: _Pages
    ):
        self._path = path
        self._origin = (path, position, planes)
        self._handle = handle
        self._pages = pages
        keyframe = pages.keyframe
        self._samples = _n_samples(keyframe)
        if self._samples > 1 and pages.axes.n_channels > 1:
            raise LayoutError(
                f"{path.name} has {pages.axes.n_channels} channels of "
                f"{self._samples} colours each. Save one channel."
            )
        self._stored = np.dtype(keyframe.dtype).newbyteorder(handle.tif.byteorder)
        self._is_raw = _is_raw(keyframe)
        y, x = (
            keyframe.shape[keyframe.axes.index("Y")],
            keyframe.shape[keyframe.axes.index("X")],
        )
        self._shape = (
            pages.axes.n_frames,
            max(self._samples, pages.axes.n_channels),
            int(y),
            int(x),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, self._origin

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels, in the byte order of this machine."""
        native: np.dtype[Any] = self._stored.newbyteorder("=")
        return native

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        axes = self._pages.axes
        planes = [self._read_page(axes.ravel(t, c)) for c in range(axes.n_channels)]
        if self._samples == 1:
            return planes[0][None] if len(planes) == 1 else np.stack(planes)
        return np.ascontiguousarray(
            np.moveaxis(planes[0], self._pages.keyframe.axes.index("S"), 0)
        )

    def _read_page(self, number: int) -> NDArray[Any]:
        keyframe = self._pages.keyframe
        with self._handle.lock:
            if self._is_raw and self._pages.offset is not None:
                return self._read_raw(self._pages.offset + number * keyframe.nbytes)
            try:
                with _quiet_parser():
                    page = self._pages.pages[number]
                if page is None:
                    raise FileFormatError(
                        f"{self._path} does not hold image {number}; the file that "
                        "should is missing. Put all files of the recording together."
                    )
                if self._is_raw and page.parent is self._handle.tif:
                    return self._read_raw(page.dataoffsets[0])
            except _PARSE_ERRORS as error:
                raise self._damaged(number, error) from error
        try:
            with _quiet_parser():
                pixels = page.asarray(lock=self._handle.lock)
            return np.asarray(pixels, self.dtype).reshape(keyframe.shape)
        except _PARSE_ERRORS as error:
            raise self._damaged(number, error) from error

    def _read_raw(self, offset: int) -> NDArray[Any]:
        """Read one uncompressed page; the caller holds the lock."""
        keyframe = self._pages.keyframe
        pixels = np.empty(keyframe.shape, self._stored)
        file = self._handle.tif.filehandle
        file.seek(offset)
        missing = pixels.nbytes - file.readinto(pixels.view(np.uint8))  # type: ignore[arg-type]
        if missing:
            raise FileFormatError(
                f"{self._path} ends inside an image: {missing} bytes are missing. Copy "
                "it again from the camera."
            )
        return pixels.astype(self.dtype, copy=False)

    def _damaged(self, number: int, error: Exception) -> FileFormatError:
        return FileFormatError(
            f"Image {number} of {self._path} cannot be decoded ({error}). "
            "The file is damaged; copy it again from the camera."
        )


def _reopen(path: Path, position: int, planes: bool) -> TiffSource:
    source = read_tiff(path, planes)[position].source
    assert isinstance(source, TiffSource)
    return source


def read_tiff(path: Path, planes: bool = False) -> list[RawField]:
    """Return every field of view of a TIFF file.

    Raises
    ------
    FileFormatError
        Not a TIFF, or not one complete image in it.
    LayoutError
        Pages of different sizes, or more axes than frames and channels.
    """
    handle = _OpenTiff(path)
    try:
        with _quiet_parser():
            return _read_series(path, planes, handle)
    except _PARSE_ERRORS as error:
        raise FileFormatError(
            f"The structure of {path} is damaged ({error}). Copy it again from the "
            "camera."
        ) from error


def _read_series(path: Path, planes: bool, handle: "_OpenTiff") -> list[RawField]:
    series = list(handle.tif.series)
    n_chain = len(handle.tif.pages)
    if not series:
        raise FileFormatError(f"{path} is a TIFF file without images.")
    if len(series) > 1 and series[0].kind not in _POSITION_KINDS:
        _require_one_size(path, series)
    return [
        _field(path, handle, one, number, len(series), n_chain, planes)
        for number, one in enumerate(series)
    ]


def _require_one_size(path: Path, series: list[Any]) -> None:
    sizes = [f"{len(s)} of {s.keyframe.shape} {s.dtype}" for s in series]
    raise LayoutError(
        f"{path} mixes images of different size or type: {'; '.join(sizes)}. "
        "Frames of one recording have one size; split the file."
    )


def _field(
    path: Path,
    handle: _OpenTiff,
    series: Any,
    number: int,
    n_series: int,
    n_chain: int,
    planes: bool,
) -> RawField:
    keyframe = series.keyframe
    _require_pixels(path, keyframe)
    pages, notes = _locate(
        path, handle, series, n_chain if n_series == 1 else 0, planes
    )
    instrument, more = instrument_from_tiff(handle.tif, number)
    notes += [*pages.axes.notes, *more]
    source = TiffSource(path, number, planes, handle, pages)
    if keyframe.extrasamples and _n_samples(keyframe) in (2, 4):
        notes.append("The image has a transparency channel.")
    return RawField(
        source=source,
        reader={"ome": "OME-TIFF", "imagej": "ImageJ TIFF"}.get(series.kind, "TIFF"),
        instrument=instrument,
        notes=tuple(notes),
        is_planar=keyframe.axes.startswith("S"),
        position=(series.name or f"position {number}") if n_series > 1 else "",
    )


def _require_pixels(path: Path, keyframe: Any) -> None:
    axes = keyframe.axes
    if sorted(axes) not in (["X", "Y"], ["S", "X", "Y"]) or 0 in keyframe.shape:
        raise LayoutError(
            f"{path} holds images with axes {axes} {keyframe.shape}; "
            "frames of (Y, X) or (Y, X, colour) can be read."
        )
    if keyframe.dtype is None or keyframe.dtype.kind not in "uif":
        raise LayoutError(
            f"{path} holds {keyframe.dtype or 'unknown'} pixels. Save integers or "
            "floating-point numbers; of a complex field save its phase."
        )


def _n_samples(keyframe: Any) -> int:
    axes = keyframe.axes
    return int(keyframe.shape[axes.index("S")]) if "S" in axes else 1


def _is_raw(keyframe: Any) -> bool:
    """Whether pages are plain pixels that need no decoding."""
    return bool(
        keyframe.compression == 1
        and keyframe.is_contiguous
        and keyframe.fillorder == 1
        and keyframe.bitspersample == keyframe.dtype.itemsize * 8
    )


def _locate(
    path: Path, handle: _OpenTiff, series: Any, n_chain: int, planes: bool
) -> tuple[_Pages, list[str]]:
    """Return where complete frames lie, and a note when their number was misstated.

    `n_chain` is the number of pages that the file really links, or 0 when several
    series share them.
    """
    keyframe = series.keyframe
    letters = series.axes[: max(series.axes.find("Y"), 0)].replace("S", "")
    sizes = tuple(int(series.shape[series.axes.index(k)]) for k in letters)
    pages = series.pages
    offset = series.dataoffset if _is_raw(keyframe) else None
    claimed = math.prod(sizes)
    stated = _stated_images(handle, keyframe, claimed) if n_chain else claimed
    back_to_back = n_chain == 1 and stated > claimed == 1 and _is_raw(keyframe)
    if n_chain > claimed or back_to_back:
        letters, sizes = "I", (stated if back_to_back else n_chain,)
        pages = handle.tif.pages
        offset = keyframe.dataoffsets[0] if back_to_back else None
    wanted = math.prod(sizes)
    if offset is not None:
        held = min(wanted, max(0, (handle.bytes - offset) // keyframe.nbytes))
    else:
        held = _complete_pages(handle, pages, min(wanted, len(pages)))
    axes = plan_axes(letters, sizes, planes=planes, path=path).shortened(held)
    if axes.n_frames == 0:
        raise FileFormatError(
            f"{path} ends before its first image is complete. Copy it again from the "
            "camera."
        )
    notes = _count_notes(stated, claimed, held)
    if n_chain and not notes and _broken_link(handle) is not None:
        notes.append(
            f"The file breaks off after image {held}; how many are missing is unknown."
        )
    if handle.tif.is_ome and series.kind != "ome":
        notes.append("The OME description does not fit the images, which are believed.")
    return _Pages(keyframe, axes, pages, offset), notes


def _count_notes(stated: int, claimed: int, held: int) -> list[str]:
    """Return a note when the header states another number of images than the file."""
    if held < stated:
        note = (
            f"The header states {stated} images, but only {held} are complete in the "
            f"file; missing: {stated - held}. The file was cut short, or its header is "
            "wrong."
        )
        return [note]
    if held > claimed > 1:
        note = (
            f"The header states {claimed} images; the file holds {held}, all are read."
        )
        return [note]
    return []


def _stated_images(handle: _OpenTiff, keyframe: Any, claimed: int) -> int:
    """Return how many images the header announces, those that were cut off included."""
    tif, stated = handle.tif, claimed
    if tif.is_imagej and tif.imagej_metadata:
        stated = max(stated, int(tif.imagej_metadata.get("images", 1)))
    if tif.is_shaped and tif.shaped_metadata:
        shape = tuple(tif.shaped_metadata[0].get("shape", ()))
        if shape[-keyframe.ndim :] == keyframe.shape:
            stated = max(stated, math.prod(shape[: -keyframe.ndim]))
    link = _broken_link(handle)
    if link is not None and len(tif.pages) == 1 and _is_raw(keyframe):
        # Writers put frames back to back and their page list behind them: where the
        # list should begin tells how many frames there were.
        count, rest = divmod(link - keyframe.dataoffsets[0], keyframe.nbytes)
        if rest <= _TRAILER_BYTES:
            stated = max(stated, count)
    return stated


def _broken_link(handle: _OpenTiff) -> int | None:
    """Return where the next page should be when that is behind the end of the file."""
    tif = handle.tif
    at = tif.pages.next_page_offset
    if not at:
        return None
    with handle.lock:
        tif.filehandle.seek(at)
        link = tif.filehandle.read(tif.tiff.offsetsize)
    if len(link) < tif.tiff.offsetsize:
        return None
    (target,) = struct.unpack(tif.tiff.offsetformat, link)
    return int(target) if target >= handle.bytes else None


def _complete_pages(handle: _OpenTiff, pages: Any, n_pages: int) -> int:
    """Return how many of the first `n_pages` pages are in the file completely."""
    while n_pages:
        page = pages[n_pages - 1]
        if page is not None:
            if page.parent is not handle.tif:
                break
            segments = zip(page.dataoffsets, page.databytecounts, strict=False)
            if max((o + n for o, n in segments), default=0) <= handle.bytes:
                break
        n_pages -= 1
    return n_pages
