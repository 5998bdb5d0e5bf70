"""Figures of real recordings for the documentation.

    python docs/make_figures.py RECORDINGS [-o docs/images]

RECORDINGS is the folder of the shared recordings; nothing of it is stored here but what
the figures show. Sources are named in docs/recordings.md.
"""

import argparse
import io
from pathlib import Path

import imageio.v3 as imageio
import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage
from skimage.segmentation import find_boundaries

import napari_qpm as qpm
from napari_qpm.segmentation.scores import average_precision, dice

HOLOGRAMS = {
    "HL60 cell, with reference": "oah-hl60-reference/hologram_cell.npz",
    "Glioblastoma": "oah-glioblastoma/Glioblastoma.jpg",
    "Red blood cells, curved background": "oah-rbc-nontelecentric/RBCnotele50x.tiff",
    "Phase star target": "oah-star-target/star-target.png",
}
CELLS = ("img_002", "img_006", "img_009", "img_012")


def show(axes, image, title, **options):
    """Draw one panel with its colour bar."""
    drawn = axes.imshow(image, interpolation="nearest", **options)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    return drawn


def save(figure, target):
    """Write a figure as a PNG of 128 colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    plt.close(figure)
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


def draw_holograms(folder, target):
    """Raw frame above, phase above an empty background below, for each hologram."""
    figure, axes = plt.subplots(2, 4, figsize=(15, 7.4), layout="constrained")
    for column, (title, name) in enumerate(HOLOGRAMS.items()):
        acquisition = qpm.open(folder / name)
        phase_map = qpm.retrieve(acquisition)
        raw, phase = acquisition.read(0)[0], phase_map.read(0)
        side = min(raw.shape) // 6
        corner = raw[:side, :side]
        show(axes[0, column], corner, f"{title}\nraw, a corner", cmap="gray")
        low, high = np.percentile(phase, (1, 99.8))
        drawn = show(
            axes[1, column],
            phase,
            f"phase [rad], {phase.shape[0]} x {phase.shape[1]} px",
            cmap="viridis",
            vmin=min(low, 0),
            vmax=high,
        )
        figure.colorbar(drawn, ax=axes[1, column], shrink=0.8)
    save(figure, target)


def draw_hl60(folder, target):
    """Ours, qpretrieve with the same background, and their difference."""
    acquisition = qpm.open(folder / HOLOGRAMS["HL60 cell, with reference"])
    ours = qpm.retrieve(acquisition, grid="full")
    theirs = qpm.retrieve(ours.acquisition, "qpretrieve")
    one, other = ours.read(0), theirs.read(0)
    difference = one - other - np.median(one - other)
    rms = np.std(difference)
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for panel, image, title in (
        (axes[0], one, "napari-qpm, full grid [rad]"),
        (axes[1], other, "qpretrieve, same background [rad]"),
    ):
        drawn = show(panel, image, title, cmap="viridis", vmin=-0.3, vmax=5)
        figure.colorbar(drawn, ax=panel, shrink=0.8)
    drawn = show(
        axes[2],
        difference,
        f"difference [rad], rms {rms:.3f} (rim of 4 px cut: "
        f"{np.std(difference[4:-4, 4:-4]):.3f})",
        cmap="coolwarm",
        vmin=-0.15,
        vmax=0.15,
    )
    figure.colorbar(drawn, ax=axes[2], shrink=0.8)
    save(figure, target)


def draw_cells(folder, target):
    """Outlines of the classical segmentation and of the hand-made masks."""
    figure, axes = plt.subplots(1, 4, figsize=(16, 4.6), layout="constrained")
    for panel, name in zip(axes, CELLS, strict=True):
        image = tifffile.imread(folder / "qpi-a2780-masks" / f"{name}.tif")
        truth = _instances(imageio.imread(folder / "qpi-a2780-masks" / f"{name}.png"))
        acquisition = qpm.Acquisition.from_array(image, "phase", phase_unit="unknown")
        labels = qpm.segment(qpm.retrieve(acquisition)).compute()[0]
        high = np.percentile(image, 99.8)
        grey = np.clip(image / high, 0, 1)
        picture = np.stack([grey] * 3, axis=-1)
        picture[find_boundaries(truth, mode="inner")] = (0.2, 0.5, 1.0)
        picture[find_boundaries(labels, mode="inner")] = (1.0, 0.65, 0.0)
        score = dice(truth > 0, labels > 0)
        precision = average_precision(truth, labels)
        show(panel, picture, f"{name}: Dice {score:.2f}, AP@0.5 {precision:.2f}")
    figure.suptitle(
        "Orange: threshold and watershed. Blue: drawn by hand.", fontsize=11
    )
    save(figure, target)


def _instances(drawn):
    return ndimage.label(drawn > 0)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    draw_holograms(arguments.recordings, arguments.output / "real-holograms.png")
    draw_hl60(arguments.recordings, arguments.output / "real-hl60-qpretrieve.png")
    draw_cells(arguments.recordings, arguments.output / "real-a2780-cells.png")


if __name__ == "__main__":
    main()
