"""What the plots of cells show: points, curves, bars, and the cell near a click.

Free of Qt. Every point knows its row of the table, so that a click on it selects the
cell, and what is shown can be written as a table.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_qpm.viewer.cell_table import ERRORS, plottable
from napari_qpm.viewer.titles import title_of

if TYPE_CHECKING:
    import pandas as pd

    from napari_qpm.viewer.workflow import Workflow

__all__ = ["CellPlots", "Curve", "PlotKind", "Points"]

REACH_PX = 40.0
"""Farthest point that a click still means."""
_TIME_UNITS = (("h", 3600.0), ("min", 60.0), ("s", 1.0))
_FEWEST_UNITS = 3.0
_BINS = (5, 60)

Values = NDArray[np.float64]
Rows = NDArray[np.intp]


class PlotKind(StrEnum):
    """What is plotted against what."""

    TIME = "time"
    """A column over time, one curve a track."""
    HISTOGRAM = "histogram"
    """How often the values of a column occur."""
    SCATTER = "scatter"
    """One column against another."""


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a plot: ``(n,)`` places and the rows of the table behind them."""

    x: Values
    y: Values
    rows: Rows


@dataclass(frozen=True, eq=False)
class Curve:
    """One track over time.

    Parameters
    ----------
    track
        Its number.
    x, y, error
        ``(n,)`` time, value and error bar, NaN where that is not known.
    """

    track: int
    x: Values
    y: Values
    error: Values


class CellPlots:
    """State of the plots of one dock.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    changed = Signal()
    """Something else is to be plotted."""

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow
        self._selection = workflow.selection
        self.kind = PlotKind.TIME
        self.column = ""
        self.against = ""
        self.is_this_frame = False
        self._selection.changed.connect(self._on_selection)

    def close(self) -> None:
        """Let go of the view-model."""
        self._selection.changed.disconnect(self._on_selection)

    @property
    def table(self) -> "pd.DataFrame | None":
        """The table that is plotted."""
        return self._selection.table

    def columns(self) -> list[tuple[str, str]]:
        """Return what can be plotted: ``(name, title)``."""
        if self.table is None:
            return []
        return [(name, title_of(name)) for name in plottable(self.table)]

    def choose(
        self,
        kind: PlotKind | None = None,
        *,
        column: str | None = None,
        against: str | None = None,
        is_this_frame: bool | None = None,
    ) -> None:
        """Plot something else; what is not given stays."""
        self.kind = self.kind if kind is None else kind
        self.column = self.column if column is None else column
        self.against = self.against if against is None else against
        if is_this_frame is not None:
            self.is_this_frame = is_this_frame
        self._complete()
        self.changed.emit()

    def titles(self) -> tuple[str, str]:
        """Return the titles of the horizontal and the vertical axis."""
        if self.kind is PlotKind.TIME:
            return self._time_title(), title_of(self.column)
        if self.kind is PlotKind.HISTOGRAM:
            return title_of(self.column), "Number of cells"
        return title_of(self.against), title_of(self.column)

    def points(self) -> Points:
        """Return the points of the plot; those of a histogram lie on its axis."""
        if self.table is None or not self.column:
            return Points(np.empty(0), np.empty(0), np.empty(0, np.intp))
        rows = self._rows()
        y = self._values(self.column)[rows]
        if self.kind is PlotKind.TIME:
            x = self._time()[rows]
        elif self.kind is PlotKind.HISTOGRAM:
            x, y = y, np.zeros(len(rows))
        else:
            x = self._values(self.against)[rows]
        known = np.isfinite(x) & np.isfinite(y)
        return Points(x[known], y[known], rows[known])

    def curves(self) -> list[Curve]:
        """Return one curve a track; none when the cells are not linked."""
        index = self._selection.index
        if self.table is None or index is None or not index.is_linked:
            return []
        return [self._curve(int(track)) for track in np.unique(index.track)]

    def selected_curve(self) -> Curve | None:
        """Return the curve of the selected cell."""
        index, track = self._selection.index, self._selection.track
        if index is None or track is None or not index.is_linked or not self.column:
            return None
        return self._curve(track)

    def selected_points(self) -> Points:
        """Return the selected cell's points: in this frame, or over its track."""
        points, selection = self.points(), self._selection
        if selection.index is None or selection.track is None:
            chosen = points.rows == (-1 if selection.row is None else selection.row)
        else:
            chosen = selection.index.track[points.rows] == selection.track
        return Points(points.x[chosen], points.y[chosen], points.rows[chosen])

    def here(self) -> tuple[float, float] | None:
        """Return the selected cell's own point."""
        points = self.points()
        found = np.flatnonzero(points.rows == self._selection.row)
        if self._selection.row is None or not found.size:
            return None
        return float(points.x[found[0]]), float(points.y[found[0]])

    def now(self) -> float | None:
        """Return the time of the frame in the viewer, on the axis of time."""
        table = self.table
        if table is None or not len(table) or self.kind is not PlotKind.TIME:
            return None
        frame = self._workflow.current_frame()
        if "time_s" not in table.columns:
            return float(frame)
        interval = self._interval_s()
        return None if interval is None else frame * interval / self._time_unit()[1]

    def bars(self) -> tuple[Values, Values]:
        """Return edges ``(n + 1,)`` and heights ``(n,)`` of the histogram."""
        values = self.points().x
        if not values.size:
            return np.array([0.0, 1.0]), np.zeros(1)
        n_bins = int(np.clip(2 * np.cbrt(values.size), *_BINS))
        heights, edges = np.histogram(values, bins=n_bins)
        return edges, heights.astype(np.float64)

    def click(self, x: float, y: float, per_px: tuple[float, float]) -> bool:
        """Select the cell of the point near a click; return whether there is one.

        Parameters
        ----------
        x, y
            Place on the axes.
        per_px
            Extent of a pixel on both axes.
        """
        points = self.points()
        if not points.rows.size:
            return False
        away = np.abs(points.x - x) / per_px[0]
        if self.kind is not PlotKind.HISTOGRAM:
            away = np.hypot(away, (points.y - y) / per_px[1])
        nearest = int(np.argmin(away))
        if away[nearest] > REACH_PX:
            return False
        self._selection.select_row(int(points.rows[nearest]))
        return True

    def shown(self) -> "pd.DataFrame":
        """Return what is plotted as a table, with the cells it is of."""
        assert self.table is not None
        rows = self.points().rows
        names = ["frame", "label", "track_id", "time_s"]
        names += [self.column, ERRORS.get(self.column, "")]
        if self.kind is PlotKind.SCATTER:
            names += [self.against, ERRORS.get(self.against, "")]
        chosen = [n for n in dict.fromkeys(names) if n in self.table.columns]
        return self.table.iloc[rows][chosen].reset_index(drop=True)

    def record(self) -> dict[str, Any]:
        """Return in plain values what is plotted."""
        record = {"plot": self.kind.value, "column": self.column}
        if self.kind is PlotKind.SCATTER:
            record["against"] = self.against
        if self.is_this_frame and self.kind is not PlotKind.TIME:
            record["frame"] = str(self._workflow.current_frame())
        return record

    def _on_selection(self) -> None:
        self._complete()
        self.changed.emit()

    def _complete(self) -> None:
        """Choose columns where none is chosen, or where the table has it no more."""
        names = [name for name, _ in self.columns()]
        if self.column not in names:
            self.column = names[0] if names else ""
        if self.against not in names:
            wanted = [n for n in ("area_um2", "area_px") if n in names]
            self.against = (wanted or names or [""])[0]

    def _rows(self) -> Rows:
        assert self.table is not None
        index = self._selection.index
        if self.is_this_frame and self.kind is not PlotKind.TIME and index is not None:
            return index.rows_of_frame(self._workflow.current_frame())
        return np.arange(len(self.table))

    def _values(self, name: str) -> Values:
        assert self.table is not None
        return self.table[name].to_numpy(np.float64)

    def _curve(self, track: int) -> Curve:
        index = self._selection.index
        assert index is not None
        rows = index.rows_of_track(track)
        error = np.full(len(rows), np.nan)
        assert self.table is not None
        name = ERRORS.get(self.column, "")
        if name in self.table.columns:
            error = self._values(name)[rows]
        y = self._values(self.column)[rows]
        return Curve(track, self._time()[rows], y, error)

    def _time(self) -> Values:
        assert self.table is not None
        if "time_s" not in self.table.columns:
            return self._values("frame")
        return self._values("time_s") / self._time_unit()[1]

    def _time_title(self) -> str:
        if self.table is None or "time_s" not in self.table.columns:
            return "Frame"
        return f"Time ({self._time_unit()[0]})"

    def _time_unit(self) -> tuple[str, float]:
        """Return the unit in which the recording is a few units long, in seconds."""
        assert self.table is not None
        length = float(self._values("time_s").max()) if len(self.table) else 0.0
        for unit, seconds in _TIME_UNITS:
            if length >= _FEWEST_UNITS * seconds:
                return unit, seconds
        return _TIME_UNITS[-1]

    def _interval_s(self) -> float | None:
        acquisition = self._workflow.acquisition
        return None if acquisition is None else acquisition.instrument.frame_interval_s
