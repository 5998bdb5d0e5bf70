"""Where a cell is in a table: rows by frame and label, and by track, found at once."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CellIndex"]

_LABEL_BITS = 32


class CellIndex:
    """Rows of a table of cells, one row a cell and frame.

    Parameters
    ----------
    table
        With ``frame`` and ``label``, and ``track_id`` when it is linked.
    """

    def __init__(self, table: "pd.DataFrame"):
        self.frame = table["frame"].to_numpy(np.int64)
        self.label = table["label"].to_numpy(np.int64)
        self.is_linked = "track_id" in table.columns
        self.track = (
            table["track_id"].to_numpy(np.int64)
            if self.is_linked
            else np.zeros(len(table), np.int64)
        )
        self._by_label = _Lookup(self.frame, self.label)
        self._by_track = _Lookup(self.track, self.frame) if self.is_linked else None

    def row(self, frame: int, label: int) -> int | None:
        """Return the row of a cell in a frame."""
        return self._by_label.find(frame, label)

    def row_of_track(self, track: int, frame: int) -> int | None:
        """Return the row of a track in a frame; `None` where it is absent."""
        return None if self._by_track is None else self._by_track.find(track, frame)

    def rows_of_track(self, track: int) -> NDArray[np.intp]:
        """Return the rows of a track by rising frame."""
        if self._by_track is None:
            return np.empty(0, np.intp)
        return self._by_track.rows(track)

    def rows_of_frame(self, frame: int) -> NDArray[np.intp]:
        """Return the rows of a frame by rising label."""
        return self._by_label.rows(frame)


class _Lookup:
    """Rows in the order of two numbers, searched by bisection."""

    def __init__(self, first: NDArray[np.int64], second: NDArray[np.int64]):
        keys = (first << _LABEL_BITS) + second
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def find(self, first: int, second: int) -> int | None:
        key = (int(first) << _LABEL_BITS) + int(second)
        place = int(np.searchsorted(self._keys, key))
        if place < len(self._keys) and self._keys[place] == key:
            return int(self._order[place])
        return None

    def rows(self, first: int) -> NDArray[np.intp]:
        low, high = np.searchsorted(
            self._keys, [int(first) << _LABEL_BITS, (int(first) + 1) << _LABEL_BITS]
        )
        return self._order[low:high]
