"""Small simulated recordings with known truth, for samples, the demo and tests.

Living cells, a sphere or nothing lies in the field; a camera model turns the phase into
raw frames. Lengths are um, times s, phase rad. Everything follows from the seed; each
cell and each frame has its own stream of random numbers.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import OutputError, UnknownNameError
from napari_qpm.provenance import Step
from napari_qpm.specimens._cameras import CAMERAS
from napari_qpm.specimens._cell_life import Cell, crawl, divide, seed_cells
from napari_qpm.specimens._cell_shape import thickness
from napari_qpm.specimens._settings import ALPHA_UM3_PER_PG, SampleSettings, Specimen

__all__ = [
    "ALPHA_UM3_PER_PG",
    "KINDS",
    "SampleSettings",
    "Simulation",
    "Specimen",
    "simulate",
    "write_sample",
]

FloatImage = NDArray[np.float32]

KINDS: dict[str, str] = {
    "polarization": "Polarization camera, dividing cells (raw mosaic, simulated)",
    "off-axis": "Off-axis hologram with its reference (simulated)",
    "phase": "Phase images of living cells (simulated)",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Simulation:
    """A recording and the truth about it.

    Parameters
    ----------
    acquisition
        Raw frames as a microscope would give them.
    phase
        ``(T, Y, X)`` float32 [rad] of the specimen alone, on the raw grid.
    labels
        ``(T, Y, X)`` int32; a cell keeps its number until it divides.
    table
        One dictionary a cell and frame: ``frame, label, parent_id, dry_mass_pg,
        y_um, x_um, is_mitotic``. The mass is the whole cell's, with
        `ALPHA_UM3_PER_PG`; a cell at the border shows less of it.
    lineage
        ``{daughter: parent}``.
    """

    name: str
    title: str
    acquisition: Acquisition
    phase: FloatImage
    labels: NDArray[np.int32]
    table: tuple[dict[str, Any], ...]
    lineage: dict[int, int]
    settings: SampleSettings


def simulate(kind: str, **options: Any) -> Simulation:
    """Return a simulated recording of this kind with its truth.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    **options
        Fields of `SampleSettings`.

    Raises
    ------
    UnknownNameError
        There is no such kind or option.
    """
    if kind not in KINDS:
        raise UnknownNameError("sample", kind, KINDS)
    known = {f.name for f in dataclasses.fields(SampleSettings)}
    for name in options:
        if name not in known:
            raise UnknownNameError("sample option", name, known)
    settings = SampleSettings(**{**_DEFAULTS[kind], **options})
    phase, labels, table, lineage = _SCENES[settings.specimen](settings)
    acquisition = CAMERAS[kind](settings, phase)
    step = Step(name="simulate", engine=kind, parameters=dataclasses.asdict(settings))
    return Simulation(
        name=acquisition.name,
        title=KINDS[kind],
        acquisition=acquisition.replace(
            history=(step,),
            notes=("Simulated; the cells and their masses are known exactly.",),
        ),
        phase=phase,
        labels=labels,
        table=tuple(table),
        lineage=lineage,
        settings=settings,
    )


_DEFAULTS: dict[str, dict[str, Any]] = {
    "polarization": {},
    # |carrier| = 3 NA / (wavelength M): the sideband just clears the central band.
    "off-axis": {"n_frames": 1, "shape": (512, 512), "pixel_size_um": 0.19},
    "phase": {"n_frames": 6},
}

Scene = tuple[FloatImage, NDArray[np.int32], list[dict[str, Any]], dict[int, int]]


def _empty_scene(s: SampleSettings) -> Scene:
    shape = (s.n_frames, *s.shape)
    return np.zeros(shape, np.float32), np.zeros(shape, np.int32), [], {}


def _sphere_scene(s: SampleSettings) -> Scene:
    """Return a sphere's projection ``2 dn sqrt(r^2 - d^2)``, unblurred."""
    phase, labels, table, lineage = _empty_scene(s)
    centre = (np.array(s.shape) - 1) / 2
    y, x = np.indices(s.shape) - centre[:, None, None]
    squared = s.sphere_radius_um**2 - (y**2 + x**2) * s.pixel_size_um**2
    path_um = 2 * s.sphere_index_step * np.sqrt(np.maximum(squared, 0))
    phase[:] = path_um * s.radians_per_um
    labels[:] = squared > 0
    mass = 4 / 3 * math.pi * s.sphere_radius_um**3 * s.sphere_index_step
    y_um, x_um = (centre * s.pixel_size_um).tolist()
    for t in range(s.n_frames):
        table.append(_row(t, 1, 0, mass / ALPHA_UM3_PER_PG, y_um, x_um, False))
    return phase, labels, table, lineage


def _cell_scene(s: SampleSettings) -> Scene:
    """Return living cells, drawn frame by frame and blurred by the objective."""
    phase, labels, table, lineage = _empty_scene(s)
    blur_px = 0.25 * s.wavelength_nm / 1000 / s.numerical_aperture / s.pixel_size_um
    cells = seed_cells(s)
    for t in range(s.n_frames):
        time_s = t * s.frame_interval_s
        cells = divide(s, cells, time_s, lineage)
        crawl(s, cells, time_s, 0.0 if t == 0 else s.frame_interval_s)
        highest = np.zeros(s.shape, np.float32)
        for cell in cells:
            _draw(s, cell, time_s, phase[t], labels[t], highest)
            y, x = cell.position.tolist()
            mass, parent = cell.mass_pg(time_s), lineage.get(cell.label, 0)
            mitotic = cell.roundness(time_s) > 0.5 and time_s >= cell.mitosis_s
            table.append(_row(t, cell.label, parent, mass, y, x, mitotic))
        phase[t] = ndimage.gaussian_filter(phase[t], blur_px, mode="constant")
    return phase, labels, table, lineage


def _draw(
    s: SampleSettings,
    cell: Cell,
    time_s: float,
    phase: FloatImage,
    labels: NDArray[np.int32],
    highest: FloatImage,
) -> None:
    """Add one cell to the phase; it owns the pixels where it is the thickest."""
    reach = 2.4 * cell.radius_um(time_s) / s.pixel_size_um + 4
    corner = np.floor(cell.position / s.pixel_size_um - reach).astype(int)
    side = int(2 * reach) + 1
    y = (np.arange(side) + corner[0]) * s.pixel_size_um - cell.position[0]
    x = (np.arange(side) + corner[1]) * s.pixel_size_um - cell.position[1]
    height = thickness(cell.body, cell.pose(time_s), y[:, None], x[None, :])
    height *= cell.mass_pg(time_s) * s.phase_sum_per_pg / height.sum()
    low, high = np.maximum(corner, 0), np.minimum(corner + side, s.shape)
    if (high <= low).any():
        return
    there = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    cut = tuple(slice(a, b) for a, b in zip(low - corner, high - corner, strict=True))
    visible = height[cut].astype(np.float32)
    phase[there] += visible
    owned = visible > highest[there]
    labels[there][owned] = cell.label
    highest[there][owned] = visible[owned]


def _row(
    frame: int, label: int, parent: int, mass: float, y: float, x: float, mitotic: bool
) -> dict[str, Any]:
    return {
        "frame": frame,
        "label": label,
        "parent_id": parent,
        "dry_mass_pg": mass,
        "y_um": y,
        "x_um": x,
        "is_mitotic": mitotic,
    }


_SCENES: dict[Specimen, Callable[[SampleSettings], Scene]] = {
    Specimen.CELLS: _cell_scene,
    Specimen.SPHERE: _sphere_scene,
    Specimen.EMPTY: _empty_scene,
}


def write_sample(simulation: Simulation, folder: Path) -> Path:
    """Write the recording as a microscope would leave it, with its truth beside it.

    ``NAME.ome.tif`` holds the raw frames, ``NAME.qpm.yaml`` what is known of the
    instrument, ``NAME.reference.tif`` the empty field; the folder ``truth`` holds
    ``phase.npy``, ``labels.tif`` and ``cells.json``.

    Returns
    -------
    Path
        The file to open.
    """
    import json

    import tifffile
    import yaml

    acquisition, name = simulation.acquisition, simulation.name
    folder = Path(folder)
    frames = np.stack([acquisition.read(t)[0] for t in range(acquisition.n_frames)])
    sidecar: dict[str, Any] = {"modality": acquisition.require_modality().value}
    sidecar.update(acquisition.instrument.to_dict())
    recording = folder / f"{name}.ome.tif"
    try:
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            recording, frames, photometric="minisblack", metadata=_ome(simulation)
        )
        if acquisition.reference is not None:
            sidecar["reference"] = f"{name}.reference.tif"
            tifffile.imwrite(folder / sidecar["reference"], acquisition.reference[0])
        text = yaml.safe_dump(sidecar, sort_keys=False)
        (folder / f"{name}.qpm.yaml").write_text(text, encoding="utf-8")
        np.save(folder / "truth" / "phase.npy", simulation.phase)
        labels = folder / "truth" / "labels.tif"
        tifffile.imwrite(
            labels, simulation.labels, photometric="minisblack", compression="zlib"
        )
        truth = json.dumps({"cells": simulation.table, "lineage": simulation.lineage})
        (folder / "truth" / "cells.json").write_text(truth, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"Cannot write the sample to {folder}: {error}.") from error
    return recording


def _ome(simulation: Simulation) -> dict[str, Any]:
    """Return OME metadata of the raw frames."""
    instrument = simulation.acquisition.instrument
    pixel, interval = instrument.pixel_size_um, instrument.frame_interval_s
    return {
        "axes": "TYX",
        "PhysicalSizeX": pixel,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": pixel,
        "PhysicalSizeYUnit": "µm",
        "TimeIncrement": interval,
        "TimeIncrementUnit": "s",
    }
