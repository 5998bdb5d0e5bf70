"""Bayer colour mosaic: sampling, and the bilinear interpolation that undoes it."""

import torch
from torch import Tensor
from torch.nn import functional

from napari_qpm.errors import LayoutError

__all__ = ["PATTERNS", "bayer_mosaic", "demosaic_bayer"]

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
"""Colours of the first 2x2 pixels in reading order."""


def bayer_mosaic(colours: Tensor, pattern: str = "RGGB") -> Tensor:
    """Return the mosaic ``(N, 1, Y, X)`` of red, green, blue ``(N, 3, Y, X)``."""
    masks = _masks(colours, pattern)
    return (colours * masks).sum(1, keepdim=True)


def demosaic_bayer(mosaic: Tensor, pattern: str = "RGGB") -> Tensor:
    """Return red, green, blue ``(N, 3, Y, X)``, bilinear, of a mosaic ``(N, 1, Y, X)``.

    Borders are continued by reflection about the outermost pixel, which keeps the
    pattern.
    """
    sparse = mosaic * _masks(mosaic, pattern)
    corner = mosaic.new_tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    cross = mosaic.new_tensor([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    kernels = torch.stack([corner, cross, corner])[:, None]
    padded = functional.pad(sparse, (1, 1, 1, 1), mode="reflect")
    return functional.conv2d(padded, kernels, groups=3)


def _masks(like: Tensor, pattern: str) -> Tensor:
    """Return ``(1, 3, Y, X)``: 1 on the pixels of each colour."""
    if pattern not in PATTERNS:
        raise LayoutError(f"A Bayer pattern is {', '.join(PATTERNS)}, not {pattern!r}.")
    height, width = like.shape[-2:]
    if height % 2 or width % 2:
        raise LayoutError(f"A Bayer mosaic has even sides, not {height} x {width}.")
    cell = like.new_tensor([[letter == c for letter in pattern] for c in "RGB"])
    return cell.reshape(1, 3, 2, 2).repeat(1, 1, height // 2, width // 2)
