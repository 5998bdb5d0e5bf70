"""Below the tools for cells: mark the shown frame as done, and see how many are."""

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_qpm.viewer.done_frames import DoneFrames
from napari_qpm.viewer.shortcuts import Act, tooltip

__all__ = ["AnnotationBox"]

MARK = "Mark frame as done"
MARKED = "✓  Frame is done"
DONE_TOOLTIP = (
    "Every cell of this frame is outlined, all the rest is background: that is what a "
    "network learns from it. Press again to take it back."
)


class AnnotationBox(QWidget):
    """A button that stays pressed while a done frame is shown, and a count.

    Parameters
    ----------
    done
        The view-model.
    """

    def __init__(self, done: DoneFrames, parent: QWidget | None = None):
        super().__init__(parent)
        self._done = done
        self.done = QPushButton()
        self.done.setObjectName("done_button")
        self.done.setCheckable(True)
        self.count = QLabel()
        self.count.setObjectName("done_count")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.done)
        layout.addWidget(self.count)
        layout.addStretch()
        self.done.clicked.connect(done.toggle)
        done.changed.connect(self.refresh)
        self.refresh()

    def close_connections(self) -> None:
        """Let go of the view-model."""
        self._done.changed.disconnect(self.refresh)

    def refresh(self) -> None:
        """Show whether the frame in view is done."""
        done = self._done
        obstacle = done.obstacle()
        self.setVisible(done.is_offered)
        self.done.setEnabled(obstacle is None)
        self.done.setChecked(done.is_shown_done)
        self.done.setText(MARKED if done.is_shown_done else MARK)
        self.done.setToolTip(obstacle or tooltip(DONE_TOOLTIP, Act.DONE))
        self.count.setText(done.sentence())
