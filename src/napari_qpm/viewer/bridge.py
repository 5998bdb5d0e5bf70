"""The way from a job's thread to the GUI thread."""

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal, Slot

__all__ = ["GuiThread"]


class GuiThread(QObject):
    """Runs calls on the thread that made this object.

    Parameters
    ----------
    parent
        Its owner; calls that arrive after the owner's end are dropped.
    """

    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._is_open = True
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, call: Callable[[], None]) -> None:
        """Run `call` later on the GUI thread; from any thread."""
        if not self._is_open:
            return
        try:
            self._posted.emit(call)
        except RuntimeError:
            # The window was destroyed between the check and the call.
            self._is_open = False

    def close(self) -> None:
        """Drop all calls from now on."""
        self._is_open = False

    @Slot(object)
    def _run(self, call: Callable[[], None]) -> None:
        if self._is_open:
            call()
