"""Smooth surfaces have the coefficients that were asked for."""

import torch

from napari_qpm.physics.legendre import (
    coefficient_matrix,
    legendre_polynomials,
    legendre_surface,
)


def test_polynomials_have_their_known_form():
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    rows = legendre_polynomials(3, x)
    torch.testing.assert_close(rows[2], (3 * x**2 - 1) / 2)
    torch.testing.assert_close(rows[3], (5 * x**3 - 3 * x) / 2)
    assert legendre_polynomials(0, x).shape == (1, 9)


def test_terms_land_in_their_place_and_add():
    matrix = coefficient_matrix([(0, 1, 2.0), (2, 0, -1.0), (0, 1, 0.5)])
    expected = torch.zeros(3, 2, dtype=torch.float64)
    expected[0, 1], expected[2, 0] = 2.5, -1.0
    torch.testing.assert_close(matrix, expected)
    assert coefficient_matrix([]).shape == (1, 1)


def test_surface_runs_from_minus_one_to_one_over_the_frame():
    like = torch.zeros(1, 5, 7, dtype=torch.float64)
    surface = legendre_surface(coefficient_matrix([(1, 0, 1), (0, 2, 3)])[None], like)
    y = torch.linspace(-1, 1, 5, dtype=torch.float64)
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)
    expected = y[:, None] + 3 * (3 * x[None] ** 2 - 1) / 2
    torch.testing.assert_close(surface[0], expected)
