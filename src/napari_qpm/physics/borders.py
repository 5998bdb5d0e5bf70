"""A picture made periodic, so that a Fourier transform sees no step at its border."""

import torch
from torch import Tensor

from napari_qpm.errors import LayoutError

__all__ = ["wrap_smoothly"]


def wrap_smoothly(image: Tensor, margin_px: int) -> Tensor:
    """Return ``(..., Y + margin, X + margin)`` that goes over into itself.

    The rows and columns appended at the end fade from the mirrored last ones to the
    mirrored first ones. The picture is ``result[..., :Y, :X]``.
    """
    if not 0 <= margin_px <= min(image.shape[-2:]):
        raise LayoutError(
            f"A margin of {margin_px} pixels does not fit a picture of "
            f"{image.shape[-2]} x {image.shape[-1]}."
        )
    if not margin_px:
        return image
    rows = torch.cat([image, _bridge(image, margin_px)], dim=-2)
    columns = rows.transpose(-2, -1)
    bridged = torch.cat([columns, _bridge(columns, margin_px)], dim=-2)
    return bridged.transpose(-2, -1)


def _bridge(image: Tensor, n: int) -> Tensor:
    """Return n rows between the last row and the first one."""
    position = torch.arange(1, n + 1, dtype=image.dtype, device=image.device) / (n + 1)
    # Neither slope nor curvature at the ends: out of focus, a curved path has contrast.
    weight = (position**3 * (10 - 15 * position + 6 * position**2))[:, None]
    last = image[..., -n:, :].flip(-2)
    first = image[..., :n, :].flip(-2)
    return (1 - weight) * last + weight * first
