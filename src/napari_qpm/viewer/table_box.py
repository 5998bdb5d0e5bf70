"""The table of cells: filter, sort, click through, export; and colours by column."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.viewer.cell_table import CellTable
from napari_qpm.viewer.colour_box import ColourBox
from napari_qpm.viewer.table_model import CellTableModel
from napari_qpm.viewer.wording import describe_table
from napari_qpm.viewer.workflow import Workflow

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RowChoice", "TableBox"]

ROWS_SHOWN = 6
ROWS_FOR_WIDTHS = 20
"""Enough to fit the columns to; napari's default of 1000 takes a while."""


class RowChoice(StrEnum):
    """Which rows are shown."""

    ALL = "all"
    """Every cell in every frame."""
    FRAME = "frame"
    """The cells of the frame in the viewer."""
    CELL = "cell"
    """The selected cell over time."""
    TRACKS = "tracks"
    """One row a cell over its whole time, with its growth."""


TITLES = {
    RowChoice.ALL: "All cells in all frames",
    RowChoice.FRAME: "Cells in this frame",
    RowChoice.CELL: "Selected cell over time",
    RowChoice.TRACKS: "One row for each track",
}


class TableBox(QWidget):
    """Summary, table and export of what was measured.

    Parameters
    ----------
    workflow
        The view-model.
    """

    export_asked = Signal()
    """The user wants the table in a file."""
    script_asked = Signal()
    """The user wants what was run as a Python script."""
    others_asked = Signal()
    """The user wants the same done with other recordings."""
    table_shown = Signal()
    """A new table is there."""

    def __init__(self, workflow: Workflow, parent: QWidget | None = None):
        super().__init__(parent)
        self._workflow = workflow
        self._selection = workflow.selection
        self._shown: pd.DataFrame | None = None
        self._is_following = False
        self._build()
        self._connect()

    def _build(self) -> None:
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.colours = ColourBox(self._workflow.colouring)
        self.rows = QComboBox()
        self.rows.setObjectName("table_rows")
        self.rows.setToolTip("Which rows the table shows.")
        for choice, title in TITLES.items():
            self.rows.addItem(title, choice.value)
        self.model = CellTableModel(self)
        self.view = QTableView()
        self.view.setObjectName("cell_table")
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setToolTip(
            "Click a row to see the cell in the viewer, or a cell to see its row. "
            "Click a title to sort."
        )
        self.view.verticalHeader().hide()
        header = self.view.horizontalHeader()
        header.setResizeContentsPrecision(ROWS_FOR_WIDTHS)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        self.view.setSortingEnabled(True)
        height = self.view.verticalHeader().defaultSectionSize()
        self.view.setMinimumHeight(height * ROWS_SHOWN)
        self.export = _button(
            "Export table…",
            "export_button",
            "Save as CSV and Parquet, with the settings beside them.",
        )
        self.script = _button(
            "Copy as Python",
            "script_button",
            "Copy a script that does again exactly what was run here.",
        )
        self.others = _button(
            "Run on others…",
            "others_button",
            "Do exactly what was run here with other recordings. Finished frames are "
            "skipped when it runs again.",
        )
        saving = QHBoxLayout()
        saving.addWidget(self.export)
        saving.addWidget(self.script)
        saving.addWidget(self.others)
        saving.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.summary)
        layout.addWidget(self.colours)
        layout.addWidget(self.rows)
        layout.addWidget(self.view)
        layout.addLayout(saving)

    def _connect(self) -> None:
        self.export.clicked.connect(self.export_asked)
        self.script.clicked.connect(self.script_asked)
        self.others.clicked.connect(self.others_asked)
        self.rows.activated.connect(self._on_rows)
        self.view.clicked.connect(self._on_row)
        self.view.selectionModel().currentRowChanged.connect(self._on_row)
        self.model.modelReset.connect(self._follow)
        self._selection.changed.connect(self._on_selected)
        self._workflow.viewer.dims.events.current_step.connect(self._on_step)

    def close_connections(self) -> None:
        """Let go of the viewer."""
        self._selection.changed.disconnect(self._on_selected)
        self._workflow.viewer.dims.events.current_step.disconnect(self._on_step)
        self.colours.close_connections()

    def refresh(self) -> None:
        """Show the table of the selected recording, if it has one."""
        field = self._workflow.field
        table = None if field is None else field.table
        self.setVisible(table is not None)
        for button in (self.export, self.script, self.others):
            button.setEnabled(self._workflow.job is None)
        if table is self._shown:
            return
        self._shown = table
        if field is None or table is None:
            self.model.show_table(None)
            return
        self.summary.setText(
            describe_table(
                table,
                field.missing_columns,
                field.acquisition.missing(),
                field.track_table,
            )
        )
        self.colours.refresh()
        is_series = table["frame"].nunique() > 1
        self.rows.setVisible(is_series)
        self._set_choosable(RowChoice.CELL, "track_id" in table.columns)
        self._set_choosable(RowChoice.TRACKS, field.track_table is not None)
        self._show_rows()
        self.table_shown.emit()

    def _choice(self) -> RowChoice:
        return RowChoice(self.rows.currentData())

    def _set_choosable(self, choice: RowChoice, is_choosable: bool) -> None:
        place = list(RowChoice).index(choice)
        self.rows.model().item(place).setEnabled(is_choosable)
        if not is_choosable and self._choice() is choice:
            self.rows.setCurrentIndex(0)

    def _on_rows(self) -> None:
        self._show_rows()

    def _show_rows(self) -> None:
        """Show the chosen rows of the chosen table."""
        field = self._workflow.field
        if field is None or self._shown is None:
            return
        choice = self._choice()
        table = field.track_table if choice is RowChoice.TRACKS else self._shown
        assert table is not None
        shown = CellTable(table)
        header = self.view.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        shown.show_only(self._mask(choice))
        self.model.show_table(shown)
        self.view.resizeColumnsToContents()

    def _mask(self, choice: RowChoice) -> Any:
        """Return which rows pass; `None` for all."""
        index = self._selection.index
        if index is None or choice in (RowChoice.ALL, RowChoice.TRACKS):
            return None
        mask = np.zeros(len(index.frame), bool)
        if choice is RowChoice.FRAME:
            mask[index.rows_of_frame(self._workflow.current_frame())] = True
        elif self._selection.track is not None:
            mask[index.rows_of_track(self._selection.track)] = True
        return mask

    def _on_step(self) -> None:
        if self._shown is not None and self._choice() is RowChoice.FRAME:
            self.model.show_only(self._mask(RowChoice.FRAME))

    def _on_selected(self) -> None:
        if self._selection.table is not self._shown:
            return
        if self._choice() is RowChoice.CELL:
            self.model.show_only(self._mask(RowChoice.CELL))
        self._follow()

    def _follow(self) -> None:
        """Make the row of the selected cell the current one, and scroll to it."""
        place = self._place()
        self._is_following = True
        try:
            if place is None:
                self.view.clearSelection()
                self.view.setCurrentIndex(QModelIndex())
            else:
                column = max(0, self.view.currentIndex().column())
                index = self.model.index(place, column)
                self.view.setCurrentIndex(index)
                self.view.scrollTo(index)
        finally:
            self._is_following = False

    def _place(self) -> int | None:
        shown, selection = self.model.shown, self._selection
        if shown is None or self._shown is None:
            return None
        if self._choice() is not RowChoice.TRACKS:
            return None if selection.row is None else shown.place(selection.row)
        field = self._workflow.field
        if field is None or field.track_table is None or selection.track is None:
            return None
        numbers = field.track_table["track_id"].to_numpy()
        found = np.flatnonzero(numbers == selection.track)
        return shown.place(int(found[0])) if found.size else None

    def _on_row(self, index: QModelIndex) -> None:
        shown, field = self.model.shown, self._workflow.field
        if self._is_following or shown is None or not index.isValid():
            return
        if field is None or self._selection.table is not self._shown:
            return
        source = shown.source(index.row())
        if self._choice() is not RowChoice.TRACKS:
            self._selection.select_row(source)
        elif field.track_table is not None:
            number = field.track_table["track_id"].iloc[source]
            self._selection.select_track(int(number))


def _button(text: str, name: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tooltip)
    return button
