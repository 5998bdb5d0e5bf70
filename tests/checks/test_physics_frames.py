"""Frames of the differentiable microscopes are explained by the phase that made them.

The checks have their own, linear model of a frame; `physics` simulates what an optical
train does. Here one is held against the other, with imperfect optics.
"""

import numpy as np
import pytest
import torch

from napari_qpm.acquisition import Acquisition, Handedness, PhaseMap, ReferenceWave
from napari_qpm.checks import residual_frame
from napari_qpm.physics.detector import Detector
from napari_qpm.physics.off_axis import OffAxisInterferometer
from napari_qpm.physics.polarization import PolarizationCamera

SHAPE = (192, 224)
GAIN_E_PER_COUNT = 4.0
COUNTS = 1500.0
CARRIER = (0.21, 0.23)
SONY = (90, 45, 135, 0)
CURVED = ((0.0, 1.0, 3.0), (2.0, 0.5, 0.0), (4.0, 0.0, 0.0))
"""Legendre coefficients [rad] of an empty field."""


@pytest.fixture(scope="module")
def cell():
    """Phase and amplitude ``(1, Y, X)`` of two cells that absorb up to 20 %."""
    y, x = torch.meshgrid(*(torch.arange(n) for n in SHAPE), indexing="ij")
    phase = 5 * torch.exp(-((y - 70) ** 2 + (x - 80) ** 2) / (2 * 18.0**2))
    phase = phase + 2 * torch.exp(-((y - 130) ** 2 + (x - 150) ** 2) / (2 * 9.0**2))
    return phase[None], 1 - 0.04 * phase[None]


def expose(model, phase, amplitude=None):
    """Return noisy counts ``(1, C, Y, X)``."""
    detector = Detector(gain_e_per_count=GAIN_E_PER_COUNT, read_noise_e=5.0)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        frames = detector(model(phase, amplitude), generator)
    return frames.numpy().astype(np.uint16)


def score(acquisition, phase):
    values = phase.numpy() if isinstance(phase, torch.Tensor) else phase
    phase_map = PhaseMap(phase=values, acquisition=acquisition)
    return residual_frame(acquisition, phase_map, 0).score


def test_hologram_with_aberrations_and_absorption(cell):
    phase, amplitude = cell
    model = OffAxisInterferometer(
        SHAPE,
        carrier_cycles_per_px=CARRIER,
        visibility=0.7,
        brightness_counts=COUNTS,
        unevenness=((0.0, 0.1), (0.05, 0.0)),
        background_rad=CURVED,
    )
    acquisition = Acquisition.from_array(
        expose(model, phase, amplitude), "off-axis", bit_depth=12
    )
    assert 0.85 < score(acquisition, phase) < 1.15
    assert score(acquisition, torch.zeros_like(phase)) > 5
    assert score(acquisition, 0.8 * phase) > 1.3


def test_hologram_with_its_reference(cell):
    phase, _ = cell
    rough = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(1))
    plate = torch.nn.functional.interpolate(rough[None], SHAPE, mode="bicubic")[0]
    model = OffAxisInterferometer(
        SHAPE, carrier_cycles_per_px=CARRIER, visibility=0.7, brightness_counts=COUNTS
    )
    acquisition = Acquisition.from_array(
        expose(model, phase + plate),
        "off-axis",
        reference=expose(model, plate)[0],
        bit_depth=12,
    )
    assert 0.85 < score(acquisition, phase) < 1.15
    # Without the reference the plate is taken for a part of the object.
    alone = acquisition.replace(reference=None)
    assert score(alone, phase) > 2


IMPERFECT = {
    "gains": {"gains": (1.03, 0.98, 1.01, 0.96)},
    "analyser angles": {"angle_errors_deg": (2.0, -1.5, 1.0, 0.5)},
    "extinction": {"extinction_ratio": 0.02},
    "retardance": {"retardance_error_deg": 4.0},
    "unequal waves": {"reference_amplitude": 0.7},
}


@pytest.mark.parametrize("mosaic", [True, False], ids=["mosaic", "four images"])
@pytest.mark.parametrize("name", list(IMPERFECT))
def test_polarization_frames_of_imperfect_cameras(cell, name, mosaic):
    phase, amplitude = cell
    model = PolarizationCamera(
        SHAPE,
        visibility=0.7,
        brightness_counts=COUNTS,
        background_rad=CURVED,
        layout=SONY,
        mosaic=mosaic,
        **IMPERFECT[name],
    )
    acquisition = Acquisition.from_array(
        expose(model, phase, amplitude),
        "polarization",
        bit_depth=12,
        polarization_layout=SONY if mosaic else (0, 45, 90, 135),
        handedness="positive",
    )
    assert 0.85 < score(acquisition, phase) < 1.2
    assert score(acquisition, torch.zeros_like(phase)) > 5
    assert score(acquisition, 0.8 * phase) > 1.5
    assert score(acquisition, -phase) > 5


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("handedness", list(Handedness))
def test_handedness_and_sign_are_those_of_the_retrieval(cell, handedness, sign):
    phase, _ = cell
    model = PolarizationCamera(
        SHAPE,
        visibility=0.7,
        brightness_counts=COUNTS,
        layout=SONY,
        handedness=handedness,
    )
    acquisition = Acquisition.from_array(
        expose(model, phase),
        "polarization",
        bit_depth=12,
        polarization_layout=SONY,
        handedness=handedness,
        phase_sign=sign,
    )
    assert 0.85 < score(acquisition, sign * phase) < 1.15
    assert score(acquisition, -sign * phase) > 5


def test_offset_of_the_mosaic_on_the_sensor(cell):
    phase, _ = cell
    model = PolarizationCamera(
        SHAPE, visibility=0.7, brightness_counts=COUNTS, roi_offset_px=(1, 0)
    )
    values = {"polarization_layout": SONY, "handedness": "positive", "bit_depth": 12}
    frames = expose(model, phase)
    right = Acquisition.from_array(
        frames, "polarization", roi_offset_px=(1, 0), **values
    )
    wrong = Acquisition.from_array(frames, "polarization", **values)
    assert 0.85 < score(right, phase) < 1.15
    assert score(wrong, phase) > 5


def test_unscattered_reference_wave(cell):
    phase, _ = cell
    model = PolarizationCamera(
        SHAPE,
        brightness_counts=COUNTS,
        reference_wave=ReferenceWave.UNSCATTERED,
        layout=SONY,
    )
    blank = expose(model, torch.zeros_like(phase))[0]
    acquisition = Acquisition.from_array(
        expose(model, phase),
        "polarization",
        reference=blank,
        bit_depth=13,
        polarization_layout=SONY,
        handedness="positive",
        reference_wave="unscattered",
    )
    assert 0.85 < score(acquisition, phase) < 1.3
    assert score(acquisition, torch.zeros_like(phase)) > 3
