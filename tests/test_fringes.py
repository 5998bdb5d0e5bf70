"""Carriers are found to a fraction of a bin and not invented."""

import numpy as np
import pytest
import skimage.data

from napari_qpm.fringes import find_carrier


def hologram(shape, carrier, *, curvature=0.0, seed=0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    v, u = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    phase = 2 * np.pi * (carrier[0] * y + carrier[1] * x) + curvature * (u**2 + v**2)
    noise = np.random.default_rng(seed).normal(0, 20, shape)
    return 1000 * (1 + 0.6 * np.cos(phase)) + noise


@pytest.mark.parametrize(
    "carrier", [(0.2, 0.119), (-0.31, 0.287), (0.0, 0.25), (0.25, 0.0), (0.113, 0.4)]
)
@pytest.mark.parametrize("shape", [(256, 256), (201, 310)])
def test_carrier_is_found_within_a_tenth_of_a_bin(carrier, shape):
    found = find_carrier(hologram(shape, carrier))
    assert found.is_clear
    error = np.abs(np.array(found.frequency) - carrier)
    assert (error < 0.1 / np.array(shape)).all()


def test_curved_background_still_has_one_carrier():
    found = find_carrier(hologram((512, 600), (0.3, 0.28), curvature=40))
    assert found.is_clear
    assert np.hypot(found.frequency[0] - 0.3, found.frequency[1] - 0.28) < 0.03


def test_crossed_gratings_are_not_clear():
    both = hologram((300, 300), (0.13, 0.21)) + hologram((300, 300), (-0.21, 0.13))
    assert not find_carrier(both).is_clear


@pytest.mark.parametrize("picture", ["camera", "coins", "brick", "gravel", "cell"])
def test_ordinary_pictures_have_no_carrier(picture):
    assert not find_carrier(getattr(skimage.data, picture)()).is_clear


def test_noise_and_constant_frames_have_no_carrier():
    noise = np.random.default_rng(0).normal(size=(200, 200))
    assert not find_carrier(noise).is_clear
    assert not find_carrier(np.zeros((64, 64))).is_clear


def test_nan_pixels_are_ignored():
    frame = hologram((200, 200), (0.2, 0.15))
    frame[50:60, 50:60] = np.nan
    assert find_carrier(frame).is_clear
