"""TIFF in its dialects: multi-page, BigTIFF, OME, ImageJ, Micro-Manager, compressed.

What the pages hold is believed over what a description claims. Uncompressed frames are
read straight from their offset (0.3 ms a megapixel), others are decoded by tifffile; a
lock makes one handle serve all threads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Modality
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.facts import focus_of_planes
from napari_qpm.io.field import RawField
from napari_qpm.io.phasics import is_phasics, read_phasics
from napari_qpm.io.tiff_metadata import facts_from_tiff
from napari_qpm.io.tiff_pages import (
    PARSE_ERRORS,
    OpenTiff,
    Pages,
    is_raw,
    locate,
    quiet_parser,
)

__all__ = ["TiffSource", "read_tiff"]

_POSITION_KINDS = {"ome", "shaped", "mmstack", "ndtiff", "mdgel", "micromanager"}
"""Series of these are fields of view; series of others are pages of mixed sizes."""

_POSITION_AXIS_KINDS = ("mmstack", "ndtiff")
"""Series of these count fields of view along the axis R."""

_READERS = {
    "ome": "OME-TIFF",
    "imagej": "ImageJ TIFF",
    "mmstack": "Micro-Manager TIFF",
    "ndtiff": "NDTiff",
}


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
        self, path: Path, position: int, planes: bool, handle: OpenTiff, pages: Pages
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
        self._is_raw = is_raw(keyframe)
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
        samples = self._pages.keyframe.axes.find("S")
        if samples < 0:
            return planes[0][None] if len(planes) == 1 else np.stack(planes)
        moved = [np.moveaxis(plane, samples, 0) for plane in planes]
        return np.ascontiguousarray(np.concatenate(moved))

    def _read_page(self, number: int) -> NDArray[Any]:
        keyframe = self._pages.keyframe
        with self._handle.lock:
            if self._is_raw and self._pages.offset is not None:
                return self._read_raw(self._pages.offset + number * keyframe.nbytes)
            try:
                with quiet_parser():
                    page = self._pages.pages[number]
                if page is None:
                    raise FileFormatError(
                        f"{self._path} does not hold image {number}; the file that "
                        "should is missing. Put all files of the recording together."
                    )
                if self._is_raw and page.parent is self._handle.tif:
                    return self._read_raw(page.dataoffsets[0])
            except PARSE_ERRORS as error:
                raise self._damaged(number, error) from error
        try:
            with quiet_parser():
                pixels = page.asarray(lock=self._handle.lock)
            return np.asarray(pixels, self.dtype).reshape(keyframe.shape)
        except PARSE_ERRORS as error:
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
    handle = OpenTiff(path)
    try:
        with quiet_parser():
            if is_phasics(handle.tif):
                return read_phasics(path, handle.tif)
            return _read_series(path, planes, handle)
    except PARSE_ERRORS as error:
        raise FileFormatError(
            f"The structure of {path} is damaged ({error}). Copy it again from the "
            "camera."
        ) from error


def _read_series(path: Path, planes: bool, handle: "OpenTiff") -> list[RawField]:
    series = list(handle.tif.series)
    n_chain = len(handle.tif.pages)
    if not series:
        raise FileFormatError(f"{path} is a TIFF file without images.")
    if len(series) > 1 and series[0].kind not in _POSITION_KINDS:
        _require_one_size(path, series)
    wanted = [(one, r) for one in series for r in _positions(one)]
    return [
        _field(path, handle, one, r, number, len(wanted), n_chain, planes)
        for number, (one, r) in enumerate(wanted)
    ]


def _positions(series: Any) -> Sequence[int | None]:
    """Return the fields of view that a series counts along an axis of its own."""
    if series.kind not in _POSITION_AXIS_KINDS or "R" not in series.axes:
        return [None]
    return range(int(series.shape[series.axes.index("R")]))


def _require_one_size(path: Path, series: list[Any]) -> None:
    sizes = [f"{len(s)} of {s.keyframe.shape} {s.dtype}" for s in series]
    raise LayoutError(
        f"{path} mixes images of different size or type: {'; '.join(sizes)}. "
        "Frames of one recording have one size; split the file."
    )


def _field(
    path: Path,
    handle: OpenTiff,
    series: Any,
    along_axis: int | None,
    number: int,
    n_fields: int,
    n_chain: int,
    planes: bool,
) -> RawField:
    keyframe = series.keyframe
    _require_pixels(path, keyframe)
    n_own = n_chain if n_fields == 1 else 0
    pages, notes = locate(path, handle, series, n_own, planes, along_axis)
    facts = facts_from_tiff(handle.tif, number)
    notes += [*pages.axes.notes, *facts.notes]
    if planes and not facts.channel_names:
        n_planes = pages.axes.n_channels
        focus, more = focus_of_planes(n_planes, facts.plane_spacing_um)
        facts.instrument.update(focus)
        notes += more
    source = TiffSource(path, number, planes, handle, pages)
    n_samples = _n_samples(keyframe)
    named = facts.position_names[number : number + 1]
    name = next(iter(named), "") or (series.name if along_axis is None else "")
    kind = Modality.PHASE if "phase_unit" in facts.instrument else None
    return RawField(
        source=source,
        reader=_READERS.get(series.kind, "TIFF"),
        instrument=facts.instrument,
        notes=tuple(notes),
        modality=kind,
        is_planar=keyframe.axes.startswith("S"),
        has_opacity=bool(keyframe.extrasamples) and n_samples in (2, 4),
        position=(name or f"position {number}") if n_fields > 1 else "",
        channel_names=facts.channel_names if pages.axes.n_channels > 1 else (),
        times_s=facts.times_s[: pages.axes.n_frames],
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
