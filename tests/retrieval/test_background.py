"""Backgrounds are found under cells, whatever their order and the cells' crowding."""

import numpy as np
import pytest

from napari_qpm.retrieval.background import (
    Surface,
    background_mode,
    fit_background,
    fit_wrapped_slopes,
    terms_of,
)
from napari_qpm.retrieval.engine import Background


def grid(shape):
    y = np.linspace(-1, 1, shape[0])[:, None]
    x = np.linspace(-1, 1, shape[1])[None]
    return y, x


def cells(shape, cover, seed=0):
    """Smooth bumps of 1 to 6 rad until a share of the field is covered."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    phase = np.zeros(shape)
    while (phase > 0.3).mean() < cover:
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        ry, rx = rng.uniform(0.04, 0.1, 2) * min(shape)
        bump = np.exp(-((((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2) ** 2) / 2)
        phase = np.maximum(phase, rng.uniform(1, 6) * bump)
    return phase


def wrap(phase):
    return (phase - 2 * np.pi * np.rint(phase / (2 * np.pi))).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "order", "count"),
    [
        (Background.OFFSET, 4, 1),
        (Background.TILT, 4, 3),
        (Background.QUADRATIC, 4, 6),
        (Background.ZERNIKE, 6, 28),
        (Background.LEGENDRE, 5, 36),
    ],
)
def test_models_have_the_textbook_number_of_terms(kind, order, count):
    assert len(terms_of(kind, order)) == count


def test_surface_is_the_same_on_any_grid():
    rng = np.random.default_rng(1)
    surface = Surface(rng.normal(size=(4, 3)))
    fine = surface.evaluate((101, 61))
    np.testing.assert_allclose(surface.evaluate((51, 31)), fine[::2, ::2], atol=1e-5)


def test_adding_surfaces_of_other_orders_adds_their_values():
    a, b = Surface(np.ones((1, 3))), Surface(np.ones((2, 1)))
    np.testing.assert_allclose(
        (a + b).evaluate((7, 9)), a.evaluate((7, 9)) + b.evaluate((7, 9)), atol=1e-6
    )


def test_wrapped_slopes_find_tens_of_radians_of_curvature():
    y, x = grid((300, 340))
    truth = 20 * x + 8 * y + 15 * x**2 - 7 * x * y + 12 * y**2
    noise = np.random.default_rng(0).normal(0, 0.1, truth.shape)
    found = fit_wrapped_slopes(wrap(truth + cells(truth.shape, 0.3) + noise))
    error = found.evaluate(truth.shape) - truth
    # Cell edges bias the slopes a little; what is left must not wrap.
    assert np.std(error) < 0.5


def test_wrapped_slopes_of_a_tiny_or_empty_frame_are_flat():
    assert not fit_wrapped_slopes(np.zeros((3, 3), np.float32)).coefficients.any()
    nothing = np.full((40, 40), np.nan, np.float32)
    assert not fit_wrapped_slopes(nothing).coefficients.any()


@pytest.mark.parametrize("cover", [0.02, 0.3, 0.6])
@pytest.mark.parametrize("kind", [Background.ZERNIKE, Background.LEGENDRE])
def test_background_is_found_outside_cells(cover, kind):
    shape = (300, 340)
    y, x = grid(shape)
    truth = 1 + 2 * x - y + 1.5 * x**2 + 0.8 * y**3 + 0.5 * x**4
    phase = cells(shape, cover)
    noise = np.random.default_rng(1).normal(0, 0.1, shape)
    fit = fit_background((phase + truth + noise).astype(np.float32), kind, 4)
    error = fit.surface.evaluate(shape) - truth
    # 0.1 rad of white noise over more than 10 000 pixels allows far less than 10 mrad.
    assert abs(np.mean(error)) < 0.01
    assert np.std(error) < 0.03
    assert fit.is_trusted


def test_one_big_round_cell_is_not_taken_for_curvature():
    y, x = grid((80, 80))
    cell = 4 * np.sqrt(np.maximum(0, 1 - (y**2 + x**2) / 0.5))
    phase = cell + np.random.default_rng(0).normal(0, 0.05, cell.shape)
    guess = fit_wrapped_slopes(wrap(phase))
    flat = (phase - guess.evaluate(phase.shape)).astype(np.float32)
    fit = fit_background(flat, Background.QUADRATIC, removed=guess.curvature())
    result = flat - fit.surface.evaluate(phase.shape)
    outside = (y**2 + x**2) > 0.6
    assert abs(result[outside].mean()) < 0.05
    assert result[38:42, 38:42].mean() == pytest.approx(4, abs=0.2)


def test_nan_pixels_do_not_reach_the_fit():
    y, x = grid((120, 130))
    phase = (0.5 * x + 0.2 * y + np.zeros((120, 130))).astype(np.float32)
    phase[30:60, 40:80] = np.nan
    fit = fit_background(phase, Background.TILT)
    error = fit.surface.evaluate(phase.shape) - (0.5 * x + 0.2 * y)
    assert np.abs(error).max() < 0.01


@pytest.mark.parametrize("seed", range(4))
def test_crowded_field_is_not_trusted(seed):
    phase = cells((300, 340), 0.95, seed)
    noise = np.random.default_rng(seed).normal(0, 0.1, phase.shape)
    fit = fit_background((phase + noise).astype(np.float32), Background.QUADRATIC)
    assert not fit.is_trusted


def test_orders_that_the_empty_pixels_cannot_carry_are_dropped():
    phase = cells((96, 96), 0.3) + 3
    phase[:, :12] = 0  # only a stripe at the left edge is empty
    phase += np.random.default_rng(0).normal(0, 0.02, (96, 96))
    fit = fit_background(phase.astype(np.float32), Background.LEGENDRE, 6)
    assert fit.condition <= 1e4


def test_mode_ignores_a_majority_of_cells():
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(0.7, 0.1, 3000), rng.uniform(1, 6, 6000)])
    level, noise = background_mode(values)
    assert level == pytest.approx(0.7, abs=0.05)
    assert noise == pytest.approx(0.1, rel=0.4)
