"""What happens now: a sentence, a progress bar and Cancel, or a report to copy."""

from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.jobs import Status
from napari_qpm.viewer.workflow import Workflow

__all__ = ["JobBox"]


class JobBox(QWidget):
    """Status line of the dock; the bar and Cancel show while a job runs.

    Parameters
    ----------
    workflow
        The view-model.
    """

    def __init__(self, workflow: Workflow, parent: QWidget | None = None):
        super().__init__(parent)
        self._workflow = workflow
        self.sentence = QLabel()
        self.sentence.setObjectName("status")
        self.sentence.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.cancel = QPushButton("Cancel")
        self.cancel.setObjectName("cancel_button")
        self.cancel.setToolTip("Stop at the next frame; nothing shown is changed.")
        self.copy = QPushButton("Copy report")
        self.copy.setObjectName("report_button")
        self.copy.setToolTip(
            "Copy what helps to find the cause: versions, device, kind of recording, "
            "settings and where it failed. Names and places of your files are left out."
        )
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        row.addStretch()
        row.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.sentence)
        layout.addLayout(row)
        self.cancel.clicked.connect(workflow.cancel)
        self.copy.clicked.connect(self.copy_report)

    def copy_report(self) -> bool:
        """Put the report of the last failure on the clipboard, if there is one."""
        failure = self._workflow.failure
        if failure is None:
            return False
        QApplication.clipboard().setText(failure.report())
        self.sentence.setText("Copied the report: paste it into your message.")
        return True

    def refresh(self, sentence: str) -> None:
        """Show `sentence`, or the running job."""
        job = self._workflow.job
        self.copy.setVisible(self._workflow.failure is not None)
        for widget in (self.bar, self.cancel):
            widget.setVisible(job is not None)
        if job is None:
            self.sentence.setText(sentence)
        else:
            self.show_status(job.status)

    def show_status(self, status: Status) -> None:
        """Show how far the job is."""
        job = self._workflow.job
        if job is None:
            return
        progress = status.progress
        # A maximum of zero makes the bar say "busy" where the total is not known.
        self.bar.setMaximum(progress.total)
        self.bar.setValue(progress.done)
        # Until the job is settled here, however fast it ended over there.
        is_cancelling = job.token.is_cancelled
        self.cancel.setEnabled(not is_cancelling)
        self.cancel.setText("Cancelling…" if is_cancelling else "Cancel")
        told = status.describe()
        self.sentence.setText(f"{job.title}: {told}" if told else job.title)
