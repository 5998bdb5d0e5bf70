"""Frames that Micro-Manager saved as single images, by channel and time."""

import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["group_channels"]

_VERSION_2 = re.compile(
    r"img_channel(?P<channel>\d+)_position\d+_time(?P<time>\d+)_z(?P<plane>\d+)$"
)
_VERSION_1 = re.compile(r"img_(?P<time>\d{9})_(?P<channel>.*)_(?P<plane>\d{3})$")


def group_channels(files: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Return files as channels of each frame, and the names of the channels.

    Files of others come back as they are, without names. So do those with planes along
    the optical axis, or with a channel missing in a frame.
    """
    for pattern in (_VERSION_2, _VERSION_1):
        matches = [pattern.match(file.stem) for file in files]
        if not all(matches):
            continue
        places = {
            (int(m["time"]), m["channel"], int(m["plane"])): file
            for m, file in zip(matches, files, strict=True)
            if m is not None
        }
        times = sorted({time for time, _, _ in places})
        names = sorted({channel for _, channel, _ in places})
        wanted = [(time, name, 0) for time in times for name in names]
        if len(names) > 1 and sorted(wanted) == sorted(places):
            return [places[place] for place in wanted], tuple(names)
    return list(files), ()
