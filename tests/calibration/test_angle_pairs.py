"""Crossed analysers are found by the light that they share."""

import itertools

import numpy as np
import pytest

from napari_qpm.calibration.angle_pairs import Pairing, find_pairs, pairing_of

SONY = (90, 45, 135, 0)
SHAPE = (64, 96)


def mosaic_of(layout, seed=0, noise=1.0):
    """Return a ``(1, Y, X)`` mosaic of a smooth phase behind analysers in an order."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    phase = 0.12 * x + 0.07 * y + 2 * np.exp(-((y - 30) ** 2 + (x - 40) ** 2) / 90)
    angles = np.deg2rad(np.tile(np.reshape(layout, (2, 2)), np.array(SHAPE) // 2))
    light = 1000 * (1 + 0.7 * np.cos(2 * angles + phase))
    return (light + np.random.default_rng(seed).normal(0, noise, SHAPE))[None]


@pytest.mark.parametrize("layout", [SONY, (0, 90, 45, 135), (0, 45, 90, 135)])
def test_the_pairs_of_a_mosaic_are_found(layout):
    pairs = find_pairs(mosaic_of(layout))

    assert pairs.best is pairing_of(layout)
    others = [v for p, v in pairs.imbalance.items() if p is not pairs.best]
    assert pairs.imbalance[pairs.best] < 0.1 < 0.2 < min(others)


def test_four_images_are_paired_like_a_mosaic():
    angles = np.deg2rad([0, 45, 90, 135])[:, None, None]
    phase = np.linspace(0, 12, 64 * 64).reshape(64, 64)
    images = 1000 * (1 + 0.7 * np.cos(2 * angles + phase))

    pairs = find_pairs(images)

    assert pairs.best is Pairing.ABOVE
    assert pairs.imbalance[Pairing.ABOVE] < 1e-5


def test_every_order_has_one_pairing():
    layouts = list(itertools.permutations((0, 45, 90, 135)))

    counts = [sum(pairing_of(one) is p for one in layouts) for p in Pairing]

    assert counts == [8, 8, 8]


@pytest.mark.parametrize("value", [0, 500])
def test_even_light_decides_nothing(value):
    rng = np.random.default_rng(0)
    blank = np.full((1, *SHAPE), value) + rng.normal(0, 2, SHAPE) * (value > 0)

    assert find_pairs(blank).best is None


def test_pixels_without_value_are_left_out():
    mosaic = mosaic_of(SONY)
    mosaic[0, ::7, ::5] = np.nan

    assert find_pairs(mosaic).best is Pairing.DIAGONAL
    assert find_pairs(np.full((1, 8, 8), np.nan)).best is None
