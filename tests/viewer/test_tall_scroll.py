import pytest
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_qpm.viewer.tall_scroll import TallScroll

pytestmark = pytest.mark.gui

WIDE_PX = 700


def test_what_grows_is_never_cut_off_at_the_sides(qtbot):
    content = QWidget()
    layout = QVBoxLayout(content)
    wide = QLabel()
    wide.setMinimumWidth(WIDE_PX)
    wide.hide()
    layout.addWidget(QLabel("short"))
    layout.addWidget(wide)
    scroll = TallScroll(content)
    qtbot.addWidget(scroll)
    scroll.resize(200, 100)
    scroll.show()
    narrow = scroll.minimumWidth()

    wide.show()

    qtbot.waitUntil(lambda: scroll.viewport().width() >= WIDE_PX)
    assert narrow < WIDE_PX
