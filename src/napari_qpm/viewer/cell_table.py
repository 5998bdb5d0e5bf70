"""The table as it is shown: columns with titles, sorted and filtered; free of Qt.

Values stay in their columns and become text one by one when they are looked at, so a
hundred thousand rows cost no more than the dozen on the screen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.viewer.titles import number_text, title_of
from napari_qpm.viewer.wording import mass_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CellTable", "ShownColumn", "plottable"]

FIRST = (
    "track_id",
    "label",
    "frame",
    "dry_mass_pg",
    "growth_pg_h",
    "doubling_time_h",
    "sgr_1_h",
    "speed_um_min",
    "area_um2",
    "area_px",
    "opd_mean_nm",
    "circularity",
)
ERRORS = {
    "dry_mass_pg": "dry_mass_sd_pg",
    "growth_pg_h": "growth_sd_pg_h",
    "sgr_1_h": "sgr_sd_1_h",
}
"""Columns whose error bar stands beside them."""
LEFT_OUT = frozenset(
    {
        *ERRORS.values(),
        "dry_mass_sd_background_pg",
        "dry_mass_sd_mask_pg",
        "dry_mass_sd_contact_pg",
        "dry_mass_offset_pg",
        "dry_mass_sd_method",
        "dry_mass_alpha_sd_pg",
        "refractive_increment_ml_g",
        "n_cell",
        "n_cell_source",
        "n_medium",
        "phase_engine",
        "segmentation_engine",
        "centroid_y_px",
        "centroid_x_px",
    }
)
"""In the exported files, but too much for a look."""


@dataclass(frozen=True, eq=False)
class ShownColumn:
    """One column as it is shown.

    Parameters
    ----------
    name, title
        As in the table, and for the user.
    values
        What it is sorted by.
    text
        Text of a row.
    """

    name: str
    title: str
    values: NDArray[Any]
    text: Callable[[int], str]


class CellTable:
    """A table, sorted and filtered.

    Parameters
    ----------
    table
        One row a cell and frame, or a track.
    """

    def __init__(self, table: "pd.DataFrame"):
        names = [name for name in FIRST if name in table.columns]
        if "track_id" in names and "label" in names:
            # The track is the cell over time; its label changes from frame to frame.
            names.remove("label")
        names += [n for n in table.columns if n not in names and n not in LEFT_OUT]
        if "frame" in names and table["frame"].nunique() == 1:
            names = [name for name in names if name not in ("frame", "time_s")]
        self.columns = [_column(table, str(name)) for name in names]
        self._n_rows = len(table)
        self._mask: NDArray[np.bool_] | None = None
        self._sorted: tuple[int, bool] | None = None
        self._order = np.arange(self._n_rows)
        self._places: NDArray[np.intp] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows that are shown."""
        return len(self._order)

    def text(self, row: int, column: int) -> str:
        """Return the text at a place of the shown table."""
        return self.columns[column].text(int(self._order[row]))

    def source(self, row: int) -> int:
        """Return the row of the table that is shown at a place."""
        return int(self._order[row])

    def place(self, source: int) -> int | None:
        """Return the place at which a row of the table is shown, if it is."""
        if self._places is None:
            self._places = np.full(self._n_rows, -1, np.intp)
            self._places[self._order] = np.arange(len(self._order))
        if not 0 <= source < self._n_rows or self._places[source] < 0:
            return None
        return int(self._places[source])

    def sort(self, column: int, *, descending: bool = False) -> None:
        """Sort by a column; equal rows keep the order of the table, unknown go last."""
        self._sorted = (column, descending)
        self._arrange()

    def show_only(self, mask: NDArray[np.bool_] | None) -> None:
        """Show only some rows, ``(n,)`` flags; `None` shows all."""
        self._mask = mask
        self._arrange()

    def _arrange(self) -> None:
        rows = np.arange(self._n_rows)
        if self._mask is not None:
            rows = rows[self._mask]
        if self._sorted is not None and 0 <= self._sorted[0] < len(self.columns):
            column, descending = self._sorted
            rows = rows[_order(self.columns[column].values[rows], descending)]
        self._order, self._places = rows, None


def plottable(table: "pd.DataFrame") -> list[str]:
    """Return the columns of numbers that say something, the most asked for first."""
    numeric = [
        str(name)
        for name in table.select_dtypes("number").columns
        if name not in LEFT_OUT and name not in ("label", "track_id", "parent_id")
    ]
    known = [name for name in numeric if np.isfinite(table[name]).any()]
    first = [name for name in FIRST if name in known and name != "frame"]
    return first + [name for name in known if name not in first]


def _order(values: NDArray[Any], descending: bool) -> NDArray[np.intp]:
    """Return the order of values; what is not known comes last either way."""
    if values.dtype.kind == "O":
        values = np.unique(values.astype(str), return_inverse=True)[1]
    numbers = values.astype(np.float64)
    if descending:
        numbers = -numbers
    return np.argsort(numbers, kind="stable")


def _column(table: "pd.DataFrame", name: str) -> ShownColumn:
    values = table[name].to_numpy()
    return ShownColumn(name, title_of(name), values, _texts(table, name, values))


def _texts(
    table: "pd.DataFrame", name: str, values: NDArray[Any]
) -> Callable[[int], str]:
    error = ERRORS.get(name)
    if error in table.columns:
        errors = table[error].to_numpy(np.float64)
        return lambda row: mass_text(float(values[row]), float(errors[row]))
    if values.dtype.kind == "b":
        return lambda row: "yes" if values[row] else ""
    if name == "parent_id":
        return lambda row: f"{values[row]:.0f}" if values[row] > 0 else ""
    if values.dtype.kind in "iuf":
        return lambda row: number_text(float(values[row]))
    return lambda row: str(values[row])
