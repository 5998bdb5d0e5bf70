"""Pictures of the Recording step: angles, a reference, a folder's memory, a stack.

Run under a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_recording_pictures.py

The polarization sample is opened, then holograms of the off-axis sample that are saved
as a microscope saves them, then the real through-focus stack of the shared data (beside
the project); the pictures go to docs/images.
"""

import tempfile
from pathlib import Path

import tifffile
from make_screenshots import (
    click,
    parse_arguments,
    save,
    settle,
    type_number,
    wait_for_job,
)
from qtpy.QtWidgets import QComboBox, QLineEdit, QWidget

import napari  # isort: skip  (after make_screenshots has set where settings go)

from napari_qpm.specimens.samples import simulate

SHARED = Path(__file__).parents[2] / "shared" / "data"
STACK = SHARED / "tie-cell-throughfocus" / "onaxis_stack_zyx.tif"


def main() -> None:
    """Use the Recording step as a user does, and save a picture of each deed."""
    options = parse_arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    options.name = "recording"
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.theme = options.theme
    viewer.window.resize(*options.size)
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")

    viewer.open_sample("napari-qpm", "polarization")
    wait_for_job(dock)
    viewer.reset_view()
    click(dock, "check_angles_button")
    wait_for_job(dock)
    save(viewer, options, "1-angles")
    click(dock, "add_angles_button")
    viewer.layers[0].visible = False
    viewer.canvas.grid.enabled = True
    viewer.reset_view()
    save(viewer, options, "2-angle-layers")
    viewer.layers.clear()
    viewer.canvas.grid.enabled = False

    folder = write_holograms(Path(tempfile.mkdtemp()))
    open_file(viewer, dock, folder / "cells 1.tif")
    for name, value in (
        ("wavelength_nm", 532),
        ("pixel_size_um", 0.11),
        ("numerical_aperture", 0.8),
    ):
        type_number(dock, name, value)
    dock.references.take_file(folder / "empty field.tif")
    wait_for_job(dock)
    save(viewer, options, "3-reference")
    viewer.layers.clear()
    open_file(viewer, dock, folder / "cells 2.tif")
    save(viewer, options, "4-remembered")
    viewer.layers.clear()

    viewer.open(STACK, plugin="napari")
    settle()
    wait_for_job(dock)
    kind = dock.findChild(QComboBox, "kind")
    kind.setCurrentIndex(kind.findText("Through-focus stack"))
    kind.activated.emit(kind.currentIndex())
    planes = dock.findChild(QLineEdit, "focus_um")
    planes.setText("-100, -50, -20, -10, 0, 10, 20, 50, 100")
    planes.editingFinished.emit()
    dock.references.take_file(STACK.with_name("reference_empty.tif"))
    wait_for_job(dock)
    for name, value in (
        ("wavelength_nm", 532),
        ("pixel_size_um", 0.16),
        ("medium_index", 1.337),
    ):
        type_number(dock, name, value)
    click(dock, "retrieve_button")
    wait_for_job(dock)
    viewer.reset_view()
    settle()
    save(viewer, options, "5-stack")
    viewer.close()


def write_holograms(folder: Path) -> Path:
    """Write two holograms and an empty field, without any metadata."""
    for number in (1, 2):
        sample = simulate("off-axis", seed=number).acquisition
        tifffile.imwrite(folder / f"cells {number}.tif", sample.read(0)[0])
        if number == 1 and sample.reference is not None:
            tifffile.imwrite(folder / "empty field.tif", sample.reference[0])
    return folder


def open_file(viewer: napari.Viewer, dock: QWidget, path: Path) -> None:
    """Open a recording and wait until the dock has seen it."""
    viewer.open(path, plugin="napari-qpm")
    settle()
    wait_for_job(dock)
    viewer.reset_view()
    settle()


if __name__ == "__main__":
    main()
