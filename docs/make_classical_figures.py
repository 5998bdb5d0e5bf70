"""Pictures and figures of the classical methods: steps, stacks, focus, cameras.

Every number that docs/tie.md, docs/refocus.md, docs/phase-shifting.md and
docs/calibration.md quote is printed here, so that they can be checked::

    python docs/make_classical_figures.py ../shared/data -o docs/images
"""

import argparse
import zipfile
from pathlib import Path

import imageio.v3 as imageio
import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from napari_qpm.acquisition import ArraySource
from napari_qpm.io import open_acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.cell_focus import focus_cells
from napari_qpm.retrieval.phase_steps import PhaseSteps, StepFringes, find_steps
from napari_qpm.retrieval.propagator import Propagator, _Contrast, faded, find_focus
from napari_qpm.specimens import simulate

FOCUS_UM = (-100, -50, -20, -10, 0, 10, 20, 50, 100)
DPI = 90


def retrieve(acquisition, engine, **parameters):
    """Return the phase of the first frame, in memory."""
    made, token = make_phase_engine(engine, **parameters), CancelToken()
    resolved = made.resolve(acquisition, token)
    return made.retrieve(resolved.read(0)[None], resolved, token)


def panel(axes, image, title, **options):
    """Draw one picture with its scale."""
    shown = axes.imshow(image, **options)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    axes.figure.colorbar(shown, ax=axes, shrink=0.7)


def steps(data, output):
    """Draw the Fresnel set with assumed and with found steps."""
    recording = open_acquisition(
        data / "psi-fresnel-4frame", modality="phase-shifting", phase_sign=1
    )
    frame = recording.read(0)
    found = find_steps(frame)
    print(f"steps {found.steps_deg} degrees, gains {np.round(found.gains, 3)}")
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    for ax, (title, angles) in zip(
        axes,
        (("0, 90, 180, 270 assumed", (0, 90, 180, 270)), ("found", found.steps_deg)),
        strict=True,
    ):
        seen = StepFringes.of(frame, PhaseSteps.stated(angles, frame))
        ripple = float(np.abs(np.exp(2j * seen.wrapped).mean()))
        print(f"{title}: ripple {ripple:.4f} rad")
        part = seen.wrapped[400:560, 400:600]
        panel(ax, part, f"Steps {title}: ripple {ripple:.3f} rad", cmap="twilight")
    figure.savefig(output / "phase-shifting.png", dpi=DPI)


def stack(data, output):
    """Draw the through-focus cell from two planes and from nine."""
    folder = data / "tie-cell-throughfocus"
    cell = open_acquisition(
        folder / "onaxis_stack_zyx.tif",
        modality="through-focus",
        reference=folder / "reference_empty.tif",
        wavelength_nm=532,
        pixel_size_um=0.16,
        medium_index=1.0,
        focus_um=FOCUS_UM,
        phase_sign=-1,
    )
    region = imageio.imread(folder / "author_mask.tif") > 127
    chosen = {"nine planes": range(9), "+-20 um": (2, 6), "+-50 um": (1, 7)}
    phases = {}
    for name, planes in chosen.items():
        kept = list(planes)
        part = cell.replace(
            source=ArraySource(cell.read(0)[None, kept]),
            reference=cell.reference[kept],
        ).with_instrument(focus_um=[FOCUS_UM[k] for k in kept])
        made = retrieve(part, "tie", solver="universal", largest_um=50)
        phases[name] = made.phase[0]
    full = phases["nine planes"]
    figure, axes = plt.subplots(1, 4, figsize=(13, 2.8), layout="constrained")
    panel(axes[0], cell.read(0)[7], "Raw, 50 um out of focus", cmap="gray")
    for ax, (name, phase) in zip(axes[1:], phases.items(), strict=True):
        r = np.corrcoef(phase[region], full[region])[0, 1]
        print(f"{name}: correlation with nine planes in the cell {r:.3f}")
        low, high = np.quantile(phase, (0.01, 0.995))
        title = f"{name}, r = {r:.2f} [rad]"
        panel(ax, phase, title, cmap="gray", vmin=low, vmax=high)
    figure.savefig(output / "tie.png", dpi=DPI)


def colours(data, output):
    """Draw the simulated colour picture, its truth, and what both engines find."""
    sample = simulate("chromatic", n_frames=1)
    truth, cells = sample.phase[0], sample.labels[0]
    figure, axes = plt.subplots(1, 4, figsize=(13, 2.8), layout="constrained")
    raw = sample.acquisition.read(0).transpose(1, 2, 0).astype(float)
    panel(axes[0], raw / raw.max(), "Colour picture")
    shown = {"cmap": "gray", "vmin": 0, "vmax": float(np.quantile(truth, 0.995))}
    panel(axes[1], truth, "Truth [rad]", **shown)
    for ax, engine in zip(axes[2:], ("tie-rgb", "wiener-rgb"), strict=True):
        found = retrieve(sample.acquisition, engine).phase[0]
        numbers = np.unique(cells[cells > 0])
        ratios = [found[cells == k].sum() / truth[cells == k].sum() for k in numbers]
        r = np.corrcoef(found.ravel(), truth.ravel())[0, 1]
        print(f"{engine}: r = {r:.3f}, mass over truth {np.round(ratios, 2)}")
        panel(ax, found, f"{engine}, r = {r:.2f} [rad]", **shown)
    figure.savefig(output / "tie-colours.png", dpi=DPI)


def focus(data, output):
    """Draw the defocused HL60 field, its focus and the contrast over distance."""
    with zipfile.ZipFile(data / "field-hl60-defocused" / "HL60_field.zip") as archive:
        real, imaginary = (
            np.loadtxt(archive.open(f"HL60_{part}.txt")) for part in ("real", "imag")
        )
    field = real + 1j * imaginary
    propagator = Propagator(field.shape, (0.139, 0.139), 0.647, 1.335)
    token = CancelToken()
    found = find_focus(field, propagator, 0.0, 12.0, token)
    there = propagator.at(propagator.spectrum(field), found)
    print(f"HL60: focus {found:+.3f} um; amplitude varies by {np.abs(field).std():.3f}")
    print(f"and by {np.abs(there).std():.3f} in focus")
    _, (cell,) = focus_cells(field.astype(np.complex64), propagator, 12.0, token)
    print(f"HL60, the cell by itself: focus {cell.distance_um:+.3f} um")
    contrast = _Contrast(propagator, propagator.spectrum(faded(field)), token)
    distances = np.linspace(-12, 12, 97)
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
    panel(axes[0], np.abs(field), "Amplitude as recorded", cmap="gray")
    panel(axes[1], np.abs(there), f"Amplitude at {found:+.2f} um", cmap="gray")
    axes[2].plot(distances, [contrast(d) for d in distances])
    axes[2].axvline(found, color="C1")
    axes[2].set_xlabel("distance (um)")
    axes[2].set_ylabel("contrast of the amplitude")
    figure.savefig(output / "refocus.png", dpi=DPI)


def heights(data, output):
    """Draw two simulated cells at different heights: one plane, and a plane each."""
    side, pixel, token = 256, 0.1, CancelToken()
    propagator = Propagator((side, side), (pixel, pixel), 0.55, 1.337)
    field, truth = np.ones((side, side), complex), np.zeros((side, side))
    for height, column in ((5.0, -5.0), (-4.0, 6.0)):
        phase = granular_cell(side, pixel, column)
        moved = propagator.at(propagator.spectrum(np.exp(1j * phase)), height)
        field, truth = field + moved - 1, truth + phase
    plane = find_focus(field, propagator, 0.0, 8.0, token)
    one = propagator.at(propagator.spectrum(field), plane)
    each, cells = focus_cells(one, propagator, 12.0, token)
    found = ", ".join(f"{plane + cell.distance_um:+.2f}" for cell in cells)
    print(f"two cells at 5 and -4 um: plane {plane:+.2f} um, cells {found} um")
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), layout="constrained")
    shown = {"as recorded": field, "frame": one, "cells": each}
    for ax, (name, image) in zip(axes, shown.items(), strict=True):
        error = np.angle(image * np.exp(-1j * truth)).std()
        print(f"  {name}: rms error {error:.4f} rad")
        panel(ax, np.angle(image), f"{name}, error {error:.3f} rad", cmap="gray")
    figure.savefig(output / "refocus-cells.png", dpi=DPI)


def granular_cell(side, pixel, column):
    """Return the phase [rad] of a round cell with three granules."""
    y, x = (np.mgrid[:side, :side] + 0.5 - side / 2) * pixel
    phase = 1.5 * np.exp(-(((x - column) ** 2 + y**2) ** 2) / 4**4)
    for dy, dx in ((0, -1), (2, -3), (-2, 0)):
        phase += 0.5 * np.exp(-((x - column - dx) ** 2 + (y - dy) ** 2) / 0.5)
    return phase


def main():
    """Make all pictures, and print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the shared recordings")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    for draw in (steps, stack, colours, focus, heights):
        draw(options.data, options.output)


if __name__ == "__main__":
    main()
