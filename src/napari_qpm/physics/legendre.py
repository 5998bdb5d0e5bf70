"""Smooth surfaces over a frame as Legendre polynomials, for backgrounds and light.

A surface is its matrix of coefficients ``c[i, j]`` of ``P_i(y) P_j(x)``, y and x from
-1 to 1 over the frame, the convention of `Instrument.background_rad`.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from napari_qpm.physics.grids import centred_axes

__all__ = ["coefficient_matrix", "legendre_polynomials", "legendre_surface"]


def legendre_polynomials(order: int, positions: Tensor) -> Tensor:
    """Return ``(order + 1, n)``: P_0 to P_order at these positions ``(n,)``."""
    rows = [torch.ones_like(positions), positions]
    for n in range(1, order):
        # Bonnet: (n + 1) P_{n+1} = (2 n + 1) x P_n - n P_{n-1}
        rows.append(((2 * n + 1) * positions * rows[n] - n * rows[n - 1]) / (n + 1))
    return torch.stack(rows[: order + 1])


def legendre_surface(coefficients: Tensor, like: Tensor) -> Tensor:
    """Return the surface ``(N, Y, X)`` of coefficients ``(N, I, J)``."""
    y, x = centred_axes(like)
    rows = legendre_polynomials(coefficients.shape[-2] - 1, y)
    columns = legendre_polynomials(coefficients.shape[-1] - 1, x)
    return rows.T @ coefficients @ columns


def coefficient_matrix(terms: Iterable[tuple[int, int, float]]) -> Tensor:
    """Return ``(I, J)`` coefficients of ``(i, j, value)`` terms; the same ones add."""
    listed = list(terms)
    height = 1 + max((i for i, _, _ in listed), default=0)
    width = 1 + max((j for _, j, _ in listed), default=0)
    matrix = torch.zeros(height, width, dtype=torch.float64)
    for i, j, value in listed:
        matrix[i, j] += value
    return matrix
