"""Pieces that the phase-retrieval networks share."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_qpm.errors import LayoutError
from napari_qpm.networks.connections import (
    GROUND,
    GROUND_SIZE,
    channels_of,
    stride_of,
)

__all__ = ["COARSEST_STRIDE", "Fusion", "check_input", "ground_feature", "resize"]

COARSEST_STRIDE = 32


def check_input(images: Tensor, in_channels: int) -> None:
    """Raise unless these are ``(N, C, Y, X)`` with sides that are multiples of 32."""
    if torch.compiler.is_compiling():
        return
    is_whole = all(side and side % COARSEST_STRIDE == 0 for side in images.shape[2:])
    if images.ndim != 4 or images.shape[1] != in_channels or not is_whole:
        raise LayoutError(
            f"The network takes (N, {in_channels}, Y, X) with Y and X multiples of "
            f"{COARSEST_STRIDE}, not {tuple(images.shape)}."
        )


def resize(images: Tensor, size: Sequence[int]) -> Tensor:
    """Return images ``(N, C, Y, X)`` of another size by bilinear interpolation."""
    if images.shape[2:] == torch.Size(size):
        return images
    return functional.interpolate(
        images, size=tuple(size), mode="bilinear", align_corners=False
    )


def ground_feature(images: Tensor) -> Tensor:
    """Return the means ``(N, C, 3, 3)`` of a 3 by 3 partition that may overlap.

    Adaptive average pooling as two matrix products: the same numbers for every size,
    and ONNX can express it.
    """
    rows = _pooling_matrix(images.shape[-2], images)
    columns = _pooling_matrix(images.shape[-1], images)
    return rows @ images @ columns.T


def _pooling_matrix(length: int, like: Tensor) -> Tensor:
    """Return ``(3, length)``: row i averages floor(i n/3) to ceil((i + 1) n/3)."""
    part = torch.arange(GROUND_SIZE, device=like.device)[:, None]
    position = torch.arange(length, device=like.device)
    first = (part * length) // GROUND_SIZE
    beyond = ((part + 1) * length + GROUND_SIZE - 1) // GROUND_SIZE
    inside = (position >= first) & (position < beyond)
    return (inside / inside.sum(1, keepdim=True)).to(like.dtype)


class Fusion(nn.Module):
    """Sum of convolved features on the grid of one decoder stage.

    Larger features are reduced, then convolved; smaller ones are convolved, then
    enlarged. Features that are convolved on the same grid are joined first: one
    convolution of the joined channels is the sum of one each.

    Parameters
    ----------
    sources
        Names of the features.
    stride
        Of the stage, in input pixels.
    depth
        Channels of the result.
    kernel
        Side of the convolutions.
    channels
        Of features that are not as wide as in the published network.
    """

    def __init__(
        self,
        sources: Sequence[str],
        stride: int,
        depth: int,
        kernel: int = 3,
        channels: Mapping[str, int] | None = None,
    ):
        super().__init__()
        width = {s: (channels or {}).get(s, channels_of(s)) for s in sources}
        self.groups: dict[str, list[str]] = {}
        for source in sources:
            own = stride_of(source)
            grid = GROUND if own is None else f"stride{max(own, stride)}"
            self.groups.setdefault(grid, []).append(source)
        self.at_own_grid = f"stride{stride}"
        self.convolutions = nn.ModuleDict()
        spread = math.sqrt(2 / (kernel**2 * sum(width.values())))
        for grid, members in self.groups.items():
            joined = sum(width[source] for source in members)
            convolution = nn.Conv2d(
                joined, depth, kernel, padding=kernel // 2, bias=False
            )
            # The sum of all has variance 1 or so: nothing else holds it in ReLU6's
            # range, as the derived network has no norm here.
            nn.init.normal_(convolution.weight, std=spread)
            self.convolutions[grid] = convolution

    def forward(self, features: Mapping[str, Tensor], size: Sequence[int]) -> Tensor:
        """Return ``(N, depth, *size)``."""
        total: Tensor | None = None
        for grid, members in self.groups.items():
            parts = [features[source] for source in members]
            if grid == self.at_own_grid:
                parts = [resize(part, size) for part in parts]
            joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
            part = resize(self.convolutions[grid](joined), size)
            total = part if total is None else total + part
        if total is None:
            raise LayoutError("A decoder stage has no input.")
        return total
