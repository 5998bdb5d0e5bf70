"""The shown table for Qt: hands out one text at a time."""

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QWidget

from napari_qpm.viewer.cell_table import CellTable

__all__ = ["CellTableModel"]

_RIGHT = int(Qt.AlignmentFlag.AlignRight.value | Qt.AlignmentFlag.AlignVCenter.value)


class CellTableModel(QAbstractTableModel):
    """Rows and columns of a `CellTable`; a click on a title sorts by it."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.shown: CellTable | None = None

    def show_table(self, table: CellTable | None) -> None:
        """Replace everything."""
        self.beginResetModel()
        self.shown = table
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of rows that pass the filter."""
        return 0 if self.shown is None else self.shown.n_rows

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if self.shown is None else len(self.shown.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a text."""
        if self.shown is None or not index.isValid():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self.shown.text(index.row(), index.column())

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return a column's title, or the row's number."""
        if role != Qt.ItemDataRole.DisplayRole or self.shown is None:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return self.shown.columns[section].title
        return str(section + 1)

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Sort by a column; the view keeps its current row by itself."""
        if self.shown is None or column < 0:
            return
        self.beginResetModel()
        descending = order == Qt.SortOrder.DescendingOrder
        self.shown.sort(column, descending=descending)
        self.endResetModel()

    def show_only(self, mask: Any) -> None:
        """Show only some rows."""
        if self.shown is not None:
            self.beginResetModel()
            self.shown.show_only(mask)
            self.endResetModel()
