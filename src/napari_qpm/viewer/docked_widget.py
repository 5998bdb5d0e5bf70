"""A widget in one of napari's docks, which notices when that dock is closed.

napari#8071: a closed dock gives its widget no close event; the widget loses its parent
and lives on until Python frees it.
"""

from qtpy.QtCore import QEvent, Signal
from qtpy.QtWidgets import QWidget

__all__ = ["DockedWidget"]


class DockedWidget(QWidget):
    """Lets go of everything once napari takes it out of its dock."""

    closed = Signal()
    """The user closed its dock; it is of no use any more."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._was_docked = False

    def close_connections(self) -> None:
        """Let go of what it listens to; here of nothing."""

    def bring_up(self) -> None:
        """Show its dock, in front of others."""
        container = self.parent()
        container.show()
        container.raise_()

    def event(self, event: QEvent) -> bool:
        """Notice when napari takes this widget out of its dock."""
        if event.type() == QEvent.Type.ParentChange:
            is_docked = self.parent() is not None
            if self._was_docked and not is_docked:
                self.close_connections()
                self.closed.emit()
            self._was_docked = is_docked
        return bool(super().event(event))
