"""Zernike polynomials are orthonormal on the disk and in Noll's order."""

import math

import numpy as np
import pytest
import torch

from napari_qpm.errors import ParameterError
from napari_qpm.physics.zernike import noll_orders, zernike, zernike_surface


def disk():
    """Return nodes ``(K,)`` y, x and weights (sum 1) of a quadrature of the disk.

    Gauss-Legendre in rho^2, equal angles: exact for the products tested.
    """
    nodes, weights = map(torch.tensor, legendre_nodes(12))
    rho = torch.sqrt((nodes + 1) / 2)
    angle = torch.arange(32, dtype=torch.float64) * 2 * math.pi / 32
    y = (rho[:, None] * torch.sin(angle)).ravel()
    x = (rho[:, None] * torch.cos(angle)).ravel()
    return y, x, (weights[:, None] / 2 / 32).expand(-1, 32).ravel()


def legendre_nodes(n):
    return np.polynomial.legendre.leggauss(n)


def test_terms_are_orthonormal():
    y, x, weights = disk()
    terms = torch.stack([zernike(j, y, x) for j in range(1, 37)])
    gram = (terms * weights) @ terms.T
    torch.testing.assert_close(gram, torch.eye(36, dtype=torch.float64))


@pytest.mark.parametrize(
    ("number", "orders"),
    [
        (1, (0, 0)),
        (2, (1, 1)),
        (3, (1, -1)),
        (4, (2, 0)),
        (5, (2, -2)),
        (6, (2, 2)),
        (7, (3, -1)),
        (8, (3, 1)),
        (9, (3, -3)),
        (10, (3, 3)),
        (11, (4, 0)),
        (12, (4, 2)),
        (22, (6, 0)),
    ],
)
def test_numbers_follow_noll(number, orders):
    assert noll_orders(number) == orders


def test_low_terms_have_their_known_form():
    y, x, _ = disk()
    squared = y**2 + x**2
    torch.testing.assert_close(zernike(2, y, x), 2 * x)
    torch.testing.assert_close(zernike(3, y, x), 2 * y)
    torch.testing.assert_close(zernike(4, y, x), math.sqrt(3) * (2 * squared - 1))
    torch.testing.assert_close(
        zernike((4, 0), y, x), math.sqrt(5) * (6 * squared**2 - 6 * squared + 1)
    )


def test_outside_the_disk_is_nothing():
    assert zernike(4, torch.tensor(0.8), torch.tensor(0.8)) == 0


def test_surface_adds_terms_with_one_set_a_sample():
    y, x, weights = disk()
    y, x = y[:, None], x[:, None]
    coefficients = torch.tensor([[0.0, 0.3, 0.0, 0.4], [1.0, 0, 0, 0]]).double()
    surface = zernike_surface(coefficients, y, x)
    rms = ((surface**2)[..., 0] * weights).sum(-1).sqrt()
    torch.testing.assert_close(rms, torch.tensor([0.5, 1.0]).double())


def test_impossible_terms_are_refused():
    with pytest.raises(ParameterError, match="count from 1"):
        zernike(0, torch.zeros(1), torch.zeros(1))
    with pytest.raises(ParameterError, match="n=3, m=2"):
        zernike((3, 2), torch.zeros(1), torch.zeros(1))
