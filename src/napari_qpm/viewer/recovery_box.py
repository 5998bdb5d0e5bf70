"""Tell that corrections are saved; offer those of an earlier session."""

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_qpm.viewer.autosave import Autosave

__all__ = ["RecoveryBox"]


class RecoveryBox(QWidget):
    """A sentence, and two buttons while there is something to restore.

    Parameters
    ----------
    autosave
        The view-model.
    """

    def __init__(self, autosave: Autosave, parent: QWidget | None = None):
        super().__init__(parent)
        self._autosave = autosave
        self.sentence = QLabel()
        self.sentence.setObjectName("recovery_sentence")
        self.sentence.setWordWrap(True)
        self.restore = QPushButton("Restore")
        self.restore.setObjectName("restore_button")
        self.dismiss = QPushButton("Delete them")
        self.dismiss.setObjectName("dismiss_button")
        self.dismiss.setToolTip("Delete the kept corrections for good.")
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.dismiss)
        row.addWidget(self.restore)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.sentence)
        layout.addLayout(row)
        self.restore.clicked.connect(autosave.restore)
        self.dismiss.clicked.connect(autosave.dismiss)
        autosave.changed.connect(self.refresh)
        self.refresh()

    def close_connections(self) -> None:
        """Let go of the view-model."""
        self._autosave.changed.disconnect(self.refresh)

    def refresh(self) -> None:
        """Show what was saved, or can be restored now."""
        autosave = self._autosave
        sentence = autosave.sentence()
        has_offer = autosave.offer is not None
        self.setVisible(bool(sentence))
        self.sentence.setText(sentence)
        self.restore.setVisible(has_offer)
        self.dismiss.setVisible(has_offer)
        if has_offer:
            obstacle = autosave.obstacle()
            self.restore.setEnabled(not obstacle)
            self.restore.setToolTip(
                obstacle or "Put the kept frames back into the cells; can be undone."
            )
