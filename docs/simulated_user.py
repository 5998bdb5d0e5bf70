"""A user with mouse and keyboard in a real napari window, for pictures and timings.

Everything goes through menus, dialogs, buttons and the canvas, as people do it; nothing
behind them is called. Import this module before napari: it keeps the settings of
whoever runs it out.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="qpm-docs-state-")
os.environ.setdefault(
    "NAPARI_CONFIG", str(Path(tempfile.mkdtemp(prefix="qpm-docs-")) / "settings.yaml")
)

import napari
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLineEdit,
    QMainWindow,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QScrollBar,
    QTableView,
    QTabWidget,
    QWidget,
)

__all__ = ["User"]

LEFT = Qt.MouseButton.LeftButton
JOB_LIMIT_S = 1800
SETTLE_S = 0.5
DIALOG_EVERY_MS = 100
DRAG_STEPS = 8
CAPTION_PX, FONT_PX = 22, 13
LARGEST_BYTES = 240_000


class User:
    """Opens napari and works in it.

    Parameters
    ----------
    size
        Of the window [px].
    """

    def __init__(self, size: tuple[int, int] = (1280, 800)):
        attribute = Qt.ApplicationAttribute.AA_DontUseNativeDialogs
        QApplication.setAttribute(attribute)
        self.viewer = napari.Viewer(show=True, show_welcome_screen=True)
        self.viewer.window.resize(*size)
        self.settle()
        self.window = next(
            one
            for one in QApplication.topLevelWidgets()
            if isinstance(one, QMainWindow) and one.isVisible()
        )
        self.canvas = next(
            one
            for one in self.window.findChildren(QWidget)
            if type(one).__name__.startswith("CanvasBackend")
        )

    # ------------------------------------------------------------ waiting

    def settle(self, seconds: float = SETTLE_S) -> None:
        """Let Qt and the canvas finish drawing."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            QApplication.processEvents()
            time.sleep(0.01)

    def wait_for_job(self) -> None:
        """Wait as a user does: until *Cancel* is gone."""
        deadline = time.monotonic() + JOB_LIMIT_S
        while self.is_job_running():
            if time.monotonic() > deadline:
                sys.exit("The job did not end in time.")
            QApplication.processEvents()
            time.sleep(0.005)
        QApplication.processEvents()

    def is_job_running(self) -> bool:
        """Return whether *Cancel* can be seen."""
        QApplication.processEvents()
        cancel = self.window.findChild(QPushButton, "cancel_button")
        return cancel is not None and cancel.isVisible()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until something can be seen."""
        deadline = time.monotonic() + JOB_LIMIT_S
        while not condition():
            if time.monotonic() > deadline:
                sys.exit("What was waited for did not come.")
            QApplication.processEvents()
            time.sleep(0.005)

    # ------------------------------------------------------------ widgets

    def find(self, kind: type[Any], name: str) -> Any:
        """Return a widget by its name, scrolled into view."""
        found = self.window.findChild(kind, name)
        if found is None:
            sys.exit(f"There is no {name!r} in the window.")
        parent = found.parentWidget()
        while parent is not None:
            if isinstance(parent, QScrollArea):
                parent.ensureWidgetVisible(found, 0, 0)
                QApplication.processEvents()
            parent = parent.parentWidget()
        return found

    def click(self, name: str) -> None:
        """Press a button with the mouse."""
        button = self.find(QPushButton, name)
        if not (button.isVisible() and button.isEnabled()):
            sys.exit(f"{button.text()!r} cannot be pressed: {button.toolTip()}")
        QTest.mouseClick(button, LEFT)

    def choose(self, name: str, text: str) -> None:
        """Choose an entry of a list by its text, or by what it begins with."""
        combo = self.find(QComboBox, name)
        place = combo.findText(text, Qt.MatchFlag.MatchStartsWith)
        if place < 0 or not combo.isVisible():
            entries = [combo.itemText(k) for k in range(combo.count())]
            sys.exit(f"{text!r} is not among {entries} of {name}.")
        combo.showPopup()
        entries = combo.view()
        entries.setCurrentIndex(combo.model().index(place, combo.modelColumn()))
        QTest.keyClick(entries, Qt.Key.Key_Return)
        QApplication.processEvents()
        if combo.currentIndex() != place:
            sys.exit(f"{text!r} could not be chosen in {name}.")

    def type_number(self, name: str, value: float) -> None:
        """Type a number into a field and leave it."""
        box = self.find(QAbstractSpinBox, name)
        box.setFocus()
        box.selectAll()
        QTest.keyClicks(box, f"{value:g}")
        QTest.keyClick(box, Qt.Key.Key_Return)
        QApplication.processEvents()

    def click_row(self, number: int, name: str = "cell_table") -> None:
        """Click a row of a table."""
        view = self.find(QTableView, name)
        place = view.visualRect(view.model().index(number, 0)).center()
        QTest.mouseClick(view.viewport(), LEFT, pos=place)

    def open_tab(self, name: str, text: str) -> None:
        """Click the tab of this title."""
        bar = self.find(QTabWidget, name).tabBar()
        number = next(k for k in range(bar.count()) if bar.tabText(k) == text)
        QTest.mouseClick(bar, LEFT, pos=bar.tabRect(number).center())

    # ------------------------------------------------------------ menus and dialogs

    def menu(self, *titles: str) -> None:
        """Choose an entry of the menu bar; titles may be cut short."""
        actions = self.window.menuBar().actions()
        for title in titles[:-1]:
            menu = _action(actions, title).menu()
            menu.aboutToShow.emit()
            actions = menu.actions()
        _action(actions, titles[-1]).trigger()

    @contextmanager
    def answering(self, **answers: Any) -> Iterator[None]:
        """Answer dialogs meanwhile: ``path`` of files, ``reader`` of napari."""
        timer = QTimer()
        timer.setInterval(DIALOG_EVERY_MS)
        timer.timeout.connect(
            lambda: _answer(QApplication.activeModalWidget(), answers)
        )
        timer.start()
        try:
            yield
        finally:
            timer.stop()

    # ------------------------------------------------------------ canvas

    def show_frame(self, t: int) -> None:
        """Move the time slider."""
        axis = self.viewer.dims.ndim - 3
        slider = next(
            one
            for one in self.window.findChildren(QWidget)
            if type(one).__name__ == "QtDimSliderWidget" and one.axis == axis
        )
        slider.findChild(QScrollBar).setValue(t)

    def fit_view(self) -> None:
        """Press the home button."""
        self.menu("View", "Fit to View")

    def place_of(self, layer: Any, y: float, x: float) -> QPoint:
        """Return where a point of a layer lies on the canvas."""
        world = np.asarray(layer.data_to_world([0.0] * (layer.ndim - 2) + [y, x]))[-2:]
        camera = self.viewer.scene.camera
        middle = np.array([self.canvas.height(), self.canvas.width()]) / 2
        y_px, x_px = (world - np.asarray(camera.center[-2:])) * camera.zoom + middle
        return QPoint(round(x_px), round(y_px))

    def drag(self, start: QPoint, end: QPoint) -> None:
        """Drag with the left button on the canvas."""
        QTest.mouseMove(self.canvas, start)
        QApplication.processEvents()
        QTest.mousePress(self.canvas, LEFT, pos=start)
        for step in range(1, DRAG_STEPS + 1):
            self._move(start + (end - start) * step / DRAG_STEPS, LEFT)
        QTest.mouseRelease(self.canvas, LEFT, pos=end)
        QApplication.processEvents()

    def click_canvas(self, *places: QPoint, is_double: bool = False) -> None:
        """Click places on the canvas, one after the other; the last perhaps twice."""
        for place in places:
            self._move(place, Qt.MouseButton.NoButton)
            QTest.mouseClick(self.canvas, LEFT, pos=place)
            self.settle(0.05)
        if is_double:
            QTest.mouseDClick(self.canvas, LEFT, pos=places[-1])
            self.settle(0.05)

    def _move(self, place: QPoint, buttons: Qt.MouseButton) -> None:
        event = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(place),
            QPointF(self.canvas.mapToGlobal(place)),
            Qt.MouseButton.NoButton,
            buttons,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self.canvas, event)
        QApplication.processEvents()

    # ------------------------------------------------------------ pictures

    def picture(self, path: Path, caption: str) -> None:
        """Save a picture of the window with a line that says what is seen."""
        self.settle()
        pixels = self.viewer.window.screenshot(canvas_only=False, flash=False)
        window = Image.fromarray(pixels).convert("RGB")
        whole = Image.new("RGB", (window.width, window.height + CAPTION_PX), "white")
        whole.paste(window)
        text = ImageDraw.Draw(whole)
        font = ImageFont.load_default(FONT_PX)
        text.text((8, window.height + 3), caption, fill="black", font=font)
        for n_colors in (0, 256, 128, 64):
            # Raw fringes hardly compress; a palette halves them.
            drawn = whole.quantize(n_colors) if n_colors else whole
            drawn.save(path, optimize=True)
            if path.stat().st_size <= LARGEST_BYTES:
                break
        print(f"  {path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)

    def close(self) -> None:
        """Close napari."""
        self.viewer.close()
        self.settle()


def _action(actions: list[Any], title: str) -> Any:
    for action in actions:
        if action.text().replace("&", "").startswith(title):
            return action
    sys.exit(f"{title!r} is not among {[one.text() for one in actions]}.")


def _answer(dialog: QWidget | None, answers: dict[str, Any]) -> None:
    """Fill in one dialog and accept it."""
    if isinstance(dialog, QFileDialog):
        line = dialog.findChild(QLineEdit, "fileNameEdit")
        line.setText(str(answers["path"]))
        QTest.keyClick(line, Qt.Key.Key_Return)
        if dialog.isVisible():
            # The completer's list took the key.
            dialog.accept()
    elif isinstance(dialog, QDialog):
        for button in dialog.findChildren(QRadioButton):
            if button.text().startswith(answers.get("reader", "?")):
                QTest.mouseClick(button, LEFT)
        box = dialog.findChild(QDialogButtonBox)
        if box is None:
            sys.exit(f"An unknown dialog opened: {dialog.windowTitle()}")
        QTest.mouseClick(box.button(QDialogButtonBox.StandardButton.Ok), LEFT)
