"""Pictures of learned phase: compared with the classical one, and the panel to adapt.

Run under a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_learned_pictures.py

The off-axis sample is opened; the pictures go to docs/images.
"""

from make_screenshots import choose, click, parse_arguments, save, settle, wait_for_job
from qtpy.QtWidgets import QPushButton, QScrollArea, QWidget

import napari  # isort: skip  (after make_screenshots has set where settings go)


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
    reveal(dock, dock.learned.panel)
    save(viewer, options, "2-adapt")
    viewer.close()


def reveal(dock: QWidget, widget: QWidget) -> None:
    """Scroll the dock until a widget is seen."""
    settle()
    dock.findChild(QScrollArea).ensureWidgetVisible(widget)


if __name__ == "__main__":
    main()
