"""Below the Phase step, for learned methods: compare, and adapt to a microscope."""

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_qpm.viewer.learned_phase import LearnedPhase

__all__ = ["LearnedBox"]


class LearnedBox(QWidget):
    """Buttons and findings of learned phase; hidden for classical methods.

    Parameters
    ----------
    learned
        What can be done.
    """

    def __init__(self, learned: LearnedPhase, parent: QWidget | None = None):
        super().__init__(parent)
        self._learned = learned
        self.compare = QPushButton()
        self.compare.setObjectName("compare_button")
        self.compared = QLabel()
        self.compared.setObjectName("compared")
        self.compared.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self.compare)
        row.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self.compared)
        self.compare.clicked.connect(learned.compare)

    def refresh(self) -> None:
        """Show what the selected recording and the chosen method allow now."""
        learned = self._learned
        self.setVisible(learned.is_chosen)
        comparing = learned.comparing()
        self.compare.setText(f"Compare with {learned.classical_title}")
        self.compare.setEnabled(comparing.is_ready)
        self.compare.setToolTip(comparing.reason)
        compared = learned.compared
        self.compared.setVisible(compared is not None)
        self.compared.setText("" if compared is None else compared.sentence)
