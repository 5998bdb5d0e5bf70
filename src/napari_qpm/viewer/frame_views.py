"""Frames that were made, kept within bounds, and seen by napari as one array.

napari slices on the GUI thread; a `FrameView` therefore never computes: it hands out
what the cache holds and a blank frame otherwise.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameCache", "FrameView"]

CACHE_BYTES = 256 << 20


class FrameCache:
    """The most recently used pictures, up to a number of bytes; for any thread.

    Parameters
    ----------
    limit_bytes
        Most that is kept; the last picture always is.
    """

    def __init__(self, limit_bytes: int = CACHE_BYTES):
        self._limit = limit_bytes
        self._pictures: OrderedDict[Any, NDArray[Any]] = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        """Bytes of all pictures."""
        return self._n_bytes

    def __len__(self) -> int:
        return len(self._pictures)

    def get(self, key: Any) -> NDArray[Any] | None:
        """Return a picture, or `None` when it is not there (any more)."""
        with self._lock:
            picture = self._pictures.get(key)
            if picture is not None:
                self._pictures.move_to_end(key)
            return picture

    def put(self, key: Any, picture: NDArray[Any]) -> None:
        """Keep a picture, and drop those that were not used for longest."""
        with self._lock:
            self._drop(key)
            self._pictures[key] = picture
            self._n_bytes += picture.nbytes
            while self._n_bytes > self._limit and len(self._pictures) > 1:
                self._drop(next(iter(self._pictures)))

    def clear(self) -> None:
        """Drop all pictures."""
        with self._lock:
            self._pictures.clear()
            self._n_bytes = 0

    def _drop(self, key: Any) -> None:
        old = self._pictures.pop(key, None)
        if old is not None:
            self._n_bytes -= old.nbytes


class FrameView:
    """Array ``(T, Y, X)`` whose frames come from somewhere that never computes.

    Parameters
    ----------
    shape
        ``(T, Y, X)``.
    dtype
        Of all frames.
    read
        Returns the frame ``(Y, X)`` of a number, or `None` while it is not there.
    blank
        Value of frames that are not there.
    write
        Replaces the frame of a number; without it, the array is read-only.
    """

    ndim = 3

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: Any,
        read: Callable[[int], NDArray[Any] | None],
        blank: float = np.nan,
        write: Callable[[int, NDArray[Any]], None] | None = None,
    ):
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._read, self._write = read, write
        self._blank = np.full(shape[1:], blank, dtype)

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def frame(self, t: int) -> NDArray[Any]:
        """Return frame `t` ``(Y, X)``, blank while it is not there."""
        picture = self._read(t)
        if picture is None or picture.shape != self._blank.shape:
            return self._blank
        return picture

    def __getitem__(self, index: Any) -> NDArray[Any]:
        index = index if isinstance(index, tuple) else (index,)
        if Ellipsis in index:
            at = index.index(Ellipsis)
            missing = self.ndim - len(index) + 1
            index = (*index[:at], *(slice(None),) * missing, *index[at + 1 :])
        first, rest = (index[0], index[1:]) if index else (slice(None), ())
        if isinstance(first, slice):
            times = range(self.shape[0])[first]
            if len(times) == 1:
                return self.frame(times[0])[None][(slice(None), *rest)]
            frames = [self.frame(t)[rest] for t in times]
            empty = np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
            return np.stack(frames) if frames else empty
        if np.ndim(first) == 0:
            return self.frame(range(self.shape[0])[int(first)])[rest]
        return np.asarray(self)[index]

    def __setitem__(self, t: int, picture: NDArray[Any]) -> None:
        """Replace frame `t`."""
        if self._write is None:
            raise TypeError("These frames are read-only.")
        self._write(range(self.shape[0])[t], picture)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)
