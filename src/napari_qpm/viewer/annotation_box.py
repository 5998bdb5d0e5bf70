"""Below the tools for cells: what is no cell, and which frames are done."""

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_qpm.viewer.done_frames import DoneFrames
from napari_qpm.viewer.no_cell_brush import NoCellBrush
from napari_qpm.viewer.shortcuts import Act, tooltip
from napari_qpm.viewer.suggesting import Suggesting

__all__ = ["AnnotationBox"]

MARK = "Mark frame as done"
MARKED = "✓  Frame is done"
DONE_TOOLTIP = (
    "Every cell of this frame is outlined, all the rest is background: that is what a "
    "network learns from it. Press again to take it back."
)


NO_CELL_TOOLTIP = (
    "Paint where there is no cell, in a frame of which you outline only some cells: a "
    "network learns nothing from what is left blank."
)
SUGGEST_TOOLTIP = (
    "Go to the frame whose cells are most in doubt, of those that are not done: where "
    "the method, asked in another way, outlines other cells."
)


class AnnotationBox(QWidget):
    """A brush for what is no cell, and a button for frames that are done.

    Parameters
    ----------
    done
        Which frames are done.
    no_cell
        The brush.
    suggesting
        What shows the next frame to annotate.
    """

    def __init__(
        self,
        done: DoneFrames,
        no_cell: NoCellBrush,
        suggesting: Suggesting,
        parent: QWidget | None = None,
    ):
        super().__init__(parent)
        self._done, self._no_cell, self._suggesting = done, no_cell, suggesting
        self.done = QPushButton()
        self.done.setObjectName("done_button")
        self.done.setCheckable(True)
        self.count = QLabel()
        self.count.setObjectName("done_count")
        self.no_cell = QPushButton("No cell here")
        self.no_cell.setObjectName("no_cell_button")
        self.no_cell.setCheckable(True)
        self.hint = QLabel()
        self.hint.setObjectName("no_cell_hint")
        self.hint.setWordWrap(True)
        self.suggest = QPushButton("Suggest next frame")
        self.suggest.setObjectName("suggest_button")
        row, frames = QHBoxLayout(), QHBoxLayout()
        for widget in (self.no_cell, self.done):
            row.addWidget(widget)
        for widget in (self.suggest, self.count):
            frames.addWidget(widget)
        frames.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addLayout(frames)
        layout.addWidget(self.hint)
        self.done.clicked.connect(done.toggle)
        self.no_cell.clicked.connect(no_cell.toggle)
        self.suggest.clicked.connect(suggesting.suggest)
        done.changed.connect(self.refresh)
        no_cell.changed.connect(self.refresh)
        self.refresh()

    def close_connections(self) -> None:
        """Let go of the view-models."""
        self._done.changed.disconnect(self.refresh)
        self._no_cell.changed.disconnect(self.refresh)

    def refresh(self) -> None:
        """Show whether the frame in view is done, and what the brush does."""
        done, no_cell = self._done, self._no_cell
        obstacle = done.obstacle()
        self.setVisible(done.is_offered)
        self.done.setEnabled(obstacle is None)
        self.done.setChecked(done.is_shown_done)
        self.done.setText(MARKED if done.is_shown_done else MARK)
        self.done.setToolTip(obstacle or tooltip(DONE_TOOLTIP, Act.DONE))
        self.count.setText(done.sentence())
        self.suggest.setVisible(bool(done.sentence()))
        in_the_way = self._suggesting.obstacle()
        self.suggest.setEnabled(not in_the_way)
        self.suggest.setToolTip(in_the_way or tooltip(SUGGEST_TOOLTIP, Act.SUGGEST))
        self.no_cell.setEnabled(obstacle is None)
        self.no_cell.setChecked(no_cell.is_chosen)
        self.no_cell.setToolTip(obstacle or tooltip(NO_CELL_TOOLTIP, Act.NO_CELL))
        self.hint.setText(no_cell.hint)
        self.hint.setVisible(bool(no_cell.hint))
