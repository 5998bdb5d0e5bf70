"""The fixed held-out set for cells: recordings of a polarization camera, with truth.

The cameras have faults that training leaves out: imperfect analysers, a wave plate that
is off, and a mosaic whose missing angles must be filled in. Phase is retrieved from the
raw frame as for any recording, so every method is judged on what users give it.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap, PhaseUnit
from napari_qpm.errors import ParameterError
from napari_qpm.jobs import CancelToken
from napari_qpm.physics import Detector, PolarizationCamera, one_thread
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.specimens import CellKind, simulate_cells
from napari_qpm.training.cell_maps import (
    A2780_PIXEL_UM,
    A2780_TEST,
    A2780_UNIT,
    living_labels,
    read_a2780_image,
)
from napari_qpm.training.phase_objects import DIAMETER_UM

__all__ = [
    "N_FIELDS",
    "SEED",
    "SHAPE",
    "CellField",
    "make_field",
    "real_field",
    "real_fields",
    "recorded_field",
]

SEED = 20_261_129
"""Of the set. Trainings count their seeds from 0."""
N_FIELDS = 25
SHAPE = (256, 256)
SIZE_PX = (18.0, 50.0)
CONFLUENCE = (0.1, 0.8)
WAVELENGTH_NM = 561.0
LAYOUT = (90, 45, 135, 0)
BITS, BRIGHTNESS, READ_NOISE_E = 12, 1300.0, 4.0
VISIBILITY, ELECTRONS = (0.55, 0.95), (3e3, 1.5e4)
EXTINCTION, RETARDANCE_DEG, ANGLE_DEG, GAIN = 0.03, 4.0, 1.0, 0.03
"""Largest faults of the camera."""
BACKGROUND_RAD = 1.5
LOST_RAD, MOST_LOST = 2.0, 0.02
"""A field is drawn again where the phase of more than this share of it is lost: balls
so small that their fringes are finer than the mosaic are in no recording."""
MOST_ATTEMPTS = 50


@dataclass(frozen=True, eq=False)
class CellField:
    """One frame whose cells are known.

    Parameters
    ----------
    name, kind
        Of the field, and of its cells.
    phase_map
        ``(1, Y, X)`` retrieved phase; its acquisition has the raw frame.
    labels
        ``(Y, X)`` truth.
    """

    name: str
    kind: str
    phase_map: PhaseMap
    labels: NDArray[np.int32]


def make_field(number: int, shape: tuple[int, int] = SHAPE) -> CellField:
    """Return one field ``(Y, X)``; it is the same whichever were made before."""
    for attempt in range(MOST_ATTEMPTS):
        field, error = _draw_field(number, attempt, shape)
        if float(np.mean(~(error < LOST_RAD))) < MOST_LOST:
            return field
    raise ParameterError(
        f"No field {number} was drawn whose phase four steps can retrieve, in "
        f"{MOST_ATTEMPTS} attempts."
    )


def _draw_field(
    number: int, attempt: int, shape: tuple[int, int]
) -> tuple[CellField, NDArray[np.float32]]:
    """Return a field and the error ``(Y, X)`` [rad] of its retrieved phase."""
    dice = np.random.default_rng([SEED, number, attempt])
    kind = list(CellKind)[number % len(CellKind)]
    pixel_um = DIAMETER_UM[kind] / float(np.exp(dice.uniform(*np.log(SIZE_PX))))
    with one_thread():
        cells = simulate_cells(
            1,
            seed=int(dice.integers(2**62)),
            shape=shape,
            pixel_um=pixel_um,
            kinds=(kind,),
            confluence=float(dice.uniform(*CONFLUENCE)),
            blur_um=max(0.3, 0.7 * pixel_um),
        )
        phase = cells.phase(WAVELENGTH_NM)
        name = f"held-out field {number}"
        found = _recorded(phase, cells.amplitude, pixel_um, name, dice)
    labels = living_labels(cells)[0].numpy().astype(np.int32)
    error = np.abs(found.read(0) - phase[0].numpy())
    return CellField(name, kind.value, found, labels), error


def _recorded(
    phase: torch.Tensor,
    amplitude: torch.Tensor,
    pixel_um: float,
    name: str,
    dice: np.random.Generator,
) -> PhaseMap:
    """Return what four steps retrieve from a camera's raw frame of ``(1, Y, X)``."""
    recording = Acquisition.from_array(
        _record(phase, amplitude, dice),
        "polarization",
        name=name,
        wavelength_nm=WAVELENGTH_NM,
        pixel_size_um=pixel_um,
        polarization_layout=LAYOUT,
        handedness="positive",
        reference_wave="separate",
        bit_depth=BITS,
    )
    engine = make_phase_engine("four-step")
    token = CancelToken()
    resolved = engine.resolve(recording, token)
    return engine.retrieve(resolved.read(0)[None], resolved, token)


def _record(
    phase: torch.Tensor, amplitude: torch.Tensor, dice: np.random.Generator
) -> NDArray[np.uint16]:
    """Return the raw mosaic ``(Y, X)``."""
    background = np.zeros((1, 3, 3), np.float32)
    background[0, 0, 0] = dice.uniform(-np.pi, np.pi)
    for i, j in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0)):
        background[0, i, j] = BACKGROUND_RAD / 2 * dice.uniform(-1, 1)
    unevenness = np.zeros((1, 2, 2), np.float32)
    unevenness[0, 0, 1], unevenness[0, 1, 0] = 0.1 * dice.uniform(-1, 1, 2)
    camera = PolarizationCamera(
        (phase.shape[1], phase.shape[2]),
        visibility=float(dice.uniform(*VISIBILITY)),
        brightness_counts=BRIGHTNESS,
        unevenness=torch.from_numpy(unevenness),
        background_rad=torch.from_numpy(background),
        extinction_ratio=float(dice.uniform(0, EXTINCTION)),
        retardance_error_deg=float(dice.uniform(-1, 1)) * RETARDANCE_DEG,
        angle_errors_deg=tuple(ANGLE_DEG * dice.uniform(-1, 1, 4)),
        gains=tuple(1 + GAIN * dice.uniform(-1, 1, 4)),
        layout=LAYOUT,
    )
    detector = Detector(
        gain_e_per_count=float(dice.uniform(*ELECTRONS)) / BRIGHTNESS,
        read_noise_e=READ_NOISE_E,
        bit_depth=BITS,
    )
    generator = torch.Generator().manual_seed(int(dice.integers(2**62)))
    frame = detector(camera(phase, amplitude), generator)
    return np.asarray(frame[0, 0].numpy(), np.uint16)


@functools.lru_cache(maxsize=8)
def real_field(folder: Path, name: str) -> CellField:
    """Return a measured field of the public A2780 set, with outlines drawn by hand."""
    # As if in um: the values stay the mass densities that they are.
    measured = read_a2780_image(folder, name, unit="um")
    density = measured.opd_um.numpy()[None]
    recording = Acquisition.from_array(
        density,
        "phase",
        name=name,
        pixel_size_um=A2780_PIXEL_UM,
        phase_unit=A2780_UNIT,
    )
    phase_map = PhaseMap(
        phase=density, acquisition=recording, unit=PhaseUnit.MASS_DENSITY
    )
    return CellField(name, "A2780", phase_map, measured.labels.numpy())


@functools.lru_cache(maxsize=8)
def recorded_field(folder: Path, name: str) -> CellField:
    """Return a measured field as a simulated polarization camera would record it."""
    measured = read_a2780_image(folder, name)
    dice = np.random.default_rng([SEED, A2780_TEST.index(name)])
    phase = 2 * np.pi * 1e3 / WAVELENGTH_NM * measured.opd_um[None]
    with one_thread():
        found = _recorded(phase, torch.ones_like(phase), A2780_PIXEL_UM, name, dice)
    return CellField(name, "A2780", found, measured.labels.numpy())


def real_fields(data: Path | None, *, has_angles: bool = False) -> list[CellField]:
    """Return the test images of the A2780 set; none where the set is not at hand.

    They are phase; `has_angles` records them by a simulated camera first.
    """
    if data is None or not (data / f"{A2780_TEST[0]}.tif").is_file():
        return []
    make = recorded_field if has_angles else real_field
    return [make(data, name) for name in A2780_TEST]
