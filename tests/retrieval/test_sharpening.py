"""A rough phase becomes exact where the fringes say more than it."""

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import LayoutError, MissingMetadataError
from napari_qpm.retrieval.sharpening import sharpen

SHAPE = (160, 192)
CARRIER = (0.2, 0.15)


@pytest.fixture
def cell():
    """One cell of 9 rad, more than one turn high."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - 80, x - 90) / 55
    return (9 * np.clip(1 - distance**2, 0, None) ** 2).astype(np.float32)


@pytest.fixture
def rough(cell):
    """The answer of a network: of the right height, with waves and a level."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (0.9 * cell + 0.4 * np.cos(x / 9) * np.sin(y / 11)).astype(np.float32)


def recording(phase, sign=1, reference=None, **facts):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    curvature = 3 * ((y / 80 - 1) ** 2 + (x / 96 - 1) ** 2)
    straight = 2 * np.pi * (CARRIER[0] * y + CARRIER[1] * x)
    frame = 1000 * (1 + 0.7 * np.cos(straight + sign * (phase + curvature)))
    known = {"sideband_cycles_per_px": CARRIER, "phase_sign": sign} | facts
    if reference is not None:
        reference = 1000 * (1 + 0.7 * np.cos(straight + sign * curvature))
    return Acquisition.from_array(frame, "off-axis", reference=reference, **known)


def rms(values):
    return float(np.sqrt(np.mean(values[6:-6, 6:-6] ** 2)))


@pytest.mark.parametrize("sign", [1, -1])
def test_rough_phase_becomes_that_of_the_fringes(cell, rough, sign):
    made = recording(cell, sign)
    found = sharpen(rough, made.read(0)[0], made)
    assert rms(rough - cell) > 0.25
    # What is left is a tilt and curvature of what the rough phase got wrong.
    assert rms(found - cell) < 0.1


def test_reference_takes_the_place_of_the_fit(cell, rough):
    made = recording(cell, reference=True)
    assert rms(sharpen(rough, made.read(0)[0], made) - cell) < 0.1


def test_right_phase_stays(cell):
    made = recording(cell)
    assert rms(sharpen(cell, made.read(0)[0], made) - cell) < 0.03


def test_what_it_needs_is_named(cell, rough):
    made = recording(cell)
    with pytest.raises(LayoutError, match="camera's grid"):
        sharpen(rough[::2, ::2], made.read(0)[0], made)
    unknown = made.with_instrument(sideband_cycles_per_px=None)
    with pytest.raises(MissingMetadataError, match="sideband_cycles_per_px"):
        sharpen(rough, made.read(0)[0], unknown)
