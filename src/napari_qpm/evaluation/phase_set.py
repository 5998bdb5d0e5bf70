"""The fixed held-out set for phase from one off-axis hologram.

Cells cover at least 30 % of every frame, every second frame exceeds 6 rad, and the
microscopes are those of `HELD_OUT`. Frames are made on the fly, in turn from each
microscope, so that the first few are a fair sample of all.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import ParameterError
from napari_qpm.evaluation.held_out import (
    DARK_SHARE,
    HELD_OUT,
    HeldOutInstrument,
)
from napari_qpm.fringes import find_carrier
from napari_qpm.networks import nearest_disturbance
from napari_qpm.physics import Detector, one_thread
from napari_qpm.specimens import CellKind, simulate_cells
from napari_qpm.training.phase_objects import DIAMETER_UM

__all__ = ["N_FRAMES", "SEED", "SHAPE", "HeldOutFrame", "cover", "make_frame"]

SEED = 20_251_120
"""Of the set. Trainings count their seeds from 0."""
N_FRAMES = 64
SHAPE = (256, 256)
RANGE_RAD = 12.0
MIN_COVER, MAX_COVER = 0.3, 0.75
HIGH_FROM_RAD = 6.0
LOW_RAD, HIGH_RAD = (1.5, 5.8), (6.3, 12.0)
CONFLUENCE = (0.4, 0.7)
SIZE_PX = (40.0, 220.0)
"""Diameters of cells, drawn evenly in their logarithm."""
FOOT_RAD, FOOT_SHARE = 0.1, 0.05
"""What counts as covered: above both, the second in units of the highest phase."""
STEEP_SHARE, SLOPE_SHARE = 0.995, 0.6
"""This share of the steps between neighbours is within this share of the slope at which
a phase leaves its sideband; what is steeper is in no hologram."""
MOST_ATTEMPTS = 200
WAVELENGTH_NM = 532.0


@dataclass(frozen=True, eq=False)
class HeldOutFrame:
    """One hologram whose phase is known.

    Parameters
    ----------
    number
        In the set.
    instrument
        Microscope that recorded it.
    counts, calibration
        ``(Y, X)`` uint16: the hologram, and one of the empty field.
    phase
        ``(Y, X)`` [rad], 0 outside of cells.
    pixel_um
        Side of a pixel at the specimen.
    """

    number: int
    instrument: HeldOutInstrument
    counts: NDArray[np.uint16]
    calibration: NDArray[np.uint16]
    phase: NDArray[np.float32]
    pixel_um: float

    def acquisition(self, *, is_calibrated: bool = False) -> Acquisition:
        """Return the recording as a user would open it.

        The carrier is found in the frame; of the instrument only the sign is known,
        which no frame shows.

        Parameters
        ----------
        is_calibrated
            Whether the hologram of the empty field comes with it.
        """
        found = find_carrier(self.counts).frequency
        # Found on the other side, the same fringes hold the phase reversed.
        is_same_side = np.dot(found, self.instrument.carrier) > 0
        return Acquisition.from_array(
            self.counts,
            "off-axis",
            name=f"held-out frame {self.number}",
            reference=self.calibration if is_calibrated else None,
            bit_depth=self.instrument.bit_depth,
            wavelength_nm=WAVELENGTH_NM,
            pixel_size_um=self.pixel_um,
            sideband_cycles_per_px=found,
            phase_sign=1 if is_same_side else -1,
        )


def cover(phase: NDArray[np.float32]) -> float:
    """Return which share of a phase map ``(Y, X)`` [rad] cells cover."""
    foot = max(FOOT_RAD, FOOT_SHARE * float(phase.max()))
    return float(np.mean(phase > foot))


def make_frame(
    number: int, seed: int = SEED, shape: tuple[int, int] = SHAPE
) -> HeldOutFrame:
    """Return one frame ``(Y, X)``; it is the same whichever were made before."""
    instrument = HELD_OUT[number % len(HELD_OUT)]
    # Each microscope has its turn with both, and so has each stretch of the set.
    is_high = (number + number // len(HELD_OUT)) % 2 == 1
    phase, amplitude, pixel_um = _draw_cells(number, seed, shape, is_high)
    nothing = np.zeros_like(phase), np.ones_like(phase)
    return HeldOutFrame(
        number=number,
        instrument=instrument,
        counts=_record(instrument, phase, amplitude, (seed, number, 1)),
        calibration=_record(instrument, *nothing, (seed, number, 2)),
        phase=phase,
        pixel_um=pixel_um,
    )


def _draw_cells(
    number: int, seed: int, shape: tuple[int, int], is_high: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Return phase [rad] and amplitude ``(Y, X)`` that the hologram can hold."""
    instrument = HELD_OUT[number % len(HELD_OUT)]
    carrier = torch.tensor([instrument.carrier])
    steepest = SLOPE_SHARE * 2 * math.pi * float(nearest_disturbance(carrier))
    low, high = HIGH_RAD if is_high else LOW_RAD
    for attempt in range(MOST_ATTEMPTS):
        dice = np.random.default_rng([seed, number, attempt])
        kind = list(CellKind)[dice.integers(len(CellKind))]
        size_px = float(np.exp(dice.uniform(*np.log(SIZE_PX))))
        wanted = float(dice.uniform(low, high))
        pixel_um = DIAMETER_UM[kind] / size_px
        with one_thread():
            cells = simulate_cells(
                1,
                seed=int(dice.integers(2**62)),
                shape=shape,
                pixel_um=pixel_um,
                kinds=(kind,),
                confluence=CONFLUENCE,
                blur_um=max(0.3, 0.7 * pixel_um),
            )
        shape_of_phase = (cells.opd_um[0] / cells.opd_um.max()).numpy()
        highest = min(wanted, steepest / _steepness(shape_of_phase))
        phase = (highest * shape_of_phase).astype(np.float32)
        if highest >= low and MIN_COVER <= cover(phase) <= MAX_COVER:
            return phase, cells.amplitude[0].numpy(), pixel_um
    raise ParameterError(
        f"No cells were drawn that fit frame {number} ({instrument.name}): from "
        f"{low} rad on, over {MIN_COVER:.0%} of it, in {MOST_ATTEMPTS} attempts."
    )


def _steepness(image: NDArray[np.float32]) -> float:
    """Return the step between neighbours that hardly any exceeds."""
    steps = [np.abs(np.diff(image, axis=axis)).ravel() for axis in (0, 1)]
    return float(np.quantile(np.concatenate(steps), STEEP_SHARE))


def _record(
    instrument: HeldOutInstrument,
    phase: NDArray[np.float32],
    amplitude: NDArray[np.float32],
    seeds: tuple[int, int, int],
) -> NDArray[np.uint16]:
    """Return raw counts ``(Y, X)``.

    This is written apart from the simulation that training uses, so that an error in
    one is not hidden by the same error in the other.
    """
    shape = (phase.shape[0], phase.shape[1])
    y, x = np.ogrid[: shape[0], : shape[1]]
    fy, fx = instrument.carrier
    total = 2 * math.pi * (fy * y + fx * x) + phase + instrument.background(shape)
    passed = amplitude * instrument.dust(shape)
    pattern = (1 + passed**2) / 2 + instrument.visibility * passed * np.cos(total)
    pattern = pattern + instrument.parasitic_fringes(shape)
    mean = instrument.brightness_counts * instrument.light(shape) * pattern
    full_scale = float(2**instrument.bit_depth)
    camera = Detector(
        gain_e_per_count=instrument.electrons / instrument.brightness_counts,
        read_noise_e=instrument.read_noise_e,
        dark_counts=DARK_SHARE * full_scale,
        bit_depth=instrument.bit_depth,
    )
    state = np.random.SeedSequence(seeds).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
    frame = camera(torch.from_numpy(mean.astype(np.float32))[None, None], generator)
    return np.asarray(frame[0, 0].numpy(), dtype=np.uint16)
