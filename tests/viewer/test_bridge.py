import threading

import pytest

from napari_qpm.viewer.bridge import GuiThread

pytestmark = pytest.mark.gui


def test_calls_run_on_the_gui_thread(qtbot):
    bridge, threads = GuiThread(), []
    worker = threading.Thread(
        target=lambda: bridge.post(lambda: threads.append(threading.current_thread()))
    )
    worker.start()
    worker.join()

    qtbot.waitUntil(lambda: bool(threads))

    assert threads == [threading.main_thread()]


def test_calls_after_the_end_are_dropped(qtbot):
    bridge, calls = GuiThread(), []
    bridge.post(lambda: calls.append("late"))
    bridge.close()
    bridge.post(lambda: calls.append("later"))
    qtbot.wait(20)

    assert calls == []


def test_a_destroyed_window_is_no_error(qtbot):
    from qtpy.QtCore import QObject

    owner = QObject()
    bridge = GuiThread(owner)
    owner.deleteLater()
    qtbot.waitSignal(owner.destroyed, timeout=1000).wait()

    bridge.post(lambda: None)
