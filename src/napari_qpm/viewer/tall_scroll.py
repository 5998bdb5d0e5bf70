"""A scroll area for long forms: it scrolls up and down and never cuts off the sides."""

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

__all__ = ["TallScroll"]

BAR_MARGIN_PX = 4
"""Styles put some space around the scroll bar that its size does not tell."""


class TallScroll(QScrollArea):
    """Shows `content` over its whole width; only its height is scrolled.

    Parameters
    ----------
    content
        The form; the area is as wide as it needs, whatever is shown in it later.
    least_width
        Narrowest that the area gets [px].
    """

    def __init__(
        self, content: QWidget, least_width: int = 0, parent: QWidget | None = None
    ):
        super().__init__(parent)
        self._least_width = least_width
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the content when what is shown in it changes."""
        if watched is self.widget() and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return bool(super().eventFilter(watched, event))

    def _fit(self) -> None:
        bar = self.verticalScrollBar().sizeHint().width() + BAR_MARGIN_PX
        needed = self.widget().minimumSizeHint().width() + bar
        self.setMinimumWidth(max(needed, self._least_width))
