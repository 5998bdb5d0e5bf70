"""The spectrum of a hologram with its sideband: drag the circle, the phase follows."""

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_qpm.viewer.frame_maker import Kind
from napari_qpm.viewer.preview import Preview
from napari_qpm.viewer.sideband import Sideband

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SpectrumView"]

HEIGHT_PX = 260
DRAG_INTERVAL_MS = 60
LOWEST_PERCENTILE, HIGHEST_PERCENTILE = 20.0, 99.97


class SpectrumView(QWidget):
    """Logarithmic spectrum, sideband circle, and what they say.

    Parameters
    ----------
    sideband
        What the circle shows and moves.
    preview
        Makes the spectrum of the shown frame.
    """

    def __init__(
        self, sideband: Sideband, preview: Preview, parent: QWidget | None = None
    ):
        super().__init__(parent)
        self._sideband, self._preview = sideband, preview
        self._picture: NDArray[Any] | None = None
        self._is_showing = False
        self.plot: Any = None
        self.circle: Any = None
        self.text = QLabel()
        self.text.setObjectName("sideband_text")
        self.text.setWordWrap(True)
        self.search = QPushButton("Find sideband")
        self.search.setObjectName("find_sideband_button")
        self.search.setToolTip("Search the sideband in the recording again.")
        self.search.clicked.connect(sideband.search)
        # Dragging sends many changes; the newest few a second are enough.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DRAG_INTERVAL_MS)
        self._timer.timeout.connect(self._send)
        # Room for two lines at once: the fold around this does not follow its text.
        self.text.setMinimumHeight(2 * self.text.fontMetrics().lineSpacing() + 2)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.search)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.text)
        self._layout.addLayout(row)

    def refresh(self) -> None:
        """Show spectrum and circle as they are now; the plot is made at first use."""
        if self.plot is None:
            self._make_plot()
        self.text.setText(self._sideband.describe())
        picture = self._preview.picture(Kind.SPECTRUM)
        if picture is not None and picture is not self._picture:
            self._picture = picture
            levels = np.percentile(picture, (LOWEST_PERCENTILE, HIGHEST_PERCENTILE))
            self.image.setImage(picture, levels=levels, autoLevels=False)
            self.image.setRect(-0.5, -0.5, 1.0, 1.0)
        self._show_circle()

    def _make_plot(self) -> None:
        import pyqtgraph

        colors = self.palette()
        self.plot = pyqtgraph.PlotWidget(background=None)
        self.plot.setFixedHeight(HEIGHT_PX)
        self.plot.setAspectLocked(True)
        self.plot.invertY(True)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setLabel("bottom", "fx (cycles/px)")
        self.plot.setLabel("left", "fy (cycles/px)")
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self.image = pyqtgraph.ImageItem(axisOrder="row-major")
        self.image.setColorMap(pyqtgraph.colormap.get("viridis"))
        self.plot.addItem(self.image)
        pen = pyqtgraph.mkPen(colors.color(QPalette.ColorRole.BrightText), width=2)
        hover = pyqtgraph.mkPen(colors.color(QPalette.ColorRole.Highlight), width=3)
        self.circle = pyqtgraph.CircleROI(
            (0, 0), (0.1, 0.1), pen=pen, hoverPen=hover, handlePen=pen
        )
        self.plot.addItem(self.circle)
        self.plot.setRange(xRange=(-0.5, 0.5), yRange=(-0.5, 0.5), padding=0)
        self.plot.setToolTip(
            "Drag the circle onto a sideband, and its handle to widen the filter. The "
            "bright spot in the middle is the zero order."
        )
        self.circle.sigRegionChanged.connect(self._on_drag)
        self._layout.insertWidget(0, self.plot)

    def _show_circle(self) -> None:
        carrier, radius = self._sideband.carrier, self._sideband.radius_cycles_per_px
        self.circle.setVisible(carrier is not None)
        if carrier is None or radius is None or self._timer.isActive():
            return
        self._is_showing = True
        try:
            self.circle.setSize((2 * radius, 2 * radius), update=False)
            self.circle.setPos((carrier[1] - radius, carrier[0] - radius))
        finally:
            self._is_showing = False

    def _on_drag(self) -> None:
        if not self._is_showing and not self._timer.isActive():
            self._timer.start()

    def _send(self) -> None:
        size = self.circle.size()
        centre = self.circle.pos() + size / 2
        self._sideband.place((float(centre[1]), float(centre[0])), float(size[0]) / 2)
