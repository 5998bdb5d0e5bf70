"""Gallery of the simulated specimens, and how near they come to measured cells.

::

    python docs/make_gallery.py                      # gallery-*.png into docs/images
    python docs/make_gallery.py --recordings FOLDER  # where the A2780 set lies

The realism figure compares with the A2780 set (tomasvicar/
Improved_QPI_Iterative_Thresholding, BSD-3-Clause) and with scikit-image's picture of a
cell; it is left out when the set is not there. Measured images appear in it as curves
and as one small panel, their source beside it.
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import realism
import torch
from matplotlib.axes import Axes
from PIL import Image

from napari_qpm.specimens import (
    CellKind,
    ObjectKind,
    Specimens,
    simulate_cells,
    simulate_objects,
    simulate_time_lapse,
)

WAVELENGTH_NM = 532.0
CONFLUENCE = (0.05, 0.3, 0.6, 0.95)
CLASS_COLOURS = ("none", "tab:green", "tab:red", "gold", "tab:blue")
CLASS_NAMES = ("", "live", "dead", "mitotic", "debris")
PALETTE_SIZE = 256
SOURCE = "A2780, Vicar et al., BSD-3-Clause"


def main() -> None:
    """Draw every figure."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=here / "images")
    parser.add_argument(
        "--recordings",
        type=Path,
        default=here.parents[1] / "shared" / "data" / "qpi-a2780-masks",
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    draw_cells(options.output / "gallery-cells.png")
    draw_time_lapse(options.output / "gallery-time-lapse.png")
    draw_objects(options.output / "gallery-objects.png")
    if options.recordings.is_dir():
        draw_realism(options.output / "gallery-realism.png", options.recordings)
    else:
        print(f"{options.recordings} is not there: no realism figure")


def draw_cells(path: Path) -> None:
    """Draw each kind at rising confluence, and its classes."""
    columns = len(CONFLUENCE) + 1
    figure, axes = plt.subplots(len(CellKind), columns, figsize=(3 * columns, 15.5))
    for row, kind in zip(axes, CellKind, strict=True):
        for axis, covered in zip(row, CONFLUENCE, strict=False):
            batch = simulate_cells(1, seed=7, kinds=kind, confluence=covered)
            show_phase(axis, batch, 0, f"{kind}, {covered:.0%}")
        shares = (0.5, 0.2, 0.2, 0.1)
        batch = simulate_cells(1, seed=4, kinds=kind, confluence=0.45, shares=shares)
        show_phase(row[-1], batch, 0, "classes and outlines")
        outline_classes(row[-1], batch)
    handles = [
        plt.Line2D([], [], color=colour, label=name)
        for colour, name in zip(CLASS_COLOURS[1:], CLASS_NAMES[1:], strict=True)
    ]
    figure.legend(handles=handles, loc="lower right", ncols=4)
    figure.suptitle(f"Simulated cells: phase at {WAVELENGTH_NM:.0f} nm, 102 µm wide")
    save(figure, path)


def show_phase(axis: Axes, batch: Specimens, index: int, title: str) -> None:
    """Draw one phase map from 0 to its 99.8th percentile."""
    phase = batch.phase(WAVELENGTH_NM)[index].numpy()
    top = max(float(np.percentile(phase, 99.8)), 0.5)
    axis.imshow(phase, cmap="gray", vmin=0, vmax=top)
    axis.set_title(f"{title} (to {top:.1f} rad)", fontsize=9)
    axis.set_axis_off()


def outline_classes(axis: Axes, batch: Specimens) -> None:
    """Draw the outline of every cell in the colour of its class."""
    labels, classes = batch.labels[0].numpy(), batch.class_map()[0].numpy()
    edge = np.zeros(labels.shape, bool)
    for axis_index in (0, 1):
        for step in (-1, 1):
            edge |= (labels != np.roll(labels, step, axis_index)) & (labels > 0)
    overlay = np.zeros((*labels.shape, 4))
    for index, colour in enumerate(CLASS_COLOURS[1:], start=1):
        overlay[edge & (classes == index)] = mpl.colors.to_rgba(colour)
    axis.imshow(overlay)


def draw_time_lapse(path: Path) -> None:
    """Draw frames of growing, dividing and dying cells, and their dry masses."""
    lapse = simulate_time_lapse(
        seed=5, n_frames=73, shape=(256, 256), kind="adherent", death_per_h=0.02
    )
    figure, axes = plt.subplots(2, 4, figsize=(13, 7))
    frames = (0, 12, 24, 36, 48, 60, 72)
    for axis, frame in zip(axes.flat, frames, strict=False):
        phase = lapse.specimens.phase(WAVELENGTH_NM)[frame]
        axis.imshow(phase, cmap="gray", vmin=0, vmax=5)
        cells = lapse.specimens.cells.select(lapse.specimens.cells.field == frame)
        for row in cells.rows():
            place = row["x_um"] / 0.5, row["y_um"] / 0.5
            axis.text(*place, row["label"], color="yellow", fontsize=7, ha="center")
        axis.set_title(f"{lapse.time_s[frame] / 3600:.0f} h", fontsize=9)
        axis.set_axis_off()
    cells = lapse.specimens.cells
    for label in cells.label.unique():
        rows = cells.label == label
        hours = lapse.time_s[cells.field[rows]] / 3600
        axes.flat[-1].plot(hours, cells.dry_mass_pg[rows], lw=1)
    axes.flat[-1].set(xlabel="time [h]", ylabel="dry mass [pg]")
    axes.flat[-1].set_title("growth, division, death", fontsize=9)
    figure.suptitle("Simulated time-lapse, 128 µm wide, phase 0 to 5 rad")
    save(figure, path)


def draw_objects(path: Path) -> None:
    """Draw three objects of each family."""
    figure, axes = plt.subplots(3, len(ObjectKind), figsize=(14, 9))
    for column, kind in zip(axes.T, ObjectKind, strict=True):
        batch = simulate_objects(3, seed=11, kinds=kind)
        for index, axis in enumerate(column):
            show_phase(axis, batch, index, str(kind))
    figure.suptitle("Phase objects that are no cells (pictures: scikit-image)")
    save(figure, path)


def draw_realism(path: Path, recordings: Path) -> None:
    """Draw distributions and spectra of simulated and measured cells."""
    real = realism.measured(recordings)
    model = realism.simulated(2 * real.confluence, seed=100)
    found = realism.distances(real, model)
    spread = realism.split_distances(real)
    figure, axes = plt.subplots(3, 4, figsize=(17, 12))
    for axis, quantity in zip(axes.flat, realism.QUANTITIES, strict=False):
        bins = np.linspace(quantity.lowest, quantity.highest, 41)
        for sample, name in ((real, "measured"), (model, "simulated")):
            values = np.concatenate(sample.values[quantity.name])
            axis.hist(values, bins, density=True, histtype="step", label=name, lw=1.5)
        title = f"W₁ = {found[quantity.name]:.2f} sd"
        title += f" (half of the set to the other: {spread[quantity.name]:.2f})"
        axis.set(xlabel=quantity.title, yticks=[])
        axis.set_title(title, fontsize=9)
    axes.flat[0].legend()
    draw_spectrum(axes.flat[7], real, model, found["spectrum"], spread["spectrum"])
    draw_single_cell(axes.flat[8])
    for axis, image, title in (
        (axes.flat[9], real.images[-1][200:456, 200:456], f"measured ({SOURCE})"),
        (axes.flat[10], realism.densest(model), "simulated"),
    ):
        axis.imshow(image, cmap="gray", vmin=-0.1, vmax=2.2)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    axes.flat[11].set_axis_off()
    worst = max(found[q.name] for q in realism.QUANTITIES)
    text = (
        f"{len(real.images)} measured fields, {len(model.images)} simulated ones\n"
        f"of the same confluence, {realism.PIXEL_UM} µm pixels.\n\n"
        "W₁: Wasserstein distance over the\nsd of the measured values.\n"
        f"Largest: {worst:.2f}. In brackets: the mean distance\nbetween random halves "
        "of the measured set.\n\nMeasured units are taken as pg/µm²;\nsimulated: "
        "optical path over 0.18 µm³/pg,\nbackground noise 0.009 pg/µm²."
    )
    axes.flat[11].text(0, 0.95, text, va="top", fontsize=10)
    figure.suptitle("Simulated colonies beside measured A2780 cells")
    save(figure, path)
    for name, value in found.items():
        print(f"{name:14s} {value:.3f}   halves of the measured set {spread[name]:.3f}")


def draw_spectrum(
    axis: Axes,
    real: realism.Sample,
    model: realism.Sample,
    found: float,
    spread: float,
) -> None:
    """Draw the mean radial power spectra."""
    for sample, name in ((real, "measured"), (model, "simulated")):
        axis.loglog(sample.frequency, sample.mean_power, label=name)
    axis.set(xlabel="spatial frequency [1/µm]", yticks=[])
    title = f"power: rms {found:.2f} decades (halves: {spread:.2f})"
    axis.set_title(title, fontsize=9)


def draw_single_cell(axis: Axes) -> None:
    """Draw the radial profile of a floating cell, measured and simulated."""
    radius, real = realism.measured_profile()
    models = realism.simulated_profiles(12)
    mean, sd = models.mean(axis=0), models.std(axis=0)
    axis.plot(radius, real, label="measured")
    axis.plot(radius, mean, label="simulated")
    axis.fill_between(radius, mean - sd, mean + sd, color="C1", alpha=0.3)
    rms = float(np.sqrt(np.mean((real - mean) ** 2)))
    axis.set(xlabel="distance over radius", ylabel="phase over its inner mean")
    axis.set_title(f"skimage.data.cell(): rms {rms:.3f}", fontsize=9)
    print(f"{'profile':14s} {rms:.3f}")


def save(figure: plt.Figure, path: Path) -> None:
    """Write a figure as a PNG of 256 colours, a third of the full one's size."""
    figure.tight_layout(rect=(0, 0.015, 1, 0.985))
    figure.savefig(path, dpi=72)
    plt.close(figure)
    picture = Image.open(path).convert("RGB")
    picture.quantize(PALETTE_SIZE, kmeans=2).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
