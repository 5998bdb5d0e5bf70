"""Coordinates and frequencies of an image, as thin axes that broadcast to ``(Y, X)``.

Thin axes cost nothing to make, so no model has to keep large grids for one shape.
"""

import torch
from torch import Tensor

from napari_qpm.physics._optical_model import real_dtype

__all__ = ["centred_axes", "frequency_axes", "frequency_step", "pixel_axes"]


def frequency_axes(
    like: Tensor, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Return ``(Y, 1)`` and ``(1, X)`` frequencies [cycles/px] in FFT order."""
    height, width = like.shape[-2:]
    dtype, device = dtype or real_dtype(like), like.device
    fy = torch.fft.fftfreq(height, dtype=dtype, device=device)
    fx = torch.fft.fftfreq(width, dtype=dtype, device=device)
    return fy[:, None], fx[None, :]


def frequency_step(like: Tensor) -> float:
    """Return the wider of the two frequency bins [cycles/px]."""
    return 1.0 / min(like.shape[-2:])


def pixel_axes(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(Y, 1)`` and ``(1, X)`` pixel numbers from the top left one, 0."""
    height, width = like.shape[-2:]
    dtype, device = real_dtype(like), like.device
    y = torch.arange(height, dtype=dtype, device=device)
    x = torch.arange(width, dtype=dtype, device=device)
    return y[:, None], x[None, :]


def centred_axes(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(Y,)`` and ``(X,)`` positions from -1 to 1 over the frame."""
    height, width = like.shape[-2:]
    dtype, device = real_dtype(like), like.device
    y = torch.linspace(-1, 1, height, dtype=dtype, device=device)
    x = torch.linspace(-1, 1, width, dtype=dtype, device=device)
    return y, x
