"""Coordinates and frequencies of an image, as thin axes that broadcast to ``(Y, X)``.

Thin axes cost nothing to make, so no model has to keep large grids for one shape.
"""

import torch
from torch import Tensor

from napari_qpm.physics._optical_model import real_dtype

__all__ = [
    "centred_axes",
    "frequency_axes",
    "frequency_step",
    "pixel_axes",
    "quadrant_axes",
    "unfold_quadrant",
]


def frequency_axes(
    like: Tensor, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Return ``(Y, 1)`` and ``(1, X)`` frequencies [cycles/px] in FFT order."""
    height, width = like.shape[-2:]
    dtype, device = dtype or real_dtype(like), like.device
    fy = torch.fft.fftfreq(height, dtype=dtype, device=device)
    fx = torch.fft.fftfreq(width, dtype=dtype, device=device)
    return fy[:, None], fx[None, :]


def quadrant_axes(
    like: Tensor, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Return the frequencies from 0 up only, for what is the same on both sides of 0.

    A transfer function without tilt is computed on a quarter of its grid this way.
    """
    fy, fx = frequency_axes(like, dtype)
    height, width = like.shape[-2:]
    return fy[: height // 2 + 1].abs(), fx[:, : width // 2 + 1].abs()


def unfold_quadrant(
    quadrant: Tensor, like: Tensor, *, rows_only: bool = False
) -> Tensor:
    """Return ``(..., Y, X)`` in FFT order of values at `quadrant_axes`.

    With `rows_only` columns stay as real transforms have them, ``X // 2 + 1``.
    """
    height, width = like.shape[-2:]
    rows = torch.arange(height, device=quadrant.device)
    unfolded = quadrant.index_select(-2, torch.minimum(rows, height - rows))
    if rows_only:
        return unfolded
    columns = torch.arange(width, device=quadrant.device)
    return unfolded.index_select(-1, torch.minimum(columns, width - columns))


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
