"""Below the Phase step, for learned methods: compare, and adapt to a microscope."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_qpm.viewer.learned_phase import LearnedPhase
from napari_qpm.viewer.workflow import Availability

__all__ = ["LearnedBox"]


class LearnedBox(QWidget):
    """Buttons and findings of learned phase; hidden for classical methods.

    Parameters
    ----------
    learned
        Comparing.
    """

    adapt_asked = Signal()
    """The user wants to adapt a model."""

    def __init__(self, learned: LearnedPhase, parent: QWidget | None = None):
        super().__init__(parent)
        self._learned = learned
        self.adapt = QPushButton("Adapt to this microscope…")
        self.adapt.setObjectName("adapt_button")
        self.adapt.setToolTip(
            "Make a model of your own that fits the selected recording's microscope."
        )
        self.compare = QPushButton()
        self.compare.setObjectName("compare_button")
        self.compared = QLabel()
        self.compared.setObjectName("compared")
        self.compared.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        # One below the other: side by side they are wider than a narrow dock.
        layout.addWidget(self.compare)
        layout.addWidget(self.compared)
        layout.addWidget(self.adapt)
        self.compare.clicked.connect(learned.compare)
        self.adapt.clicked.connect(self.adapt_asked)

    @property
    def is_offered(self) -> bool:
        """Whether the Phase step is set to a learned method."""
        return self._learned.is_chosen

    def comparing(self) -> Availability:
        """Return whether phases can be compared now, and what to do if not."""
        return self._learned.comparing()

    def refresh(self) -> None:
        """Show what the selected recording and the chosen method allow now."""
        learned = self._learned
        self.setVisible(learned.is_chosen)
        comparing = learned.comparing()
        title = learned.classical_title.partition(" ")[0]
        self.compare.setText(f"Compare with {title}")
        self.compare.setEnabled(comparing.is_ready)
        self.compare.setToolTip(comparing.reason)
        compared = learned.compared
        self.compared.setVisible(compared is not None)
        self.compared.setText("" if compared is None else compared.sentence)
