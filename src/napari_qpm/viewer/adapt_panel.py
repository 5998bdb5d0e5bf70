"""Panel that adapts a model: name, minutes, progress, and what it brought."""

import html
import math
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.jobs import JobState, Status
from napari_qpm.viewer.adapting import Adapting

if TYPE_CHECKING:
    from napari_qpm.adaptation import Adaptation

__all__ = ["AdaptPanel"]

MINUTES, MOST_MINUTES = 10, 120
EXPLANATION = (
    "The model learns from simulations of your microscope and from frames of this "
    "recording that pass all checks. It becomes a new model; the old one stays."
)


class AdaptPanel(QWidget):
    """Form, progress and outcome of one adaptation.

    Parameters
    ----------
    adapting
        What can be done.
    """

    def __init__(self, adapting: Adapting, parent: QWidget | None = None):
        super().__init__(parent)
        self._adapting = adapting
        explanation = QLabel(EXPLANATION)
        explanation.setWordWrap(True)
        self.name = QLineEdit()
        self.name.setObjectName("adapt_name")
        self.name.setToolTip("Small letters, digits, '-', '_' and '.'.")
        self.minutes = QSpinBox()
        self.minutes.setObjectName("adapt_minutes")
        self.minutes.setRange(1, MOST_MINUTES)
        self.minutes.setValue(MINUTES)
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("How long it may take. Minutes on a graphics card do.")
        self.start = QPushButton("Start")
        self.start.setObjectName("adapt_start")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.stop = QPushButton("Stop and keep")
        self.stop.setObjectName("adapt_stop")
        self.stop.setToolTip("End early; the best until then is kept if it is better.")
        self.message = QLabel()
        self.message.setObjectName("adapt_message")
        self.message.setWordWrap(True)
        self.table = QLabel()
        self.table.setObjectName("adapt_table")
        self.table.setWordWrap(True)
        # Long titles wrap; they must not widen the dock.
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

        form = QFormLayout()
        form.addRow("Name", self.name)
        form.addRow("Time", self.minutes)
        row = QHBoxLayout()
        row.addWidget(self.start)
        row.addWidget(self.bar, 1)
        row.addWidget(self.stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(explanation)
        layout.addLayout(form)
        layout.addLayout(row)
        layout.addWidget(self.message)
        layout.addWidget(self.table)
        self.start.clicked.connect(self._on_start)
        self.stop.clicked.connect(adapting.stop)
        adapting.changed.connect(self.refresh)
        adapting.progressed.connect(self.show_status)

    def offer_name(self) -> None:
        """Put in a name that is still free."""
        self.name.setText(self._adapting.free_name())

    def refresh(self) -> None:
        """Show what can be done, or what happened."""
        adapting = self._adapting
        is_learning = adapting.job is not None
        availability = adapting.availability()
        self.start.setVisible(not is_learning)
        self.start.setEnabled(availability.is_ready)
        self.start.setToolTip(availability.reason)
        for widget in (self.name, self.minutes):
            widget.setEnabled(not is_learning)
        for widget in (self.bar, self.stop):
            widget.setVisible(is_learning)
        if is_learning:
            self.table.hide()
            return
        self.message.setText(adapting.message)
        self.message.setVisible(bool(adapting.message))
        self.table.setVisible(adapting.outcome is not None)
        if adapting.outcome is not None:
            self.table.setText(_as_table(adapting.outcome))

    def show_status(self, status: Status) -> None:
        """Show how far the learning is."""
        if self._adapting.job is None:
            return
        progress = status.progress
        self.bar.setMaximum(progress.total)
        self.bar.setValue(progress.done)
        is_stopping = status.state is JobState.CANCELLING
        self.stop.setEnabled(not is_stopping)
        self.stop.setText("Stopping…" if is_stopping else "Stop and keep")
        told = "Stopping…" if is_stopping else status.describe()
        parts = [part for part in (progress.message, told) if part]
        self.message.setText(": ".join(dict.fromkeys(parts)))
        self.message.show()

    def _on_start(self) -> None:
        self._adapting.start(self.name.text().strip(), self.minutes.value())


def _as_table(outcome: "Adaptation") -> str:
    """Return figures before and after, as rich text."""

    def cell(value: float) -> str:
        return f"{value:.2f}" if math.isfinite(value) else "–"

    lines = [
        f"<tr><td>{html.escape(title)}</td><td align='right'>&nbsp;{cell(before)}</td>"
        f"<td align='right'>&nbsp;<b>{cell(after)}</b></td></tr>"
        for title, before, after in outcome.rows()
    ]
    head = "<tr><td></td><td>&nbsp;before</td><td>&nbsp;after</td></tr>"
    where = html.escape(f"On {outcome.frame} ({outcome.held_out}).")
    note = html.escape(outcome.note)
    return f"<table>{head}{''.join(lines)}</table><p>{where} {note}</p>"
