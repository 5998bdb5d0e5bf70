import numpy as np
import pytest
from scipy import ndimage

from napari_qpm.retrieval._fit_kernels import low_field, robust_fit
from napari_qpm.retrieval.background import legendre

ORDERS = np.array([(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0)])


@pytest.fixture
def surface():
    """Factors and values of a quadratic surface, with the polynomials."""
    rows, columns = (
        legendre(np.linspace(-1, 1, 60), 3),
        legendre(np.linspace(-1, 1, 50), 3),
    )
    factors = np.array([[0.5, 1.0, -0.7], [2.0, 0.3, 0.0], [0.4, 0.0, 0.0]])
    return rows, columns, factors, (rows.T @ factors @ columns).astype(np.float32)


@pytest.mark.parametrize("n_grow", [0, 1, 2])
def test_the_field_is_low_and_away_from_opened_objects(n_grow):
    rng = np.random.default_rng(3)
    height = ndimage.gaussian_filter(rng.standard_normal((40, 50)), 2).astype(
        np.float32
    )
    height /= height.std()
    finite = rng.random(height.shape) > 0.02
    objects = ndimage.binary_opening(height > 0.8)
    if n_grow:
        objects = ndimage.binary_dilation(objects, iterations=n_grow)

    found = low_field(height, finite, 0.8, 1.5, n_grow)

    assert np.array_equal(found, finite & ~objects & (height < 1.5))
    assert 0 < found.sum() < found.size


def test_cells_do_not_bend_the_fit(surface):
    rows, columns, factors, values = surface
    rng = np.random.default_rng(5)
    noisy = values + rng.normal(0, 0.01, values.shape).astype(np.float32)
    noisy[20:35, 10:30] += 3
    noisy[5, 5] = np.nan
    mask = np.isfinite(noisy)

    found, condition = robust_fit(
        rows, columns, ORDERS, noisy, mask, noisy - values, 0.02, 1e4
    )

    assert np.abs(found - factors).max() < 2e-3
    assert 1 < condition < 10


def test_products_that_are_not_asked_for_stay_out(surface):
    rows, columns, _, values = surface

    found, _ = robust_fit(
        rows, columns, ORDERS[:3], values, values > -9, values * 0, 1.0, 1e4
    )

    assert found[0, 2] == found[1, 1] == found[2, 0] == 0
    assert found[0, 0] != 0


def test_high_orders_go_where_the_mask_cannot_carry_them(surface):
    rows, columns, _, values = surface
    mask = np.zeros(values.shape, bool)
    mask[30:33] = True

    found, condition = robust_fit(
        rows, columns, ORDERS, values, mask, values * 0, 10.0, 100.0
    )

    assert condition <= 100
    assert found[2, 0] == 0
