"""A periodic sheet of cell texture that every cell of a batch looks up its own part of.

One sheet a batch is far cheaper than noise for each cell; each cell has its own offset
and direction in the sheet, so no two look alike.
"""

import math

import torch
from torch import Tensor

from napari_qpm.specimens._draws import Draws

__all__ = ["SHEET_SIZE", "TEXEL_UM", "draw_sheet"]

SHEET_SIZE = 256
TEXEL_UM = 0.22
COARSE, FINE, VESICLES, NUCLEOLI = range(4)
"""Rows of the sheet."""

_COARSE_UM, _FINE_UM = 1.7, 0.42
_VESICLE_UM, _VESICLES_PER_UM2 = 0.3, 0.22
_NUCLEOLUS_UM, _NUCLEOLI_PER_UM2 = 0.85, 0.03


def draw_sheet(draws: Draws, device: torch.device) -> Tensor:
    """Return ``(4, SHEET_SIZE ** 2)``: coarse and fine noise, vesicles, nucleoli.

    Noise has mean 0 and standard deviation 1; vesicles and nucleoli are sparse bright
    dots of peak about 1.
    """
    noise = draws.normal(0, 1, 2, SHEET_SIZE, SHEET_SIZE)
    dots = torch.stack(
        [
            _scatter_dots(draws, _VESICLES_PER_UM2, tail=1.0),
            _scatter_dots(draws, _NUCLEOLI_PER_UM2, tail=0.2),
        ]
    )
    widths = torch.tensor([_COARSE_UM, _FINE_UM, _VESICLE_UM, _NUCLEOLUS_UM])
    spectrum = torch.fft.rfft2(torch.cat([noise, dots]).to(device))
    sheet = torch.fft.irfft2(spectrum * _blur(widths.to(device)))
    spread = sheet.flatten(1).std(dim=1)
    spread[VESICLES], spread[NUCLEOLI] = 1.0, 1.0
    normalised: Tensor = (sheet / spread[:, None, None]).flatten(1)
    return normalised


def _scatter_dots(draws: Draws, per_um2: float, tail: float) -> Tensor:
    """Return points of random strength that become dots of peak 1 when blurred."""
    count = int(per_um2 * (SHEET_SIZE * TEXEL_UM) ** 2)
    strength = (draws.lognormal(0.7, 0.5 + tail * 0.3, count)).clamp_(max=3.0)
    points = torch.zeros(SHEET_SIZE**2)
    points[draws.integers(0, SHEET_SIZE**2, count)] = strength
    return points.reshape(SHEET_SIZE, SHEET_SIZE)


def _blur(sigma_um: Tensor) -> Tensor:
    """Return the spectra of Gaussians; those of dots have peak 1, not sum 1."""
    fy = torch.fft.fftfreq(SHEET_SIZE, TEXEL_UM, device=sigma_um.device)
    fx = torch.fft.rfftfreq(SHEET_SIZE, TEXEL_UM, device=sigma_um.device)
    squared = fy[:, None] ** 2 + fx**2
    blur = torch.exp(-2 * math.pi**2 * sigma_um[:, None, None] ** 2 * squared)
    peak = torch.ones_like(sigma_um)
    dots = sigma_um[VESICLES:]
    peak[VESICLES:] = 2 * math.pi * (dots / TEXEL_UM) ** 2
    return blur * peak[:, None, None]
