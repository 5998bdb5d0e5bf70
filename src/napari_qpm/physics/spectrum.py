"""Colours: a white lamp's spectrum at few wavelengths, and the three bands."""

import torch
from torch import Tensor

__all__ = ["band_weights", "white_lamp"]

SHORTEST_UM, LONGEST_UM = 0.42, 0.68
BLUE_PEAK_UM, BLUE_WIDTH_UM = 0.450, 0.009
PHOSPHOR_PEAK_UM, PHOSPHOR_WIDTH_UM = 0.565, 0.055
PHOSPHOR_HEIGHT = 0.6
"""Of a neutral white diode, relative to the blue peak."""
FINE_SAMPLES = 4000


def white_lamp(n_wavelengths: int) -> tuple[Tensor, Tensor]:
    """Return wavelengths [um] and powers ``(M,)`` (float64, sum 1) of a white diode.

    Each stands for an equal part of the visible range, at the centroid of its light, so
    that few of them stand for the narrow blue peak, too.
    """
    fine = torch.linspace(SHORTEST_UM, LONGEST_UM, FINE_SAMPLES, dtype=torch.float64)
    power = _gaussian(fine, BLUE_PEAK_UM, BLUE_WIDTH_UM)
    phosphor = _gaussian(fine, PHOSPHOR_PEAK_UM, PHOSPHOR_WIDTH_UM)
    power = power + PHOSPHOR_HEIGHT * phosphor
    part = torch.arange(FINE_SAMPLES) * n_wavelengths // FINE_SAMPLES
    zeros = torch.zeros(n_wavelengths, dtype=torch.float64)
    total = zeros.index_add(0, part, power)
    centroid = zeros.index_add(0, part, power * fine) / total
    return centroid, total / total.sum()


def band_weights(
    wavelengths_um: Tensor,
    powers: Tensor,
    centres_um: Tensor,
    widths_um: Tensor,
    crosstalk: Tensor,
) -> Tensor:
    """Return how much each wavelength counts in each channel, ``(N, 3, M)``, sum 1.

    Parameters
    ----------
    wavelengths_um, powers
        ``(M,)`` of the lamp.
    centres_um, widths_um
        ``(N, 3)`` centre and standard deviation of the channels' Gaussian bands.
    crosstalk
        ``(N,)`` share of a channel's light that belongs to the two others.
    """
    weights = powers * _gaussian(
        wavelengths_um, centres_um[..., None], widths_um[..., None]
    )
    weights = weights / weights.sum(-1, keepdim=True)
    others = (weights.sum(-2, keepdim=True) - weights) / 2
    share = crosstalk[:, None, None]
    return (1 - share) * weights + share * others


def _gaussian(x: Tensor, centre: Tensor | float, width: Tensor | float) -> Tensor:
    return torch.exp(-((x - centre) ** 2) / (2 * width**2))
