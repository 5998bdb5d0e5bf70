"""The open TIFF file, and where complete frames lie in it."""

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

import tifffile

from napari_qpm.errors import FileFormatError
from napari_qpm.io.axes import FrameAxes, plan_axes

__all__ = ["PARSE_ERRORS", "OpenTiff", "Pages", "is_raw", "locate", "quiet_parser"]

PARSE_ERRORS = (
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

_TRAILER_BYTES = 64
"""Room for alignment between the last frame and the page list of a cut file."""


@contextlib.contextmanager
def quiet_parser() -> Iterator[None]:
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


class OpenTiff:
    """An open TIFF that several sources share; closed with the last of them."""

    def __init__(self, path: Path):
        try:
            with quiet_parser():
                self.tif = tifffile.TiffFile(path)
        except PARSE_ERRORS as error:
            raise FileFormatError(
                f"{path} is not a readable TIFF file ({error}). Check that it was "
                "copied completely and not renamed."
            ) from error
        self.lock = threading.RLock()
        self.bytes = path.stat().st_size
        weakref.finalize(self, self.tif.close)


@dataclass(frozen=True)
class Pages:
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


def is_raw(keyframe: Any) -> bool:
    """Whether pages are plain pixels that need no decoding."""
    return bool(
        keyframe.compression == 1
        and keyframe.is_contiguous
        and keyframe.fillorder == 1
        and keyframe.bitspersample == keyframe.dtype.itemsize * 8
    )


def locate(
    path: Path,
    handle: OpenTiff,
    series: Any,
    n_chain: int,
    planes: bool,
    position: int | None,
) -> tuple[Pages, list[str]]:
    """Return where complete frames lie, and a note when their number was misstated.

    `n_chain` is the number of pages that the file really links, or 0 when several
    series share them.
    """
    keyframe = series.keyframe
    letters = series.axes[: max(series.axes.find("Y"), 0)].replace("S", "")
    sizes = tuple(int(series.shape[series.axes.index(k)]) for k in letters)
    pages = series.pages
    offset = series.dataoffset if is_raw(keyframe) else None
    claimed = math.prod(sizes)
    stated = _stated_images(handle, keyframe, claimed) if n_chain else claimed
    back_to_back = n_chain == 1 and stated > claimed == 1 and is_raw(keyframe)
    if n_chain > claimed or back_to_back:
        letters, sizes = "I", (stated if back_to_back else n_chain,)
        pages = handle.tif.pages
        offset = keyframe.dataoffsets[0] if back_to_back else None
    wanted = math.prod(sizes)
    if offset is not None:
        held = min(wanted, max(0, (handle.bytes - offset) // keyframe.nbytes))
    else:
        held = _complete_pages(handle, pages, min(wanted, len(pages)))
    axes = plan_axes(letters, sizes, planes=planes, path=path, position=position)
    axes = axes.shortened(held)
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
    return Pages(keyframe, axes, pages, offset), notes


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


def _stated_images(handle: OpenTiff, keyframe: Any, claimed: int) -> int:
    """Return how many images the header announces, those that were cut off included."""
    tif, stated = handle.tif, claimed
    if tif.is_imagej and tif.imagej_metadata:
        stated = max(stated, int(tif.imagej_metadata.get("images", 1)))
    if tif.is_shaped and tif.shaped_metadata:
        shape = tuple(tif.shaped_metadata[0].get("shape", ()))
        if shape[-keyframe.ndim :] == keyframe.shape:
            stated = max(stated, math.prod(shape[: -keyframe.ndim]))
    link = _broken_link(handle)
    if link is not None and len(tif.pages) == 1 and is_raw(keyframe):
        # Writers put frames back to back and their page list behind them: where the
        # list should begin tells how many frames there were.
        count, rest = divmod(link - keyframe.dataoffsets[0], keyframe.nbytes)
        if rest <= _TRAILER_BYTES:
            stated = max(stated, count)
    return stated


def _broken_link(handle: OpenTiff) -> int | None:
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


def _complete_pages(handle: OpenTiff, pages: Any, n_pages: int) -> int:
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
