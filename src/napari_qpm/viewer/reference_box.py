"""The row of the reference frame: which one, choose another, remove it."""

from pathlib import Path

from qtpy.QtCore import QMimeData, Qt
from qtpy.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_qpm.viewer.references import References

__all__ = ["ReferenceBox"]

TOOLTIP = (
    "A frame of an empty field, recorded with the same settings: what it shows of the "
    "optics is taken off. Drop its file on this line, or choose a file or a layer."
)
DROP_HERE = "Drop it here"


class ReferenceBox(QWidget):
    """Shows and changes the reference frame.

    Parameters
    ----------
    references
        The view-model.
    """

    def __init__(self, references: References, parent: QWidget | None = None):
        super().__init__(parent)
        self._references = references
        self.name = QLabel()
        self.name.setObjectName("reference_name")
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        # Long names of files must not widen the dock.
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.choose = QPushButton("Choose…")
        self.choose.setObjectName("reference_button")
        self.choose.setToolTip(f"<p>{TOOLTIP}</p>")
        self.choose.setMenu(self.menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.name, 1)
        row.addWidget(self.choose)
        self.setAcceptDrops(True)
        self.menu.aboutToShow.connect(self.fill_menu)

    def refresh(self) -> None:
        """Show which reference is used."""
        name = self._references.describe()
        self.name.setText(name)
        self.name.setToolTip(f"<p>{name}</p><p>{TOOLTIP}</p>")

    def fill_menu(self) -> None:
        """Offer what can be chosen now."""
        references, menu = self._references, self.menu
        menu.clear()
        remembered = references.remembered()
        if remembered is not None:
            action = menu.addAction(f"{remembered.name} (used in this folder)")
            action.setToolTip(str(remembered))
            action.triggered.connect(lambda: references.take_file(remembered))
        menu.addAction("File…").triggered.connect(self._on_file)
        if references.has_median:
            action = menu.addAction("Median over time")
            action.setToolTip(
                "What each pixel shows most of the time: the empty field, where each "
                "place is empty in more than half of the frames."
            )
            action.triggered.connect(references.take_median)
        menu.addSeparator()
        for offered in references.layers():
            action = menu.addAction(f"Layer {offered.name}")
            action.setEnabled(not offered.problem)
            action.setToolTip(offered.problem)
            name = offered.name
            action.triggered.connect(
                lambda _=False, name=name: references.take_layer(name)
            )
        menu.addSeparator()
        remove = menu.addAction("None")
        remove.setToolTip("Use no reference frame.")
        remove.setEnabled(references.is_set)
        remove.triggered.connect(references.remove)

    def _on_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Choose the reference frame", self._references.folder()
        )
        if name:
            self._references.take_file(Path(name))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take one file; the rest of the dock opens files as recordings."""
        if _one_file(event.mimeData()) is None:
            event.ignore()
            return
        self.name.setText(DROP_HERE)
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Show which reference is used again."""
        self.refresh()
        event.accept()

    def dropEvent(self, event: QDropEvent) -> None:
        """Use the dropped file as the reference frame."""
        self.refresh()
        path = _one_file(event.mimeData())
        if path is None:
            event.ignore()
            return
        event.acceptProposedAction()
        self._references.take_file(path)


def _one_file(content: QMimeData) -> Path | None:
    urls = content.urls()
    if len(urls) != 1 or not urls[0].isLocalFile():
        return None
    return Path(urls[0].toLocalFile())
