"""The objective: a round pupil with aberrations and defocus."""

import math
from typing import Any

import torch
from torch import Tensor

from napari_qpm.physics._optical_model import OpticalModel, unit_phasor
from napari_qpm.physics.grids import (
    frequency_axes,
    frequency_step,
    quadrant_axes,
    unfold_quadrant,
)
from napari_qpm.physics.propagation import propagation_kernel
from napari_qpm.physics.zernike import zernike_surface

__all__ = ["Pupil", "aperture_at", "round_aperture"]


class Pupil(OpticalModel):
    """Image of a field through a round pupil of radius ``NA / wavelength``.

    Parameters
    ----------
    na
        Numerical aperture.
    wavelength_um, pixel_um
        Vacuum wavelength, and pixel in object space.
    medium_index
        Refractive index of the medium that is defocused through.
    zernike_waves
        ``(J,)`` rms aberrations in wavelengths of Noll's terms 1 to J.
    defocus_um
        Distance from the specimen to the focal plane, along the light.
    dtype
        Of the values.
    """

    def __init__(
        self,
        na: Any,
        wavelength_um: Any,
        pixel_um: Any,
        medium_index: Any = 1.0,
        zernike_waves: Any = (),
        defocus_um: Any = 0.0,
        *,
        dtype: torch.dtype = torch.float32,
    ):
        values = {
            "na": na,
            "wavelength_um": wavelength_um,
            "pixel_um": pixel_um,
            "medium_index": medium_index,
            "zernike_waves": zernike_waves,
            "defocus_um": defocus_um,
        }
        super().__init__(values, {"zernike_waves": 1}, dtype)

    def forward(self, field: Tensor) -> Tensor:
        """Return the image ``(N, Y, X)`` of a complex field ``(N, Y, X)``."""
        spectrum = torch.fft.fft2(field) * self.transfer_function(field)
        image: Tensor = torch.fft.ifft2(spectrum)
        return image

    def transfer_function(self, like: Tensor) -> Tensor:
        """Return the complex ``(N or 1, Y, X)`` transfer function in FFT order."""
        kernel = propagation_kernel(
            like,
            self.value("defocus_um", like),
            wavelength_um=self.value("wavelength_um", like),
            pixel_um=self.value("pixel_um", like),
            medium_index=self.value("medium_index", like),
        )
        cutoff = self.value("na", like) * self.value("pixel_um", like)
        cutoff = (cutoff / self.value("wavelength_um", like))[:, None, None]
        kernel = kernel * round_aperture(like, cutoff)
        waves = self.value("zernike_waves", like)
        if not waves.shape[-1]:
            return kernel
        fy, fx = frequency_axes(like)
        aberration = 2 * math.pi * zernike_surface(waves, fy / cutoff, fx / cutoff)
        return kernel * unit_phasor(aberration, like)


def round_aperture(like: Tensor, cutoff_cycles_per_px: Tensor | float) -> Tensor:
    """Return a disk in FFT order, 1 inside the cut-off, with an edge of one bin."""
    fy, fx = quadrant_axes(like)
    disk = aperture_at((fy, fx), cutoff_cycles_per_px, frequency_step(like))
    return unfold_quadrant(disk, like)


def aperture_at(
    frequencies: tuple[Tensor, Tensor], cutoff: Tensor | float, edge: float | Tensor
) -> Tensor:
    """Return 1 where frequencies ``(fy, fx)`` are below the cut-off, 0 above.

    The edge, one bin of the grid wide, makes a disk on a coarse grid as large as the
    true one and lets gradients reach the cut-off.
    """
    fy, fx = frequencies
    radius = torch.sqrt(fy**2 + fx**2)
    return ((cutoff - radius) / edge + 0.5).clamp(0, 1)
