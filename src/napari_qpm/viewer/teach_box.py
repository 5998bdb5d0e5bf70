"""Below the Cells step: open the training, and hear what waits there."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_qpm.viewer.teaching import Teaching

__all__ = ["TeachBox"]


class TeachBox(QWidget):
    """Button to the training; hidden while there are no cells and nothing waits.

    Parameters
    ----------
    teaching
        The view-model.
    """

    asked = Signal()
    """The user wants to teach a network."""

    def __init__(self, teaching: Teaching, parent: QWidget | None = None):
        super().__init__(parent)
        self._teaching = teaching
        self._has_cells = False
        self.button = QPushButton("Learn from my cells…")
        self.button.setObjectName("teach_button")
        self.button.setToolTip(
            "Teach a network the cells of the frames that you corrected."
        )
        self.state = QLabel()
        self.state.setObjectName("teach_state")
        self.state.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button)
        layout.addWidget(self.state)
        self.button.clicked.connect(self.asked)
        teaching.changed.connect(self._on_changed)
        self._on_changed()

    def close_connections(self) -> None:
        """Let go of the view-model."""
        self._teaching.changed.disconnect(self._on_changed)

    def refresh(self, has_cells: bool) -> None:
        """Show the button if there are cells, or if something waits."""
        self._has_cells = has_cells
        self._on_changed()

    def _on_changed(self) -> None:
        teaching = self._teaching
        waits = teaching.waiting_sentence()
        sentence = "A network is learning." if teaching.job is not None else waits
        self.state.setText(sentence)
        self.state.setVisible(bool(sentence))
        self.setVisible(self._has_cells or bool(sentence))
