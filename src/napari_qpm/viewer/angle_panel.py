"""Four small pictures of the angles, what they tell of their order, and all orders."""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_qpm.viewer.angles import LIMITS, Angles, AngleView, Candidate

__all__ = ["AnglePanel"]

PICTURE_PX = 110
SHOWN_ROWS = 8
HEADERS = ("Order", "Fits", "Gives")
HEADER_TOOLTIPS = (
    "Angles of a 2x2 cell, first row / second row, or of the four images.",
    "By how much I0 + I90 and I45 + I135 differ; least if opposite angles are right.",
    "What the phase would be, compared with the order that is chosen.",
)


class AnglePanel(QWidget):
    """Pictures, verdict and choice of the order of polarizer angles.

    Parameters
    ----------
    angles
        The view-model.
    """

    def __init__(self, angles: Angles, parent: QWidget | None = None):
        super().__init__(parent)
        self._angles = angles
        self._shown: tuple[AngleView, object] | None = None
        self.pictures = [QLabel() for _ in range(4)]
        self.captions = [QLabel() for _ in range(4)]
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for k, (picture, caption) in enumerate(
            zip(self.pictures, self.captions, strict=True)
        ):
            picture.setObjectName(f"angle_picture_{k}")
            row, column = divmod(k, 2)
            grid.addWidget(picture, 2 * row, column, Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(caption, 2 * row + 1, column, Qt.AlignmentFlag.AlignCenter)
        self.verdict = _text("angle_verdict")
        self.limits = _text("angle_limits")
        self.limits.setText(LIMITS)
        self.orders = QTreeWidget()
        self.orders.setObjectName("angle_orders")
        self.orders.setRootIsDecorated(False)
        self.orders.setHeaderLabels(HEADERS)
        for column, tooltip in enumerate(HEADER_TOOLTIPS):
            self.orders.headerItem().setToolTip(column, tooltip)
        row_height = self.orders.fontMetrics().height() + 6
        self.orders.setFixedHeight((SHOWN_ROWS + 2) * row_height)
        self.look = QPushButton("Look at shown frame")
        self.look.setObjectName("look_button")
        self.look.setToolTip("Check the frame that the time slider shows.")
        self.add = QPushButton("Add as layers")
        self.add.setObjectName("add_angles_button")
        self.add.setToolTip("Add the images of the four angles, of all frames.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.look)
        buttons.addWidget(self.add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.verdict)
        layout.addLayout(grid)
        layout.addWidget(self.orders)
        layout.addWidget(self.limits)
        layout.addLayout(buttons)
        self.orders.itemClicked.connect(self._on_order)
        self.orders.itemActivated.connect(self._on_order)
        self.look.clicked.connect(angles.look)
        self.add.clicked.connect(angles.add_layers)

    def refresh(self) -> None:
        """Show what was seen of the selected recording."""
        angles = self._angles
        view, order = angles.view, angles.order
        self.setVisible(view is not None)
        if view is None or order is None:
            self._shown = None
            return
        if self._shown == (view, order):
            return
        self._shown = view, order
        for k, angle in enumerate(order):
            self.pictures[k].setPixmap(_pixmap(view.pictures[k]))
            self.captions[k].setText(f"{angle}°")
        self.verdict.setText(angles.verdict())
        self._show_orders(angles.candidates())

    def _show_orders(self, candidates: list[Candidate]) -> None:
        self.orders.clear()
        for one in candidates:
            fits = {True: "yes", False: "no", None: "?"}[one.fits]
            texts = [
                one.title,
                f"{fits} ({100 * one.imbalance:.2g} %)",
                one.relation.value,
            ]
            item = QTreeWidgetItem(texts)
            item.setData(0, Qt.ItemDataRole.UserRole, list(one.order))
            self.orders.addTopLevelItem(item)
            if one.order == self._angles.order:
                self.orders.setCurrentItem(item)
        for column in range(len(HEADERS)):
            self.orders.resizeColumnToContents(column)

    def _on_order(self, item: QTreeWidgetItem) -> None:
        a, b, c, d = item.data(0, Qt.ItemDataRole.UserRole)
        self._angles.choose((a, b, c, d))


def _text(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _pixmap(picture: NDArray[np.uint8]) -> QPixmap:
    """Return a grey picture ``(Y, X)`` as Qt shows it."""
    grey = np.ascontiguousarray(picture)
    height, width = grey.shape
    image = QImage(
        grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8
    )
    # The pixmap copies the bytes, which are freed with this function.
    return QPixmap.fromImage(image).scaled(
        PICTURE_PX,
        PICTURE_PX,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.FastTransformation,
    )
