"""Files laid out as Micro-Manager writes them: MMStack TIFF, NDTiff and single images.

Written from the description of the formats; the order and the offsets of tags are
theirs, because readers rely on them.
"""

import json
import struct
from pathlib import Path

import numpy as np

DATA_AFTER_IFD = 162
"""Thirteen tags: 2 + 13 * 12 + 4 bytes, then pixels."""


def write_mmstack(
    path: Path, frames: np.ndarray, summary: dict, page: dict | None = None
) -> Path:
    """Write ``(R, T, C, Y, X)`` as one MMStack file; pages come 2000 ms apart."""
    n_positions, n_frames, n_channels = frames.shape[:3]
    summary = {
        "MicroManagerVersion": "2.0.1",
        "Positions": n_positions,
        "Frames": n_frames,
        "Channels": n_channels,
        "Slices": 1,
        "Height": frames.shape[3],
        "Width": frames.shape[4],
        "SlicesFirst": True,
        "TimeFirst": False,
        **summary,
    }
    text = json.dumps(summary).encode()
    start = 40 + len(text)
    body, index = bytearray(), []
    places = list(np.ndindex(n_positions, n_frames, n_channels))
    for number, (r, t, c) in enumerate(places):
        offset = start + len(body)
        meta = {
            "FrameIndex": t,
            "ChannelIndex": c,
            "SliceIndex": 0,
            "PositionIndex": r,
            "ElapsedTime-ms": 2000.0 * t + 7.0 * c,
            **(page or {}),
        }
        is_last = number == len(places) - 1
        body += _page(offset, frames[r, t, c], json.dumps(meta).encode(), is_last)
        index.append((c, 0, t, r, offset))
    index_offset = start + len(body)
    table = struct.pack("<II", 3453623, len(index))
    table += b"".join(struct.pack("<IIIII", *entry) for entry in index)
    comments_offset = index_offset + len(table)
    comments = struct.pack("<II", 84720485, 2) + b"{}"
    head = struct.pack("<2sHI", b"II", 42, start)
    head += struct.pack("<II", 54773648, index_offset)
    head += struct.pack("<II", 483765892, 0)
    head += struct.pack("<II", 99384722, comments_offset)
    head += struct.pack("<II", 2355492, len(text)) + text
    path.write_bytes(head + bytes(body) + table + comments)
    return path


def write_ndtiff(
    folder: Path, frames: np.ndarray, summary: dict, page: dict | None = None
) -> Path:
    """Write ``(R, T, C, Y, X)`` as an NDTiff data set and return its TIFF file."""
    folder.mkdir(parents=True)
    text = json.dumps(summary).encode()
    start = 28 + len(text)
    head = struct.pack("<2sHI", b"II", 42, start)
    head += struct.pack("<IIIII", 483729, 3, 2, 2355492, len(text)) + text
    body, index = bytearray(), bytearray()
    places = list(np.ndindex(frames.shape[:3]))
    names = [f"channel {c}" for c in range(frames.shape[2])]
    path = folder / "cells_NDTiffStack.tif"
    for number, (r, t, c) in enumerate(places):
        offset = start + len(body)
        axes = {"position": r, "time": t, "channel": names[c]}
        meta = {"Axes": axes, "ElapsedTime-ms": 2000.0 * t, **(page or {})}
        image = frames[r, t, c]
        is_last = number == len(places) - 1
        body += _page(offset, image, json.dumps(meta).encode(), is_last)
        key, name = json.dumps(axes).encode(), path.name.encode()
        index += struct.pack("<I", len(key)) + key
        index += struct.pack("<I", len(name)) + name
        kind = 1 if image.dtype.itemsize == 2 else 0
        data_at = offset + DATA_AFTER_IFD
        height, width = image.shape
        index += struct.pack("<IiiiiIii", data_at, width, height, kind, 0, 0, 0, 0)
    path.write_bytes(head + bytes(body))
    (folder / "NDTiff.index").write_bytes(bytes(index))
    return path


def _page(offset: int, image: np.ndarray, meta: bytes, is_last: bool) -> bytes:
    """Return tags, pixels and metadata of one page that starts at `offset`."""
    pixels = image.astype(image.dtype.newbyteorder("<")).tobytes()
    after = offset + DATA_AFTER_IFD + len(pixels)
    meta += b"\0" + b" " * ((len(meta) + 1) % 2)
    end = after + 16 + len(meta)
    height, width = image.shape
    tags = (
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, image.dtype.itemsize * 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, offset + DATA_AFTER_IFD),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, len(pixels)),
        (282, 5, 1, after),
        (283, 5, 1, after + 8),
        (296, 3, 1, 1),
        (51123, 2, len(meta), after + 16),
    )
    ifd = struct.pack("<H", len(tags))
    ifd += b"".join(struct.pack("<HHII", *tag) for tag in tags)
    ifd += struct.pack("<I", 0 if is_last else end)
    resolutions = struct.pack("<IIII", 1, 1, 1, 1)
    return ifd + pixels + resolutions + meta
