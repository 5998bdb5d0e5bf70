"""Zernike polynomials, orthonormal on the unit disk, in Noll's order (JOSA 66, 207).

Mean of the square over the disk is 1, so a coefficient is the rms of its term. The
angular part is a power of ``x + i y``: no angle is computed, and gradients are smooth.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from napari_qpm.errors import ParameterError

__all__ = ["noll_orders", "zernike", "zernike_surface"]


def zernike(term: int | tuple[int, int], y: Tensor, x: Tensor) -> Tensor:
    """Return a Zernike polynomial at these positions, 0 outside the unit disk.

    Parameters
    ----------
    term
        Noll's number from 1, or the orders ``(n, m)``; m < 0 are the sines.
    y, x
        Positions in units of the radius of the disk; they broadcast.
    """
    n, m = noll_orders(term) if isinstance(term, int) else term
    squared = y**2 + x**2
    radial = torch.zeros_like(squared)
    for coefficient in _radial_coefficients(n, abs(m)):
        radial = radial * squared + coefficient
    angular = _power(y, x, abs(m))[0 if m >= 0 else 1]
    norm = math.sqrt((n + 1) * (1 if m == 0 else 2))
    return torch.where(squared <= 1, norm * radial * angular, 0)


def zernike_surface(coefficients: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Return ``(N, Y, X)``: the sum of ``coefficients[:, j - 1]`` times term j."""
    surface = torch.zeros_like(y + x)
    for j in range(coefficients.shape[-1]):
        weight = coefficients[..., j, None, None]
        surface = surface + weight * zernike(j + 1, y, x)
    return surface


def noll_orders(number: int) -> tuple[int, int]:
    """Return ``(n, m)`` of Noll's number: 1 is piston, 4 defocus, 11 spherical."""
    if number < 1:
        raise ParameterError(f"Zernike terms count from 1, not from {number}.")
    n = (math.isqrt(8 * number - 7) - 1) // 2
    position = number - n * (n + 1) // 2 - 1
    m = position + (position + n) % 2
    return n, m if number % 2 == 0 else -m


@lru_cache
def _radial_coefficients(n: int, m: int) -> tuple[float, ...]:
    """Return coefficients of ``R / rho^m`` in powers of rho^2, highest first."""
    if m > n or (n - m) % 2:
        raise ParameterError(f"There is no Zernike polynomial of orders n={n}, m={m}.")
    half, low = (n + m) // 2, (n - m) // 2
    return tuple(
        (-1.0) ** k * math.comb(n - k, k) * math.comb(n - 2 * k, low - k)
        for k in range(low + 1)
        if half - k >= 0
    )


def _power(y: Tensor, x: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """Return real and imaginary part of ``(x + i y)^m``."""
    real, imaginary = torch.ones_like(x * y), torch.zeros_like(x * y)
    for _ in range(m):
        real, imaginary = real * x - imaginary * y, real * y + imaginary * x
    return real, imaginary
