"""Pictures of the preview, the spectrum and the layers on demand, by using the dock.

Run under a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_preview_pictures.py

The off-axis sample is opened; the pictures go to docs/images.
"""

import time

from make_screenshots import click, parse_arguments, save, settle, wait_for_job
from qtpy.QtWidgets import QApplication, QPushButton, QScrollArea

import napari  # isort: skip  (after make_screenshots has set where settings go)

from napari_qpm.jobs import JobState
from napari_qpm.viewer.frame_maker import Kind

DRAG = (0.03, 0.02)
"""How far the sideband is dragged (fx, fy) [cycles/px]."""
REST_LIMIT_S = 300


def main() -> None:
    """Use the dock as a user does, and save a picture of each step."""
    options = parse_arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    options.name = "preview"
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window.resize(*options.size)
    viewer.open_sample("napari-qpm", "off-axis")
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    wait_for_job(dock)
    viewer.dims.set_current_step(viewer.dims.ndim - 3, 0)
    viewer.dims.set_current_step(viewer.dims.ndim - 3, 1)
    if dock.workflow.acquisition.n_frames == 1:
        dock.preview.is_following = False
        dock.preview.is_following = True
    wait_for_rest(dock)
    viewer.reset_view()
    save(viewer, options, "1-follows-the-slider")

    tools = dock.phase_tools
    tools.fold.expand(animate=False)
    wait_for_rest(dock)
    dock.findChild(QScrollArea).ensureWidgetVisible(tools.spectrum)
    save(viewer, options, "2-spectrum")
    circle = tools.spectrum.circle
    place = circle.pos()
    circle.setPos((place[0] + DRAG[0], place[1] + DRAG[1]))
    settle()
    wait_for_rest(dock)
    save(viewer, options, "3-sideband-moved")
    dock.findChild(QPushButton, "find_sideband_button").click()
    wait_for_rest(dock)
    tools.fold.collapse(animate=False)

    dock.preview.show(Kind.EMPTY)
    wait_for_rest(dock)
    save(viewer, options, "4-background-mask")
    dock.preview.hide(Kind.EMPTY)
    dock.preview.show(Kind.WRAPPED)
    wait_for_rest(dock)
    save(viewer, options, "5-wrapped-phase")
    dock.preview.hide(Kind.WRAPPED)

    click(dock, "retrieve_button")
    wait_for_rest(dock)
    settle()
    save(viewer, options, "6-retrieved-and-checked")
    viewer.close()


def wait_for_rest(dock: object) -> None:
    """Wait until no picture is being made and no job runs."""
    settle()
    deadline = time.monotonic() + REST_LIMIT_S
    while time.monotonic() < deadline:
        job = dock.workflow.job
        is_at_rest = job is None or job.status.state is JobState.FINISHED
        if is_at_rest and dock.preview.is_idle:
            break
        QApplication.processEvents()
        time.sleep(0.02)
    settle()


if __name__ == "__main__":
    main()
