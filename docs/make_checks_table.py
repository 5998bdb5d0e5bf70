"""Measure which error of a phase each check sees: `make_checks_table.py [FOLDER]`.

Prints the tables of checks.md. FOLDER holds the real recordings; without it only
simulations are measured. Every phase that is tried comes from `ERRORS`.
"""

import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import tifffile
import torch
from scipy import ndimage

import napari_qpm as qpm
from napari_qpm.checks import check_frame
from napari_qpm.fringes import find_carrier
from napari_qpm.physics.detector import Detector
from napari_qpm.physics.models import model_for
from napari_qpm.physics.polarization import PolarizationCamera
from napari_qpm.retrieval import PHASE_ENGINES
from napari_qpm.specimens.samples import simulate

BLUR_PX = 20
"""Of the smoothed phase, in camera pixels."""


def block(image):
    """Return a block of an eighth of the sides, at a third of the frame."""
    return tuple(slice(n // 3, n // 3 + n // 8) for n in image.shape)


def with_block(image, height):
    changed = image.copy()
    changed[block(image)] += height
    return changed


def smoothed(image, grid):
    return ndimage.gaussian_filter(image, [BLUR_PX / step for step in grid])


def tilted(image, grid):
    del grid
    return image + np.linspace(-0.5, 0.5, image.shape[1], dtype=np.float32)


NO_ERROR = "none"
ERRORS = {
    NO_ERROR: lambda image, grid: image,
    f"smoothed by {BLUR_PX} px": smoothed,
    "half-wave block (pi)": lambda image, grid: with_block(image, np.pi),
    "empty phase (zero)": lambda image, grid: np.zeros_like(image),
    "missed turn (2 pi block)": lambda image, grid: with_block(image, 2 * np.pi),
    "piston of 0.5 rad": lambda image, grid: image + np.float32(0.5),
    "tilt of 1 rad": tilted,
    "wrong sign": lambda image, grid: -image,
}
WRONG_CARRIER = "wrong carrier"


def simulated():
    """Yield name, acquisition, truth and classical phase map of each kind."""
    for kind in ("off-axis", "polarization"):
        simulation = simulate(kind, n_frames=1, shape=(512, 512), seed=3)
        yield kind, simulation.acquisition, simulation.phase
    simulation = simulate("polarization", n_frames=1, shape=(512, 512), seed=3)
    yield "four angles", four_images(simulation), simulation.phase
    simulation = simulate("phase", n_frames=1, shape=(512, 512), seed=3)
    yield "colour", colour_picture(simulation), simulation.phase


def four_images(simulation):
    """Return the specimen of a simulated mosaic as four ready images."""
    camera = PolarizationCamera(
        simulation.phase.shape[1:],
        visibility=0.8,
        brightness_counts=1720,
        background_rad=((0.5, 2.0, 0.8), (1.0, 0.0, 0.0), (0.8, 0.0, 0.0)),
        mosaic=False,
    )
    detector = Detector(gain_e_per_count=2.6, read_noise_e=2.5, bit_depth=12)
    mean = camera(torch.from_numpy(simulation.phase))
    frames = detector(mean, torch.Generator().manual_seed(0)).numpy()
    instrument = simulation.acquisition.instrument.to_dict()
    instrument |= {"polarization_layout": (0, 45, 90, 135)}
    return qpm.Acquisition.from_array(
        frames.astype(np.uint16), "polarization", name="four angles", **instrument
    )


def colour_picture(simulation):
    """Return the specimen under white light, with a condenser open by half."""
    instrument = simulation.acquisition.instrument.replace(phase_unit=None)
    microscope = model_for(
        instrument.replace(brightness_counts=1720),
        "chromatic",
        simulation.phase.shape[1:],
        focus_curve_um=(2.0, -30.0, 100.0),
        coherence="abbe",
        coherence_ratio=0.5,
    )
    detector = Detector(gain_e_per_count=2.6, read_noise_e=2.5, bit_depth=12)
    opd_um = simulation.phase * instrument.wavelength_nm / 1000 / (2 * np.pi)
    with torch.no_grad():
        mean = microscope(torch.from_numpy(opd_um.astype(np.float32)))
    frames = detector(mean, torch.Generator().manual_seed(0)).numpy()
    return qpm.Acquisition.from_array(
        frames.astype(np.uint16), "chromatic", name="colour", **instrument.to_dict()
    )


def real(folder):
    """Yield name and acquisition of each real hologram."""
    with np.load(folder / "oah-hl60-reference" / "hologram_cell.npz") as arrays:
        hologram, reference = arrays["data"], arrays["bg_data"]
    yield "HL60", qpm.Acquisition.from_array(hologram, "off-axis", reference=reference)
    red = tifffile.imread(folder / "oah-rbc-nontelecentric" / "RBCnotele50x.tiff")
    yield "red blood cells", qpm.Acquisition.from_array(red, "off-axis")
    for name, path in (
        ("glioblastoma", "oah-glioblastoma/Glioblastoma.jpg"),
        ("phase star", "oah-star-target/star-target.png"),
    ):
        hologram = imageio.imread(folder / path)
        yield name, qpm.Acquisition.from_array(hologram, "off-axis")


def rows(acquisition, phase_map):
    """Yield the name of an error and the checks of a phase that has it."""
    image = phase_map.read(0)
    for name, spoil in ERRORS.items():
        spoilt = spoil(image, phase_map.grid_scale)[None]
        yield name, check_frame(acquisition, phase_map.replace(phase=spoilt))
    if acquisition.modality is qpm.Modality.OFF_AXIS:
        y, x = find_carrier(acquisition.read(0)[0]).frequency
        mirrored = acquisition.with_instrument(sideband_cycles_per_px=(-y, x))
        found = phase_map.replace(acquisition=mirrored)
        yield WRONG_CARRIER, check_frame(mirrored, found)


def print_table(title, columns, cell):
    """Print errors as rows and recordings as columns."""
    print(f"\n{title}\n\n| error | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name in (*ERRORS, WRONG_CARRIER):
        cells = [
            cell(found[name], found[NO_ERROR]) if name in found else "-"
            for found in columns.values()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def residual_cell(checks, right):
    score = checks.residual.values["score"]
    over = score / right.residual.values["score"]
    return f"{score:.2f} ({over:.2f} x) {checks.residual.verdict}"


def other_cell(checks, right):
    del right
    return f"{checks.unwrapping.verdict} / {checks.background.verdict}"


def main(arguments):
    columns = {}
    for name, acquisition, truth in simulated():
        phase_map = qpm.PhaseMap(phase=truth, acquisition=acquisition)
        columns[f"{name}: truth"] = dict(rows(acquisition, phase_map))
        if PHASE_ENGINES.for_modality(acquisition.modality):
            found = qpm.retrieve(acquisition)
            columns[f"{name}: classical"] = dict(rows(acquisition, found))
    tables = {"Simulated": columns}
    if arguments:
        tables["Real"] = {
            name: dict(rows(acquisition, qpm.retrieve(acquisition)))
            for name, acquisition in real(Path(arguments[0]))
        }
    for title, found in tables.items():
        print_table(f"### {title}: residual", found, residual_cell)
        print_table(f"### {title}: unwrapping / background", found, other_cell)


if __name__ == "__main__":
    main(sys.argv[1:])
