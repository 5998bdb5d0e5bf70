"""Backgrounds under fields that are full of cells."""

import numpy as np

from napari_qpm.retrieval.background import fit_background
from napari_qpm.retrieval.crowded_background import fit_crowded_background
from napari_qpm.retrieval.engine import Background

SHAPE = (192, 192)


def aberration():
    """Up to the third order, as in microscopes: 4 rad high."""
    y, x = (np.linspace(-1, 1, n) for n in SHAPE)
    y = y[:, None]
    return (1.2 * y**2 + 0.8 * x * y - 0.9 * x**2 + 0.5 * x**3).astype(np.float32)


def cells(n=14, seed=3):
    """Flat, textured cells of 20 to 45 px that cover most of the field."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    total = np.zeros(SHAPE)
    for _ in range(n):
        cy, cx = dice.uniform(0, SHAPE[0], 2)
        radius, height = dice.uniform(20, 45), dice.uniform(0.8, 3)
        inside = np.clip(1 - ((y - cy) ** 2 + (x - cx) ** 2) / radius**2, 0, 1)
        total = np.maximum(total, height * inside**0.25)
    rough = dice.normal(0, 0.25, (48, 48)).repeat(4, 0).repeat(4, 1)
    return (total * (1 + rough)).clip(0).astype(np.float32)


def noise(seed=1):
    return np.random.default_rng(seed).normal(0, 0.02, SHAPE).astype(np.float32)


def error_of(fit):
    """Return how far a background is off [rad], as root mean square."""
    left = fit.surface.evaluate(SHAPE) - aberration()
    return float(np.sqrt(np.mean(left**2)))


def test_a_crowded_field_keeps_its_background():
    phase = cells() + aberration() + noise()
    assert np.mean(cells() > 0.1) > 0.6
    assert error_of(fit_crowded_background(phase, 4)) < 0.15


def test_it_fails_less_than_a_fit_outside_of_the_cells_where_little_is_empty():
    fields = [cells(18, seed) + aberration() + noise() for seed in range(3, 9)]
    outside = max(error_of(fit_background(f, Background.ZERNIKE, 4)) for f in fields)
    crowded = max(error_of(fit_crowded_background(f, 4)) for f in fields)
    assert outside > 1
    assert crowded < 0.1


def test_what_a_network_saw_helps():
    phase = cells(18) + aberration() + noise()
    alone = error_of(fit_crowded_background(phase, 5))
    guided = error_of(fit_crowded_background(phase, 5, 0.9 * cells(18)))
    assert guided < alone


def test_a_network_that_misses_a_textured_cell_is_not_believed():
    guess = cells().copy()
    guess[:, :96] = 0
    phase = cells() + aberration() + noise()
    assert error_of(fit_crowded_background(phase, 4, guess)) < 0.2


def test_an_empty_field_is_flat_afterwards():
    fit = fit_crowded_background(aberration() + noise(), 3)
    assert error_of(fit) < 0.03
    assert fit.share > 0.9
    assert fit.is_trusted


def test_dark_dust_does_not_pull_the_background_down():
    phase = cells(4) + aberration() + noise()
    phase[60:90, :40] -= 2.0
    assert error_of(fit_crowded_background(phase, 5)) < 0.1


def test_lost_pixels_do_not_count():
    phase = cells() + aberration() + noise()
    phase[:40, :60] = np.nan
    fit = fit_crowded_background(phase, 4)
    assert np.isfinite(fit.surface.coefficients).all()
    assert error_of(fit) < 0.3


def test_a_frame_without_any_number_has_no_background():
    fit = fit_crowded_background(np.full(SHAPE, np.nan, np.float32), 4)
    assert fit.share == 0
    assert not fit.surface.coefficients.any()
