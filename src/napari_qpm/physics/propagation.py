"""Propagation of a field through a homogeneous medium, in the Fourier domain.

The kernel is that of the field without its carrier along the axis,
``exp(i d (sqrt(km^2 - k^2) - km))`` with km = 2 pi n / wavelength: a plane wave along
the axis stays as it is, and evanescent waves are cut.
"""

import math
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional

from napari_qpm.errors import LayoutError
from napari_qpm.physics._optical_model import over_image, precise_dtype, unit_phasor
from napari_qpm.physics.grids import (
    quadrant_axes,
    unfold_quadrant,
)

__all__ = ["Border", "Kernel", "kernel_at", "propagate", "propagation_kernel"]


class Kernel(StrEnum):
    """How the phase of a propagating plane wave is computed."""

    ANGULAR_SPECTRUM = "angular-spectrum"
    """Exact: ``d (sqrt(km^2 - k^2) - km)``."""
    FRESNEL = "fresnel"
    """Paraxial: ``-d k^2 / (2 km)``; nothing is evanescent."""


class Border(StrEnum):
    """What is assumed to lie outside the field."""

    MIRROR = "mirror"
    """More of the same: a specimen that goes on."""
    ZERO = "zero"
    """Darkness: an aperture."""


def propagate(
    field: Tensor,
    distance_um: Tensor | float,
    *,
    wavelength_um: Tensor | float,
    pixel_um: Tensor | float,
    medium_index: Tensor | float = 1.0,
    method: Kernel | str = Kernel.ANGULAR_SPECTRUM,
    pad: int = 2,
    band_limit: bool = True,
    border: Border | str = Border.MIRROR,
) -> Tensor:
    """Return the field ``(..., Y, X)`` after a distance.

    Parameters
    ----------
    field
        Complex ``(..., Y, X)``.
    distance_um, wavelength_um, pixel_um, medium_index
        Numbers, or tensors that broadcast with the leading axes of the field. The
        wavelength is that in vacuum.
    method
        Member of `Kernel`.
    pad
        Factor by which the sides grow for the computation; 1 wraps around.
    band_limit
        Cut frequencies whose waves would leave the padded window (Matsushima and
        Shimobaba, Opt. Express 17, 19662, 2009).
    border
        What the padding holds.
    """
    padded = _enlarge(field, pad, Border(border))
    kernel = propagation_kernel(
        padded,
        distance_um,
        wavelength_um=wavelength_um,
        pixel_um=pixel_um,
        medium_index=medium_index,
        method=method,
        band_limit=band_limit,
    )
    result = torch.fft.ifft2(torch.fft.fft2(padded) * kernel)
    return _crop(result, field)


def propagation_kernel(
    like: Tensor,
    distance_um: Tensor | float,
    *,
    wavelength_um: Tensor | float,
    pixel_um: Tensor | float,
    medium_index: Tensor | float = 1.0,
    method: Kernel | str = Kernel.ANGULAR_SPECTRUM,
    band_limit: bool = False,
) -> Tensor:
    """Return the transfer function ``(..., Y, X)`` of fields like this, in FFT order.

    Parameters
    ----------
    like
        A tensor with the size, precision and device of the field.
    distance_um, wavelength_um, pixel_um, medium_index, method, band_limit
        See `propagate`.
    """
    pixel = _images(pixel_um, like)
    fy, fx = (axis / pixel for axis in quadrant_axes(like, pixel.dtype))
    kernel = kernel_at(
        (fy, fx),
        like,
        distance_um,
        wavelength_um=wavelength_um,
        medium_index=medium_index,
        method=method,
    )
    if band_limit:
        height, width = like.shape[-2:]
        distance = _images(distance_um, like)
        cutoff = _images(medium_index, like) / _images(wavelength_um, like)
        kernel = kernel * _stays_inside(fy, distance, cutoff, height * pixel)
        kernel = kernel * _stays_inside(fx, distance, cutoff, width * pixel)
    return unfold_quadrant(kernel, like)


def kernel_at(
    frequencies_per_um: tuple[Tensor, Tensor],
    like: Tensor,
    distance_um: Tensor | float,
    *,
    wavelength_um: Tensor | float,
    medium_index: Tensor | float = 1.0,
    method: Kernel | str = Kernel.ANGULAR_SPECTRUM,
) -> Tensor:
    """Return the transfer function at any frequencies ``(fy, fx)`` that broadcast.

    `like` states precision and device; for the rest see `propagate`.
    """
    distance = _images(distance_um, like)
    medium = 2 * math.pi * _images(medium_index, like) / _images(wavelength_um, like)
    fy, fx = frequencies_per_um
    squared = (2 * math.pi) ** 2 * (fy**2 + fx**2)
    if Kernel(method) is Kernel.FRESNEL:
        return unit_phasor(-distance * squared / (2 * medium), like)
    passes = squared < medium**2
    # sqrt(km^2 - k^2) - km without the difference of two large numbers; the inner
    # `where` keeps the gradient of the root finite for evanescent waves.
    root = torch.sqrt(torch.where(passes, medium**2 - squared, medium**2))
    return unit_phasor(-distance * squared / (root + medium), like) * passes


def _stays_inside(
    frequency: Tensor, distance: Tensor, cutoff: Tensor, side: Tensor
) -> Tensor:
    """Return where a wave moves sideways by less than half the window."""
    slope = 2 * distance.abs() / side
    return frequency <= cutoff / torch.sqrt(1 + slope**2)


def _images(value: Tensor | float, like: Tensor) -> Tensor:
    kind = precise_dtype(like.device)
    return over_image(torch.as_tensor(value, dtype=kind, device=like.device))


def _enlarge(field: Tensor, factor: int, border: Border) -> Tensor:
    """Return the field in the middle of a window that is `factor` times larger."""
    if factor < 1:
        raise LayoutError(f"The padding factor is 1 or more, not {factor}.")
    if factor == 1:
        return field
    height, width = field.shape[-2:]
    top, left = (factor - 1) * height // 2, (factor - 1) * width // 2
    bottom, right = (factor - 1) * height - top, (factor - 1) * width - left
    if border is Border.ZERO:
        return functional.pad(field, (left, right, top, bottom))
    rows = _mirrored(height, top, bottom, field.device)
    columns = _mirrored(width, left, right, field.device)
    return field.index_select(-2, rows).index_select(-1, columns)


def _mirrored(n: int, before: int, after: int, device: torch.device) -> Tensor:
    """Return indices 0 to n - 1, continued on both sides by reflections."""
    position = torch.arange(-before, n + after, device=device) % (2 * n)
    return torch.minimum(position, 2 * n - 1 - position)


def _crop(padded: Tensor, field: Tensor) -> Tensor:
    """Return the part of a padded window where the field was."""
    height, width = field.shape[-2:]
    top = (padded.shape[-2] - height) // 2
    left = (padded.shape[-1] - width) // 2
    return padded[..., top : top + height, left : left + width]
