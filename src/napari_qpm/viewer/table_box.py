"""The table of cells: a preview to read, and its export."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.viewer.wording import describe_table, preview_of
from napari_qpm.viewer.workflow import Workflow

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableBox"]

ROWS_SHOWN = 6


class TableModel(QAbstractTableModel):
    """Rows of a table of texts, as they are shown."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._table: pd.DataFrame | None = None

    def show_table(self, table: "pd.DataFrame | None") -> None:
        """Replace the rows."""
        self.beginResetModel()
        self._table = table
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of cells."""
        return 0 if self._table is None else len(self._table)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if self._table is None else self._table.shape[1]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's text."""
        if self._table is None or not index.isValid():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(
                Qt.AlignmentFlag.AlignRight.value | Qt.AlignmentFlag.AlignVCenter.value
            )
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return str(self._table.iat[index.row(), index.column()])

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return a column's title, or the row's number."""
        if role != Qt.ItemDataRole.DisplayRole or self._table is None:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return str(self._table.columns[section])
        return str(section + 1)


class TableBox(QWidget):
    """Summary, preview and export of what was measured.

    Parameters
    ----------
    workflow
        The view-model.
    """

    export_asked = Signal()
    """The user wants the table in a file."""
    table_shown = Signal()
    """A new table is there."""

    def __init__(self, workflow: Workflow, parent: QWidget | None = None):
        super().__init__(parent)
        self._workflow = workflow
        self._shown: pd.DataFrame | None = None
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.model = TableModel(self)
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setToolTip("Click a row to see the cell in the viewer.")
        self.view.verticalHeader().hide()
        height = self.view.verticalHeader().defaultSectionSize()
        self.view.setMinimumHeight(height * ROWS_SHOWN)
        self.export = QPushButton("Export table…")
        self.export.setObjectName("export_button")
        self.export.setToolTip(
            "Save as CSV and Parquet, with the settings beside them."
        )
        row = QHBoxLayout()
        row.addWidget(self.summary, 1)
        row.addWidget(self.export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.view)
        self.export.clicked.connect(self.export_asked)
        self.view.clicked.connect(self._on_row)

    def refresh(self) -> None:
        """Show the table of the selected recording, if it has one."""
        field = self._workflow.field
        table = None if field is None else field.table
        self.setVisible(table is not None)
        self.export.setEnabled(self._workflow.job is None)
        if table is self._shown:
            return
        self._shown = table
        if field is None or table is None:
            self.model.show_table(None)
            return
        self.summary.setText(
            describe_table(table, field.missing_columns, field.acquisition.missing())
        )
        self.model.show_table(preview_of(table))
        self.view.resizeColumnsToContents()
        self.table_shown.emit()

    def _on_row(self, index: QModelIndex) -> None:
        if self._shown is not None:
            row = self._shown.iloc[index.row()]
            self._workflow.show_cell(int(row["label"]), int(row["frame"]))
