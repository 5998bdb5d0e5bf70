"""Below the Cells step: buttons to merge, split, delete and draw cells."""

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_qpm.viewer.label_tools import LabelTools, Tool
from napari_qpm.viewer.shortcuts import Act, tooltip

__all__ = ["LabelBox"]

TITLES = {Tool.MERGE: "Merge", Tool.SPLIT: "Split", Tool.DELETE: "Delete"}
TOOLTIPS = {
    Tool.MERGE: "Click a cell, then the cells that belong to it: they take its label "
    "in this frame.",
    Tool.SPLIT: "Click a cell to part it at its neck, or drag a line to cut along it.",
    Tool.DELETE: "Click a cell to delete it in this frame; with Shift, in all frames "
    "that it was followed through.",
}
NEW_TOOLTIP = "Take a label that no cell has, and the brush, to paint a cell."


class LabelBox(QWidget):
    """Edit tools of the cells; hidden while there are none.

    Parameters
    ----------
    tools
        The view-model.
    """

    def __init__(self, tools: LabelTools, parent: QWidget | None = None):
        super().__init__(parent)
        self._tools = tools
        self.buttons: dict[Tool, QPushButton] = {}
        row = QHBoxLayout()
        for tool, title in TITLES.items():
            button = QPushButton(title)
            button.setObjectName(f"{tool.value}_button")
            button.setCheckable(True)
            self.buttons[tool] = button
            row.addWidget(button)
        self.new = QPushButton("New cell")
        self.new.setObjectName("new_cell_button")
        row.addWidget(self.new)
        self.hint = QLabel()
        self.hint.setObjectName("label_hint")
        self.hint.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self.hint)
        self.buttons[Tool.MERGE].clicked.connect(self._on_merge)
        self.buttons[Tool.SPLIT].clicked.connect(self._on_split)
        self.buttons[Tool.DELETE].clicked.connect(self._on_delete)
        self.new.clicked.connect(self._on_new)
        tools.changed.connect(self.refresh)
        self.refresh()

    def close_connections(self) -> None:
        """Let go of the view-model."""
        self._tools.changed.disconnect(self.refresh)

    def refresh(self) -> None:
        """Show which tool is chosen and what can be done."""
        tools = self._tools
        self.setVisible(tools.cells() is not None)
        obstacle = tools.obstacle()
        for tool, button in self.buttons.items():
            button.setEnabled(obstacle is None)
            button.setChecked(tools.tool is tool)
            button.setToolTip(obstacle or tooltip(TOOLTIPS[tool], Act(tool)))
        self.new.setEnabled(obstacle is None)
        self.new.setToolTip(obstacle or tooltip(NEW_TOOLTIP, Act.NEW))
        self.hint.setText(tools.hint)
        self.hint.setVisible(bool(tools.hint))

    def _on_merge(self, is_chosen: bool) -> None:
        self._tools.choose(Tool.MERGE if is_chosen else None)

    def _on_split(self, is_chosen: bool) -> None:
        self._tools.choose(Tool.SPLIT if is_chosen else None)

    def _on_delete(self, is_chosen: bool) -> None:
        self._tools.choose(Tool.DELETE if is_chosen else None)

    def _on_new(self) -> None:
        self._tools.new_cell()
