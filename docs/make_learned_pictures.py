"""Pictures of learned phase: compare it, and adapt a model, by using the dock.

Run under a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_learned_pictures.py

The off-axis sample is opened; the pictures go to docs/images. The model is adapted for
a minute, to show what happens, not what a longer adaptation brings; it is thrown away.
"""

import os
import tempfile
import time

os.environ["NAPARI_QPM_MODELS"] = tempfile.mkdtemp(prefix="qpm-docs-models-")

from make_screenshots import choose, click, parse_arguments, save, settle, wait_for_job
from qtpy.QtWidgets import QApplication, QPushButton, QScrollArea, QSpinBox, QWidget

import napari  # isort: skip  (after make_screenshots has set where settings go)

ADAPT_LIMIT_S = 1800


def main() -> None:
    """Use the dock as a user does, and save a picture of each step."""
    options = parse_arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    options.name = "learned"
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window.resize(*options.size)
    viewer.open_sample("napari-qpm", "off-axis")
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    wait_for_job(dock)
    viewer.reset_view()

    choose(dock, "retrieve_engine", "NAS-PRNet (learned)")
    click(dock, "retrieve_button")
    wait_for_job(dock)
    click(dock, "compare_button")
    wait_for_job(dock)
    reveal(dock, dock.findChild(QPushButton, "adapt_button"))
    save(viewer, options, "1-compared")

    click(dock, "adapt_button")
    panel = dock.learned.panel
    panel.findChild(QSpinBox, "adapt_minutes").setValue(1)
    settle()
    reveal(dock, panel)
    save(viewer, options, "2-adapt")
    click(dock, "adapt_start")
    wait_for_learning(dock)
    reveal(dock, panel)
    save(viewer, options, "3-adapted")
    viewer.close()


def reveal(dock: QWidget, widget: QWidget) -> None:
    """Scroll the dock until a widget is seen."""
    settle()
    dock.findChild(QScrollArea).ensureWidgetVisible(widget)


def wait_for_learning(dock: QWidget) -> None:
    """Wait until the panel says what the learning brought."""
    deadline = time.monotonic() + ADAPT_LIMIT_S
    while dock.adapting.job is not None and time.monotonic() < deadline:
        QApplication.processEvents()
        time.sleep(0.02)
    settle()


if __name__ == "__main__":
    main()
