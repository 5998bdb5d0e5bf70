"""Axes of files, such as ``TZCYX`` or ``IYX``, mapped to frames and channels."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError

__all__ = ["AS_FRAMES", "ArrayOrder", "FrameAxes", "array_order", "plan_axes"]

AS_FRAMES = "they are shown as frames"
_FRAME_LETTERS = "TIQRMPA"
"""Axes that may count frames: time, and what writers use for a plain sequence."""


@dataclass(frozen=True)
class FrameAxes:
    """Which of the axes in front of Y and X count frames, and which channels.

    Parameters
    ----------
    sizes
        Lengths of the leading axes, in file order.
    frame_axis, channel_axis
        Positions in `sizes`; `None` when the file has one frame or one channel.
    notes
        What was assumed.
    n_complete
        Frames that the file really holds, when it is cut short.
    position_axis, position
        Axis that counts fields of view, and which of them these axes are of.
    """

    sizes: tuple[int, ...]
    frame_axis: int | None
    channel_axis: int | None
    notes: tuple[str, ...] = ()
    n_complete: int | None = None
    position_axis: int | None = None
    position: int = 0

    @property
    def n_frames(self) -> int:
        """Number of time points."""
        n = 1 if self.frame_axis is None else self.sizes[self.frame_axis]
        return n if self.n_complete is None else min(n, self.n_complete)

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return 1 if self.channel_axis is None else self.sizes[self.channel_axis]

    def index(self, t: int, c: int) -> tuple[int, ...]:
        """Return the position of frame `t`, channel `c` along the leading axes."""
        place = [0] * len(self.sizes)
        for axis, number in (
            (self.position_axis, self.position),
            (self.frame_axis, t),
            (self.channel_axis, c),
        ):
            if axis is not None:
                place[axis] = number
        return tuple(place)

    def ravel(self, t: int, c: int) -> int:
        """Return the number of the page that holds frame `t`, channel `c`."""
        page = 0
        for size, position in zip(self.sizes, self.index(t, c), strict=True):
            page = page * size + position
        return page

    def shortened(self, n_pages: int) -> "FrameAxes":
        """Return these axes for a file that holds only its first `n_pages` pages."""
        last_channel = self.n_channels - 1
        n_complete = 0
        while n_complete < self.n_frames and (
            self.ravel(n_complete, last_channel) < n_pages
        ):
            n_complete += 1
        return replace(self, n_complete=n_complete)


def plan_axes(
    letters: str,
    sizes: tuple[int, ...],
    *,
    planes: bool,
    path: Path,
    position: int | None = None,
) -> FrameAxes:
    """Return the roles of the axes in front of Y and X.

    Parameters
    ----------
    letters
        One letter an axis, for example ``"TZC"``.
    sizes
        Their lengths.
    planes
        Whether Z counts channels (through-focus recordings) and not frames.
    path
        File, for messages.
    position
        Which field of view, where the axis R counts those; else R counts frames.

    Raises
    ------
    LayoutError
        More axes are longer than one than frames and channels can hold.
    """
    fields = letters.find("R") if position is not None else -1
    long = {
        k: letter for k, letter in enumerate(letters) if sizes[k] > 1 and k != fields
    }
    roles: dict[str, int | None] = {"frame": None, "channel": None}
    notes: list[str] = []

    def assign(role: str, axis: int) -> None:
        if roles[role] is not None:
            listed = ", ".join(f"{letters[k]} = {sizes[k]}" for k in long)
            raise LayoutError(
                f"{path.name} has more axes than frames and channels: {listed}. "
                "Save one plane or one channel, or open a focus stack with "
                "modality='through-focus'."
            )
        roles[role] = axis

    for axis, letter in long.items():
        if letter == "C" or (letter == "Z" and planes):
            assign("channel", axis)
        elif letter in _FRAME_LETTERS:
            assign("frame", axis)
    for axis, letter in long.items():
        if letter == "C" or letter in _FRAME_LETTERS or (letter == "Z" and planes):
            continue
        assign("frame", axis)
        notes.append(
            f"The file counts its {sizes[axis]} images along {letter}, not along time; "
            f"{AS_FRAMES}. For planes along the optical axis say that it is a "
            "through-focus stack (modality='through-focus')."
        )
    axes = FrameAxes(tuple(sizes), roles["frame"], roles["channel"], tuple(notes))
    if fields < 0:
        return axes
    return replace(axes, position_axis=fields, position=position or 0)


@dataclass(frozen=True)
class ArrayOrder:
    """What the axes of a plain array mean, which nothing but their lengths tells.

    Parameters
    ----------
    shape
        ``(T, C, Y, X)``.
    n_axes
        Of the array, 2 to 4.
    has_colours
        Whether its last axis holds the channels.
    """

    shape: tuple[int, int, int, int]
    n_axes: int
    has_colours: bool

    def selection(self, t: int) -> Any:
        """Return what indexes frame `t` in the array."""
        has_frames = self.n_axes - (2 + self.has_colours) > 0
        return t if has_frames else ()

    def frame(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return what `selection` found as ``(C, Y, X)``."""
        moved = np.moveaxis(stored, -1, 0) if self.has_colours else stored
        return np.asarray(moved).reshape(self.shape[1:])


def array_order(path: Path, shape: tuple[int, ...]) -> ArrayOrder:
    """Return what the axes of an array of this shape mean.

    A last axis of 3 or 4 behind larger ones holds colours.

    Raises
    ------
    LayoutError
        No frames have this shape; `path` is named.
    """
    if not 2 <= len(shape) <= 4 or 0 in shape:
        raise LayoutError(
            f"{path.name} holds an array of shape {shape}; frames have 2 to 4 axes: "
            "(Y, X), (T, Y, X) or (T, C, Y, X)."
        )
    has_colours = len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) > 8
    full = (*shape[:-3], shape[-1], *shape[-3:-1]) if has_colours else shape
    match full:
        case (y, x):
            full = (1, 1, y, x)
        case (c, y, x) if has_colours:
            full = (1, c, y, x)
        case (t, y, x):
            full = (t, 1, y, x)
    return ArrayOrder((full[0], full[1], full[2], full[3]), len(shape), has_colours)
