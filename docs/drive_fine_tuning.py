"""Correct three frames, teach a network, and see what it finds in untouched frames.

By mouse and keyboard in a real napari window, on cells that the shipped network does
badly on (`unlike_cells`); only the brush strokes that outline the true cells are
written by the script. Prints scores, steps a second with and without the viewer, and
how long the slider takes meanwhile. Run under a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/drive_fine_tuning.py
        [--minutes 5] [--pictures docs/images]
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QPushButton
from simulated_user import User
from unlike_cells import PIXEL_UM, WAVELENGTH_NM, unlike_cells

from napari_qpm.acquisition import Acquisition
from napari_qpm.io.recording import write_recording
from napari_qpm.segmentation import annotated_frames
from napari_qpm.segmentation.annotated import save_frames
from napari_qpm.segmentation.scores import average_precision, dice

DOCS = Path(__file__).parent
CAPTION = "Simulated long, granular cells, unlike those that the network knows"
ENGINE = "DM-QPMNet, phase only"
N_FRAMES, N_CORRECTED = 8, 3
HEADLESS_MINUTES = 4.0
SLIDER_EVERY_S = 0.7
WARM_STEPS = 20
"""The first steps are slow; they do not count for the speed."""


def main() -> None:
    """Drive through the loop once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--pictures", type=Path, default=DOCS / "images")
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    phase, truth = unlike_cells(N_FRAMES)
    recording = Acquisition.from_array(
        phase,
        "phase",
        name="spindles",
        phase_unit="rad",
        wavelength_nm=WAVELENGTH_NM,
        pixel_size_um=PIXEL_UM,
    )
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path = write_recording(recording, folder / "spindles.ome.zarr")
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        found = drive(path, truth, options)
        found["steps_per_s_headless"] = headless_speed(recording, truth, folder)
    print(json.dumps(found, indent=1), flush=True)


def drive(path: Path, truth: np.ndarray, options: argparse.Namespace) -> dict:
    """Open, segment, correct, teach, and segment again; return what was measured."""
    user = User()

    def look(name: str) -> None:
        user.picture(options.pictures / f"fine-tune-{name}.png", CAPTION)

    user.menu("Plugins", "QPM")
    with user.answering(path=path, reader="Quantitative phase"):
        user.menu("File", "Open Folder")
    user.settle()
    user.click("retrieve_button")
    user.wait_for_job()
    user.choose("segment_engine", ENGINE)
    user.click("segment_button")
    user.wait_for_job()
    user.fit_view()
    user.show_frame(N_CORRECTED + 1)
    look("1-before")
    untouched = range(N_CORRECTED, N_FRAMES)
    before = scores(cells_of(user), truth, untouched)
    print("before:", before, flush=True)

    for t in range(N_CORRECTED):
        user.show_frame(t)
        outline(cells_of(user), t, truth[t])
        user.click("done_button")
    user.click("teach_button")
    user.settle()
    look("2-corrected")
    user.type_number("cells_minutes", options.minutes)
    user.click("cells_start")
    latency, speed = watch(user, look)
    user.wait_for_job()
    user.settle(1)
    look("4-after-training")
    user.choose("scope", "This frame")
    for t in untouched:
        user.show_frame(t)
        user.click("segment_button")
        user.wait_for_job()
    user.show_frame(N_CORRECTED + 1)
    look("5-after")
    after = scores(cells_of(user), truth, untouched)
    print("after:", after, flush=True)
    user.close()
    return {
        "before": before,
        "after": after,
        "slider_ms_median": round(1000 * float(np.median(latency)), 1),
        "slider_ms_longest": round(1000 * max(latency), 1),
        "steps_per_s_with_viewer": speed,
        "load_average": os.getloadavg()[0],
    }


def watch(user: User, look: object) -> tuple[list[float], float]:
    """Move the slider until the network has learned; return latencies and speed."""
    state = Path(os.environ["XDG_STATE_HOME"])
    latency: list[float] = []
    rows: list[dict[str, str]] = []
    is_pictured, k = False, 0
    deadline = time.monotonic() + 1200
    button = user.find(QPushButton, "cells_stop")
    user.wait_until(button.isVisible)
    while button.isVisible() and time.monotonic() < deadline:
        k += 1
        began = time.perf_counter()
        user.show_frame(k % N_FRAMES)
        user.settle(0)
        latency.append(time.perf_counter() - began)
        user.settle(SLIDER_EVERY_S)
        now = table(state)
        rows = now or rows
        if len(rows) >= 6 and not is_pictured:
            user.show_frame(N_CORRECTED + 1)
            look("3-training")  # type: ignore[operator]
            is_pictured = True
    return latency, speed_of(rows)


def table(state: Path) -> list[dict[str, str]]:
    """Return the rows of the training that runs."""
    for path in state.rglob("training.csv"):
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    return []


def speed_of(rows: list[dict[str, str]]) -> float:
    """Return steps a second after the first ones, validations included."""
    late = [row for row in rows if int(row["step"]) >= WARM_STEPS]
    if len(late) < 2:
        return float("nan")
    steps = int(late[-1]["step"]) - int(late[0]["step"])
    return round(steps / (float(late[-1]["seconds"]) - float(late[0]["seconds"])), 3)


def headless_speed(recording: Acquisition, truth: np.ndarray, folder: Path) -> float:
    """Return steps a second of the same training by the command line, no viewer."""
    import napari_qpm as qpm

    cells = np.where(np.arange(N_FRAMES)[:, None, None] < N_CORRECTED, truth, 0)
    frames = annotated_frames(qpm.retrieve(recording), cells)
    run = folder / "headless"
    command = [
        *(sys.executable, "-m", "napari_qpm", "fine-tune"),
        str(save_frames(frames, folder / "frames")),
        *("--name", "headless", "--minutes", str(HEADLESS_MINUTES)),
        *("--folder", str(run), "--overwrite"),
    ]
    subprocess.run(command, check=True)
    with (run / "training.csv").open(newline="") as file:
        return speed_of(list(csv.DictReader(file)))


def cells_of(user: User) -> Labels:
    """Return the layer of cells."""
    ours = [one for one in user.viewer.layers if one.name.endswith(" cells")]
    return next(one for one in ours if "preview" not in one.name)


def outline(layer: Labels, t: int, truth: np.ndarray) -> None:
    """Paint the true cells of a frame, as one stroke."""
    changed = np.nonzero(np.asarray(layer.data[t]) != truth)
    layer.data_setitem((np.full_like(changed[0], t), *changed), truth[changed])


def scores(layer: Labels, truth: np.ndarray, frames: range) -> dict[str, float]:
    """Return the mean scores of some frames."""
    data = np.asarray(layer.data)
    return {
        "ap50": round(
            float(np.mean([average_precision(truth[t], data[t]) for t in frames])), 3
        ),
        "dice": round(float(np.mean([dice(truth[t], data[t]) for t in frames])), 3),
    }


if __name__ == "__main__":
    main()
