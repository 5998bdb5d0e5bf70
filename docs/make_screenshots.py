"""Screenshots of the dock after each step, made by clicking through it.

Run under a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_screenshots.py
    xvfb-run -a … python docs/make_screenshots.py RECORDING -o FOLDER

Without a recording, the polarization sample is opened and the pictures go to
docs/images, plots and regions included. For a recording of your own, name a folder;
cite its source where the pictures are shown.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

# Neither read nor change the settings of whoever runs this.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="qpm-docs-state-")
os.environ.setdefault(
    "NAPARI_CONFIG", str(Path(tempfile.mkdtemp(prefix="qpm-docs-")) / "settings.yaml")
)

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QPushButton,
    QSpinBox,
    QTableView,
    QTabWidget,
    QWidget,
)

STEPS = (
    ("2-phase", "retrieve_button"),
    ("3-cells", "segment_button"),
    ("4-measured", "measure_button"),
)
SELECTED_ROW = 3
PROFILE_WIDTH_PX = 5
JOB_LIMIT_S = 600
SETTLE_S = 0.5
LARGEST_BYTES = 400_000
PALETTE_SIZE = 256


def main() -> None:
    """Open, click through the steps, and save a picture after each."""
    options = parse_arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.theme = options.theme
    viewer.window.resize(*options.size)
    if options.recording is None:
        viewer.open_sample("napari-qpm", options.sample)
    else:
        viewer.open(options.recording, plugin="napari-qpm")
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    wait_for_job(dock)
    for name, value in (
        ("wavelength_nm", options.wavelength_nm),
        ("pixel_size_um", options.pixel_size_um),
    ):
        if value is not None:
            type_number(dock, name, value)
    viewer.reset_view()
    save(viewer, options, "1-opened")
    for picture, button in STEPS:
        click(dock, button)
        wait_for_job(dock)
        save(viewer, options, picture)
    if options.recording is None:
        measure_further(viewer, dock, options)
    viewer.close()


def measure_further(
    viewer: napari.Viewer, dock: QWidget, options: argparse.Namespace
) -> None:
    """Select a cell, colour by mass, and look at curves, scatter and a profile."""
    table = dock.findChild(QTableView, "cell_table")
    table.clicked.emit(table.model().index(SELECTED_ROW, 0))
    choose(dock, "colour_column", "Dry mass (pg)")
    save(viewer, options, "5-coloured")
    if dock.findChild(QComboBox, "table_rows").isVisible():
        choose(dock, "table_rows", "One row for each track")
    click(dock, "plots_button")
    viewer.reset_view()
    save(viewer, options, "6-over-time")
    panel = dock.plots_panel
    choose(panel, "plot_kind", "Scatter")
    save(viewer, options, "7-scatter")
    panel.findChild(QTabWidget, "plot_tabs").setCurrentIndex(1)
    click(panel, "line_button")
    drawn = viewer.layers.selection.active
    phase = next(one for one in viewer.layers if one.name.endswith(" phase"))
    height, width = phase.data.shape[-2:]
    line = [[0.25 * height, 0.1 * width], [0.35 * height, 0.5 * width]]
    drawn.add(np.array(line), shape_type="line")
    low, high = np.array([0.65 * height, 0.55 * width]), np.array([0.95, 0.9])
    box = np.array([low, high * (height, width)])
    drawn.add(box[[[0, 0], [0, 1], [1, 1], [1, 0]], [[0, 1]] * 4], shape_type="polygon")
    panel.findChild(QSpinBox, "profile_width").setValue(PROFILE_WIDTH_PX)
    save(viewer, options, "8-profile-and-region")


def choose(parent: QWidget, name: str, text: str) -> None:
    """Choose an entry of a list, as a user does."""
    combo = parent.findChild(QComboBox, name)
    place = combo.findText(text)
    if place < 0:
        sys.exit(f"{text!r} is not in {name}.")
    combo.setCurrentIndex(place)
    combo.activated.emit(place)
    settle()


def parse_arguments(theme: str = "dark") -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--sample", default="polarization")
    parser.add_argument("--theme", default=theme, choices=("dark", "light"))
    parser.add_argument("--name", help="beginning of the file names")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 800))
    parser.add_argument("--wavelength-nm", type=float)
    parser.add_argument("--pixel-size-um", type=float)
    options = parser.parse_args()
    if options.recording is not None and options.output is None:
        parser.error("name a folder with -o for pictures of your own recording")
    if options.output is None:
        options.output = Path(__file__).parent / "images"
    if options.name is None:
        source = options.recording
        options.name = options.sample if source is None else source.stem
    return options


def settle() -> None:
    """Let Qt and the canvas finish drawing."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_for_job(dock: QWidget) -> None:
    """Wait as a user does: until Cancel is gone."""
    settle()
    cancel = dock.findChild(QPushButton, "cancel_button")
    deadline = time.monotonic() + JOB_LIMIT_S
    while cancel.isVisible():
        if time.monotonic() > deadline:
            sys.exit("The job did not end in time.")
        QApplication.processEvents()
        time.sleep(0.02)
    settle()


def click(dock: QWidget, name: str) -> None:
    """Press a button with the mouse."""
    button = dock.findChild(QPushButton, name)
    if not button.isEnabled():
        sys.exit(f"{button.text()!r} cannot be pressed: {button.toolTip()}")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def type_number(dock: QWidget, name: str, value: float) -> None:
    """Type a number into a field and leave it."""
    box = dock.findChild(QAbstractSpinBox, name)
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, f"{value:g}")
    QTest.keyClick(box, Qt.Key.Key_Return)
    settle()


def save(viewer: napari.Viewer, options: argparse.Namespace, step: str) -> None:
    """Save a picture of the whole window."""
    settle()
    path = options.output / f"{options.name}-{step}.png"
    pixels = viewer.window.screenshot(canvas_only=False, flash=False)
    picture = Image.fromarray(pixels).convert("RGB")
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST_BYTES:
        # Raw fringes hardly compress; a palette halves them.
        picture.quantize(PALETTE_SIZE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
