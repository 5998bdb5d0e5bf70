"""What a file reader hands over, before sidecar and user have their say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import FrameSource, Modality
from napari_qpm.errors import LayoutError

__all__ = ["ChannelSource", "GroupedSource", "RawField", "Reader", "UngroupedSource"]


@dataclass(frozen=True, kw_only=True)
class RawField:
    """One field of view as its file states it.

    Parameters
    ----------
    source
        Lazy frames ``(T, C, Y, X)``.
    reader
        Name of the format, for provenance and `describe`.
    instrument
        `Instrument` fields that the file states.
    notes
        What was assumed, skipped or is doubtful, in sentences for the user.
    position
        Name of the field of view inside the file; empty when there is only one.
    modality
        Kind of recording when the file states it (our own results do).
    reference
        ``(C, Y, X)`` or ``(Y, X)`` frame of an empty field, when the file holds one.
    channel_names
        Of the channels, when the file states them.
    times_s
        Time of every frame [s], when the file states it.
    has_opacity
        Whether the last of two or four channels is stored as opacity.
    is_planar
        Whether channels are colour planes one after the other, as tifffile stores any
        stack of three or four frames unless told otherwise.
    """

    source: FrameSource
    reader: str
    instrument: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    position: str = ""
    modality: Modality | None = None
    reference: NDArray[Any] | None = None
    channel_names: tuple[str, ...] = ()
    times_s: tuple[float, ...] = ()
    has_opacity: bool = False
    is_planar: bool = False


Reader = Callable[[Path, bool], list[RawField]]
"""``reader(path, planes)``: every field of view of a file; `planes` says that a Z axis
counts channels (through-focus) and not frames."""


class ChannelSource:
    """Some channels of another source.

    Parameters
    ----------
    source
        Where the frames come from.
    channels
        Indices of the channels that are kept, in order.
    """

    def __init__(self, source: FrameSource, channels: tuple[int, ...]):
        self._source = source
        self._channels = channels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        t, _, y, x = self._source.shape
        return t, len(self._channels), y, x

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        return self._source.dtype

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        return self._source.read(t)[list(self._channels)]


class GroupedSource:
    """Every `size` frames of a single-channel source become the channels of one.

    Parameters
    ----------
    source
        Frames ``(T * size, 1, Y, X)``.
    size
        Frames per group: 4 for angles, all planes for a through-focus stack.
    """

    def __init__(self, source: FrameSource, size: int):
        n_frames, n_channels = source.shape[:2]
        if n_channels != 1 or n_frames % size:
            raise LayoutError(
                f"{n_frames} frames of {n_channels} channels do not make groups of "
                f"{size}."
            )
        self._source = source
        self._size = size

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        t, _, y, x = self._source.shape
        return t // self._size, self._size, y, x

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        return self._source.dtype

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        first = t * self._size
        frames = [self._source.read(first + k)[0] for k in range(self._size)]
        return np.stack(frames)


class UngroupedSource:
    """Every channel of another source becomes a frame.

    Parameters
    ----------
    source
        Frames ``(T, C, Y, X)``.
    """

    def __init__(self, source: FrameSource):
        self._source = source

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        t, c, y, x = self._source.shape
        return t * c, 1, y, x

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        return self._source.dtype

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        frame, channel = divmod(t, self._source.shape[1])
        return self._source.read(frame)[channel : channel + 1]
