"""What Micro-Manager writes into its TIFF files, in the key spellings of its versions.

Keys are compared without case, spaces, dashes and underscores: ``PixelSizeUm``,
``PixelSize_um`` and ``pixelSize-um`` are one. A size of 0 means "not calibrated".
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tifffile

from napari_qpm.io.facts import FileFacts
from napari_qpm.io.times import times_from
from napari_qpm.io.units import positive

__all__ = ["read_metadata_text", "read_micromanager"]

_KNOWN_BY = {"micromanagerversion", "chnames", "pixelsizeum", "elapsedtimems"}
_TEXT = "metadata.txt"
_MOST_TEXT_BYTES = 1 << 27
_IMAGE_KEYS = ("FrameKey", "Metadata-")
_MOST_PAGES = 1000
"""Reading the metadata of a page takes 0.3 ms; of longer files no times are read."""


def read_micromanager(tif: tifffile.TiffFile, position: int) -> FileFacts:
    """Return what Micro-Manager states in a TIFF file.

    Parameters
    ----------
    tif
        Open file.
    position
        Number of the field of view.
    """
    facts = FileFacts()
    blocks = [_plain(block) for block in _blocks(tif)]
    for block in blocks:
        facts.add(_from_block(block))
    if facts.instrument.get("pixel_size_um") == 1:
        facts.notes.append(
            "Micro-Manager states a pixel size of exactly 1 um, which may be its "
            "default; check it."
        )
    if blocks and not facts.times_s:
        facts.times_s = _times(tif, position)
    return facts


def read_metadata_text(folder: Path) -> FileFacts:
    """Return what the ``metadata.txt`` beside single images states; nothing without."""
    facts = FileFacts()
    path = folder / _TEXT
    try:
        if not path.is_file() or path.stat().st_size > _MOST_TEXT_BYTES:
            return facts
        content = _parsed(path.read_text("utf-8", errors="replace"))
    except OSError:
        return facts
    times: dict[int, float] = {}
    for name, block in content.items():
        if not isinstance(block, Mapping):
            continue
        values = _plain(block)
        if not str(name).startswith(_IMAGE_KEYS):
            facts.add(_from_block(values))
            continue
        facts.add(FileFacts(instrument=_from_block(values).instrument))
        frame = _index(values, "frame")
        if frame is None or _index(values, "channel") or _index(values, "slice"):
            continue
        with contextlib.suppress(TypeError, ValueError):
            times[frame] = float(values["elapsedtimems"]) / 1000
    if sorted(times) == list(range(len(times))):
        facts.times_s = times_from([times[frame] for frame in range(len(times))])
    return facts


def _key(name: Any) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def _plain(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block with plain keys, and values taken out of property maps."""
    plain = {}
    for name, value in block.items():
        if isinstance(value, Mapping) and "PropVal" in value:
            value = value["PropVal"]
        plain[_key(name)] = value
    return plain


def _blocks(tif: tifffile.TiffFile) -> Iterator[Mapping[str, Any]]:
    """Yield summary and first frame's metadata, wherever this version puts them."""
    if tif.is_micromanager:
        summary = (tif.micromanager_metadata or {}).get("Summary")
        if isinstance(summary, Mapping):
            yield summary
        yield from _page_blocks(tif.pages[0])
    if tif.is_imagej and tif.imagej_metadata:
        info = _parsed(tif.imagej_metadata.get("Info"))
        if _KNOWN_BY & {_key(name) for name in info}:
            yield info


def _page_blocks(page: Any) -> Iterator[Mapping[str, Any]]:
    tag = page.tags.get("MicroManagerMetadata")
    block = _parsed(tag.value if tag is not None else None)
    if block:
        yield block


def _parsed(value: Any) -> Mapping[str, Any]:
    """Return JSON as a mapping; an empty one when it is none."""
    if isinstance(value, str | bytes):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    return value if isinstance(value, Mapping) else {}


def _from_block(values: Mapping[str, Any]) -> FileFacts:
    pixel = positive(values.get("pixelsizeum", values.get("pixelsize")))
    interval = positive(values.get("intervalms"))
    bits = positive(values.get("bitdepth"))
    return FileFacts(
        instrument={
            "pixel_size_um": pixel,
            "frame_interval_s": None if interval is None else interval / 1000,
            "bit_depth": None if bits is None else int(bits),
            "roi_offset_px": _roi_offset(values.get("roi")),
        },
        channel_names=_names(values.get("chnames")),
        position_names=_labels(values.get("stagepositions")),
        plane_spacing_um=positive(values.get("zstepum")),
    )


def _names(value: Any) -> tuple[str, ...]:
    """Return names from a list, or from the text of one (version 1.4)."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if not isinstance(value, list | tuple):
        return ()
    return tuple(str(name) for name in value)


def _labels(positions: Any) -> tuple[str, ...]:
    """Return the names of stage positions."""
    if not isinstance(positions, list):
        return ()
    plain = [_plain(p) if isinstance(p, Mapping) else {} for p in positions]
    return tuple(str(p.get("label", "")) for p in plain)


def _roi_offset(roi: Any) -> tuple[int, int] | None:
    """Return ``(y, x)`` of a ROI, ``"x-y-w-h"`` or ``[x, y, w, h]``."""
    parts = roi.split("-") if isinstance(roi, str) else roi
    if not isinstance(parts, list | tuple) or len(parts) != 4:
        return None
    try:
        return int(parts[1]), int(parts[0])
    except (TypeError, ValueError):
        return None


def _times(tif: tifffile.TiffFile, position: int) -> tuple[float, ...]:
    """Return the time of each frame from the metadata of the pages of this file."""
    n_pages = len(tif.pages)
    if not 2 <= n_pages <= _MOST_PAGES:
        return ()
    times: dict[int, float] = {}
    for number in range(n_pages):
        page = tif.pages.get(number, aspage=True)
        for block in _page_blocks(page):
            values = _plain(block)
            elapsed = values.get("elapsedtimems")
            if elapsed is None or _index(values, "position") not in (None, position):
                continue
            if _index(values, "channel") or _index(values, "slice"):
                continue
            frame = _index(values, "frame")
            with contextlib.suppress(TypeError, ValueError):
                times[number if frame is None else frame] = float(elapsed) / 1000
    if sorted(times) != list(range(len(times))):
        return ()
    return times_from([times[frame] for frame in range(len(times))])


def _index(values: Mapping[str, Any], axis: str) -> int | None:
    """Return the number of a page along an axis, in the spelling of any version."""
    axes = values.get("axes")
    if isinstance(axes, Mapping):
        axis = {"frame": "time", "slice": "z"}.get(axis, axis)
        value = axes.get(axis)
    else:
        value = values.get(f"{axis}index", values.get(axis))
    return value if isinstance(value, int) else None
