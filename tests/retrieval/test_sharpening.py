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
    found = sharpen(rough, hologram(cell, sign), CARRIER, sign).phase
    assert rms(rough - cell) > 0.25
    assert rms(found - cell) < 0.1


@pytest.mark.parametrize("sign", [1, -1])
def test_a_known_surface_takes_the_place_of_the_fit(cell, rough, sign):
    wrapped = np.angle(np.exp(1j * sign * curvature())).astype(np.float32)
    found = sharpen(rough, hologram(cell, sign), CARRIER, sign, wrapped).phase
    assert rms(found - cell) < 0.1


def test_right_phase_stays(cell):
    made = sharpen(cell, hologram(cell), CARRIER)
    assert rms(made.phase - cell) < 0.03
    assert made.far_share == 0


def test_aberrations_are_taken_out_though_cells_hide_them(cell, rough):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    bent = 0.8 * (x / 96 - 1) ** 3 - 0.5 * (y / 80 - 1) ** 2 * (x / 96 - 1)
    made = sharpen(rough, hologram(cell + bent), CARRIER)
    assert rms(made.phase - cell) < 0.1


def test_after_a_reference_only_a_level_is_left_to_find(cell, rough):
    surface = np.angle(np.exp(1j * curvature())).astype(np.float32)
    made = sharpen(rough, hologram(cell - 0.7), CARRIER, 1, surface, has_reference=True)
    assert rms(made.phase - cell) < 0.1


def test_a_phase_that_is_turns_away_is_told(cell):
    made = sharpen(np.zeros_like(cell), hologram(cell), CARRIER)
    # What of the cell is higher than half a turn.
    assert made.far_share == pytest.approx(np.mean(cell > np.pi), abs=0.02)


def test_phase_of_another_grid_is_refused(cell, rough):
    with pytest.raises(LayoutError, match="one grid"):
        sharpen(rough[::2, ::2], hologram(cell), CARRIER)
