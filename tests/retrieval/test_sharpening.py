"""A rough phase becomes exact where the fringes say more than it."""

import numpy as np
import pytest

from napari_qpm.errors import LayoutError
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


def straight():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return 2 * np.pi * (CARRIER[0] * y + CARRIER[1] * x)


def curvature():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return 3 * ((y / 80 - 1) ** 2 + (x / 96 - 1) ** 2)


def hologram(phase, sign=1):
    fringes = np.cos(straight() + sign * (phase + curvature()))
    return (1000 * (1 + 0.7 * fringes)).astype(np.float32)


def rms(values):
    return float(np.sqrt(np.mean(values[6:-6, 6:-6] ** 2)))


@pytest.mark.parametrize("sign", [1, -1])
def test_rough_phase_becomes_that_of_the_fringes(cell, rough, sign):
    found = sharpen(rough, hologram(cell, sign), CARRIER, sign)
    assert rms(rough - cell) > 0.25
    # What is left is a tilt and curvature of what the rough phase got wrong.
    assert rms(found - cell) < 0.1


@pytest.mark.parametrize("sign", [1, -1])
def test_a_known_surface_takes_the_place_of_the_fit(cell, rough, sign):
    wrapped = np.angle(np.exp(1j * sign * curvature())).astype(np.float32)
    found = sharpen(rough, hologram(cell, sign), CARRIER, sign, wrapped)
    assert rms(found - cell) < 0.1


def test_right_phase_stays(cell):
    assert rms(sharpen(cell, hologram(cell), CARRIER) - cell) < 0.03


def test_phase_of_another_grid_is_refused(cell, rough):
    with pytest.raises(LayoutError, match="one grid"):
        sharpen(rough[::2, ::2], hologram(cell), CARRIER)
