"""The dock "QPM training": what teaches, how it goes, and what it brought."""

import html
import math
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.jobs import JobState, Status
from napari_qpm.viewer.docked_widget import DockedWidget
from napari_qpm.viewer.learning import Learning
from napari_qpm.viewer.plot_canvas import PlotCanvas
from napari_qpm.viewer.tall_scroll import TallScroll
from napari_qpm.viewer.training_runs import Curves

__all__ = ["LearningBox", "TrainPanel"]

MOST_MINUTES = 120
HEIGHT = 190
"""What a window of 1280 x 800 pixels has below the layer controls of labels."""
FORM_WIDTH, FRAMES_WIDTH, PICTURE_SIZE = 300, 230, (200, 145)
BEST_PX, CURVE_PX = 11, 2
REFRESH_MS = 300
"""After a stroke, until the cells are counted again."""


class LearningBox(QWidget):
    """Frames, form, curves and outcome of one kind of learning.

    Parameters
    ----------
    learning
        The view-model.
    viewer
        Its theme gives the colours.
    """

    def __init__(self, learning: Learning, viewer: Any, parent: QWidget | None = None):
        super().__init__(parent)
        self._learning = learning
        self._rows: list[Any] = []
        self._started = ""
        self._drawn: Curves | None = None
        self._build(viewer)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(REFRESH_MS)
        self._connect()
        self.refresh()

    def _build(self, viewer: Any) -> None:
        kind = self._learning.kind
        self.frames = QListWidget()
        self.frames.setObjectName(f"{kind}_frames")
        self.frames.setToolTip("Frames that teach; untick those that should not.")
        self.summary = _label(f"{kind}_summary")
        self.model = QComboBox()
        self.model.setObjectName(f"{kind}_base")
        self.model.setToolTip("Model to start from; it stays as it is.")
        self.model.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.name = QLineEdit()
        self.name.setObjectName(f"{kind}_name")
        self.name.setToolTip("Small letters, digits, '-', '_' and '.'.")
        self.minutes = QSpinBox()
        self.minutes.setObjectName(f"{kind}_minutes")
        self.minutes.setRange(1, MOST_MINUTES)
        self.minutes.setValue(self._learning.default_minutes)
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("How long it may take. Minutes on a graphics card do.")
        self.start = self._button("Start", "start", "")
        self.pause = self._button(
            "Pause", "pause", "Let it wait; it goes on later, also in another session."
        )
        self.stop = self._button(
            "Stop and keep",
            "stop",
            "End early; the best until then is kept if it is better.",
        )
        self.resume = self._button("Resume", "resume", "Go on where it stopped.")
        self.discard = self._button("Discard", "discard", "Delete what it has learned.")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.message = _label(f"{kind}_message")
        self.table = _label(f"{kind}_table")
        self.loss, self.score = PlotCanvas(viewer), PlotCanvas(viewer)
        self.shown = self._make_tabs()
        self.picture = QLabel()
        self.picture.setObjectName(f"{kind}_picture")
        self.picture.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.picture.setFixedWidth(PICTURE_SIZE[0])

        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._frames_column())
        layout.addWidget(self._form_column())
        layout.addWidget(self.shown, 1)
        layout.addWidget(self.picture)

    def _make_tabs(self) -> QTabWidget:
        """Return the curves, and what the learning brought."""
        curves, tabs = QWidget(), QTabWidget()
        side_by_side = QHBoxLayout(curves)
        side_by_side.setContentsMargins(0, 0, 0, 0)
        side_by_side.addWidget(self.loss, 1)
        side_by_side.addWidget(self.score, 1)
        self.table.setAlignment(Qt.AlignmentFlag.AlignTop)
        # As high as its text needs at this width, and scrolled only beyond that.
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        policy.setHeightForWidth(True)
        self.table.setSizePolicy(policy)
        self._outcome = TallScroll(self.table)
        tabs.setObjectName(f"{self._learning.kind}_shown")
        tabs.addTab(curves, "Curves")
        tabs.addTab(self._outcome, "Before and after")
        tabs.setTabVisible(1, False)
        return tabs

    def _frames_column(self) -> QWidget:
        column = QWidget()
        column.setFixedWidth(FRAMES_WIDTH)
        inner = QVBoxLayout(column)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.frames, 1)
        inner.addWidget(self.summary)
        return column

    def _form_column(self) -> QWidget:
        form = QFormLayout()
        form.addRow("Start from", self.model)
        form.addRow("Name", self.name)
        form.addRow("Time", self.minutes)
        buttons = QHBoxLayout()
        for button in (self.start, self.pause, self.stop, self.resume, self.discard):
            buttons.addWidget(button)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(3)
        inner.addLayout(form)
        inner.addLayout(buttons)
        inner.addWidget(self.bar)
        inner.addWidget(self.message)
        inner.addStretch(1)
        scroll = TallScroll(content, FORM_WIDTH)
        scroll.setFixedWidth(FORM_WIDTH)
        return scroll

    def _button(self, title: str, name: str, tip: str) -> QPushButton:
        button = QPushButton(title)
        button.setObjectName(f"{self._learning.kind}_{name}")
        button.setToolTip(tip)
        return button

    def _connect(self) -> None:
        learning = self._learning
        self.start.clicked.connect(self._on_start)
        self.pause.clicked.connect(learning.pause)
        self.stop.clicked.connect(learning.stop)
        self.resume.clicked.connect(learning.resume)
        self.discard.clicked.connect(learning.discard)
        self.frames.itemChanged.connect(self._on_ticked)
        self._later.timeout.connect(self.refresh)
        self.loss.theme_changed.connect(self._redraw)
        learning.changed.connect(self.refresh)
        learning.progressed.connect(self.show_status)

    def close_connections(self) -> None:
        """Let go of viewer and view-model."""
        self._later.stop()
        self._learning.changed.disconnect(self.refresh)
        self._learning.progressed.disconnect(self.show_status)
        self.loss.close_connections()
        self.score.close_connections()

    def refresh_soon(self) -> None:
        """Count cells again once no stroke follows."""
        self._later.start()

    def refresh(self) -> None:
        """Show what can be done, or what happened."""
        learning = self._learning
        is_learning = learning.job is not None
        is_waiting = learning.waiting is not None and not is_learning
        availability = learning.availability()
        self._show_frames(is_learning)
        self._show_models()
        is_taken = learning.outcome is not None and self.name.text() == self._started
        if not is_learning and (is_taken or not self.name.text()):
            self.name.setText(learning.free_name())
        self.start.setVisible(not is_learning and not is_waiting)
        self.start.setEnabled(availability.is_ready)
        self.start.setToolTip(availability.reason)
        for widget in (self.frames, self.model, self.name, self.minutes):
            widget.setEnabled(not is_learning and not is_waiting)
        for widget in (self.bar, self.pause, self.stop):
            widget.setVisible(is_learning)
        for widget in (self.resume, self.discard):
            widget.setVisible(is_waiting)
        if is_learning:
            self._show_outcome(None)
            return
        hint = "" if availability.is_ready else availability.reason
        told = [learning.message, learning.waiting_sentence()]
        sentence = " ".join(filter(None, told)) or hint
        self.message.setText(sentence)
        self.message.setVisible(bool(sentence))
        self._show_outcome(learning.outcome)
        self._draw()

    def _show_outcome(self, outcome: Any) -> None:
        """Bring what the learning brought to the front, once; the curves otherwise."""
        text = "" if outcome is None else _as_table(outcome)
        if text == self.table.text():
            return
        self.table.setText(text)
        self.shown.setTabVisible(1, bool(text))
        self.shown.setCurrentIndex(1 if text else 0)

    def show_status(self, status: Status) -> None:
        """Show how far the learning is."""
        learning = self._learning
        if learning.job is None:
            return
        progress = status.progress
        self.bar.setMaximum(progress.total)
        self.bar.setValue(progress.done)
        is_ending = status.state is JobState.CANCELLING
        for button in (self.stop, self.pause):
            button.setEnabled(not is_ending)
        ending = "Pausing…" if learning.is_pausing else "Stopping…"
        told = ending if is_ending else status.describe()
        parts = [part for part in (progress.message, told) if part]
        self.message.setText(": ".join(dict.fromkeys(parts)))
        self.message.show()
        self._draw()

    def _show_frames(self, is_learning: bool) -> None:
        if is_learning:
            return
        self.summary.setText(self._learning.summary())
        rows = self._learning.rows()
        if rows == self._rows:
            return
        self._rows = rows
        self.frames.blockSignals(True)
        self.frames.clear()
        for row in rows:
            item = QListWidgetItem(row.title)
            ticked = Qt.CheckState.Checked if row.is_chosen else Qt.CheckState.Unchecked
            item.setCheckState(ticked)
            item.setData(Qt.ItemDataRole.UserRole, row.key)
            item.setToolTip(row.title)
            self.frames.addItem(item)
        self.frames.blockSignals(False)

    def _show_models(self) -> None:
        models = self._learning.models()
        names = [self.model.itemData(n) for n in range(self.model.count())]
        if names == [name for name, _ in models]:
            return
        self.model.clear()
        for name, title in models:
            self.model.addItem(title, name)
        self.model.setCurrentIndex(
            max(0, self.model.findData(self._learning.chosen_model()))
        )

    def _redraw(self) -> None:
        self._drawn = None
        self._draw()

    def _draw(self) -> None:
        """Draw curves that changed, and the picture."""
        curves = self._learning.curves()
        if curves is not self._drawn:
            self._drawn = curves
            self._draw_curves(curves)
        self._show_picture()

    def _draw_curves(self, curves: Curves) -> None:
        pen = pg.mkPen(self.loss.accent_color, width=CURVE_PX)
        self.loss.plot.clear()
        self.loss.show_titles("Step", "Loss")
        self.loss.plot.plot(curves.steps, curves.losses, pen=pen)
        self.score.plot.clear()
        self.score.show_titles("Step", curves.score_title)
        self.score.plot.plot(curves.judged_steps, curves.scores, pen=pen)
        if curves.best is not None:
            step, score = curves.best
            self.score.plot.plot(
                [step],
                [score],
                pen=None,
                symbol="star",
                symbolSize=BEST_PX,
                symbolBrush=self.score.text_color,
            )
            title = f"best {score:.3g} at step {step:.0f}: kept"
            self.score.plot.setTitle(title, color=self.score.text_color, size="8pt")

    def _show_picture(self) -> None:
        pixels = self._learning.picture()
        self.picture.setVisible(pixels is not None)
        if pixels is None:
            return
        height, width, _ = pixels.shape
        image = QImage(
            pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
        )
        self.picture.setPixmap(
            QPixmap.fromImage(image).scaled(
                *PICTURE_SIZE,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )

    def _on_ticked(self, item: QListWidgetItem) -> None:
        self._learning.choose(
            item.data(Qt.ItemDataRole.UserRole),
            item.checkState() is Qt.CheckState.Checked,
        )

    def _on_start(self) -> None:
        self._started = self.name.text().strip()
        self._learning.start(
            self._started, self.minutes.value(), self.model.currentData()
        )


class TrainPanel(DockedWidget):
    """Both kinds of learning of one QPM dock, in tabs.

    Parameters
    ----------
    viewer
        Its theme gives the colours.
    *learnings
        The view-models.
    """

    def __init__(
        self, viewer: Any, *learnings: Learning, parent: QWidget | None = None
    ):
        super().__init__(parent)
        self._is_open = True
        self.tabs = QTabWidget()
        self.tabs.setObjectName("training_tabs")
        self.boxes: dict[str, LearningBox] = {}
        for learning in learnings:
            box = LearningBox(learning, viewer)
            self.boxes[learning.kind] = box
            self.tabs.addTab(box, learning.title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        self.setMinimumHeight(HEIGHT)

    def show_kind(self, kind: str) -> None:
        """Bring one kind of learning to the front."""
        self.tabs.setCurrentWidget(self.boxes[kind])

    def refresh_soon(self, *_: Any) -> None:
        """Show what changed in the viewer, once nothing else does."""
        for box in self.boxes.values():
            box.refresh_soon()

    def close_connections(self) -> None:
        """Let go of viewer and view-models."""
        if self._is_open:
            self._is_open = False
            for box in self.boxes.values():
                box.close_connections()


def _label(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    # Long titles wrap; they must not widen the dock.
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def _as_table(outcome: Any) -> str:
    """Return figures before and after, as rich text."""

    def cell(value: float) -> str:
        if not math.isfinite(value):
            return "–"
        return f"{value:.0f}" if value == int(value) and value > 1 else f"{value:.2f}"

    lines = [
        f"<tr><td>{html.escape(title)}</td><td align='right'>&nbsp;{cell(before)}</td>"
        f"<td align='right'>&nbsp;<b>{cell(after)}</b></td></tr>"
        for title, before, after in outcome.rows()
    ]
    head = "<tr><td></td><td>&nbsp;before</td><td>&nbsp;after</td></tr>"
    where = html.escape(f"On {outcome.frame} ({outcome.held_out}).")
    note = html.escape(outcome.note)
    figures = f"<table>{head}{''.join(lines)}</table>"
    beside = f"<td>&nbsp;&nbsp;</td><td>{where} {note}</td>"
    return f"<table><tr><td>{figures}</td>{beside}</tr></table>"
