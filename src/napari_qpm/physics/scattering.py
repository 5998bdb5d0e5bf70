"""Scattered light: coherent speckle over the whole field, of a given strength and band.

Dust, coatings and the specimen's surroundings scatter some of the object wave into all
directions that the optics pass. The sum of many such waves is a complex Gaussian field;
its interference with object and reference is the floor between the orders of a real
hologram's spectrum.
"""

import math

import torch
from torch import Tensor

from napari_qpm.physics._optical_model import over_image

__all__ = ["scattered_wave"]


def scattered_wave(
    share: Tensor,
    band_cycles_per_px: Tensor,
    like: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Return speckle ``(N or 1, Y, X)``, complex, of mean power `share`.

    Parameters
    ----------
    share
        ``(N or 1,)`` mean power over that of a field of modulus 1.
    band_cycles_per_px
        ``(N or 1,)`` standard deviation b of its Gaussian power spectrum
        ``exp(-f^2 / 2 b^2)``.
    like
        Image ``(N, Y, X)`` whose size, precision and device it takes.
    generator
        Source of the pattern; the same state gives the same one on every device. One
        pattern is drawn where share and band have one value for all samples.
    """
    height, width = like.shape[-2:]
    count = max(share.shape[0], band_cycles_per_px.shape[0])
    parts = torch.randn(
        2, count, height, width, generator=generator, device=generator.device
    )
    white = torch.complex(*parts.to(device=like.device, dtype=like.dtype))
    fy = torch.fft.fftfreq(height, device=like.device, dtype=like.dtype)
    fx = torch.fft.fftfreq(width, device=like.device, dtype=like.dtype)
    squared = fy[:, None] ** 2 + fx**2
    # White noise is white in its spectrum, too: no transform on the way there.
    passed = torch.exp(-squared / (4 * over_image(band_cycles_per_px) ** 2))
    power = (passed**2).sum((-2, -1), keepdim=True)
    scale = torch.sqrt(over_image(share) / (2 * power)) * math.sqrt(height * width)
    wave: Tensor = torch.fft.ifft2(white * passed, norm="ortho") * scale
    return wave
