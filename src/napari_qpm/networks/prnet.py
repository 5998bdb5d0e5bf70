"""super-PRNet and the NAS-PRNet that a search derives from it (IEEE PTL 2025).

One interferogram in, one phase map out. super-PRNet has all 100 connections, each with
a weight from 0 to 1 that the search drives to either end; NAS-PRNet has those that
stay, without weights.
"""

import abc
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_qpm.networks._layers import (
    Fusion,
    check_input,
    ground_feature,
    resize,
)
from napari_qpm.networks.connections import (
    DEPTHS,
    GROUND,
    STRIDES,
    THRESHOLD,
    Connection,
    ConnectionMask,
    channels_of,
    every_connection,
    prune,
    stride_of,
)
from napari_qpm.networks.mobilenet_v2 import MobileNetV2Encoder

__all__ = ["NasPRNet", "PhaseHead", "SuperPRNet"]

RANGE_RAD = 12.0
INITIAL_WEIGHT = 0.5
INITIAL_OUTPUT = 0.1
"""Of the untrained head, in units of the range: at 0, ReLU6 would pass no gradient."""
INITIAL_SPREAD = 0.02
ENTROPY_MARGIN = 1e-6


class PhaseHead(nn.Module):
    """Features at half size to a map from 0 to 1 at full size, 1 = `range_rad`."""

    range_rad: Tensor

    def __init__(self, channels: int, kernel: int = 3, range_rad: float = RANGE_RAD):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 1, kernel, padding=kernel // 2)
        bias = self.convolution.bias
        assert bias is not None
        nn.init.normal_(self.convolution.weight, std=INITIAL_SPREAD)
        nn.init.constant_(bias, 6 * INITIAL_OUTPUT)
        self.register_buffer("range_rad", torch.tensor(float(range_rad)))

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Return ``(N, 1, *size)``."""
        drawn = resize(self.convolution(features), size)
        if not self.training:
            return functional.relu6(drawn) / 6
        result: Tensor = _Returning.apply(drawn)
        return result / 6


class _Returning(torch.autograd.Function):
    """ReLU6 whose gradient brings back what lies outside of its range.

    ReLU6 itself passes none there: a network that once calls a faint cell empty would
    never hear that it is not.
    """

    @staticmethod
    def forward(ctx: Any, drawn: Tensor) -> Tensor:
        """Return the values clamped to 0 to 6."""
        ctx.save_for_backward(drawn)
        return drawn.clamp(0, 6)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        """Return the gradient, but where it leads further out."""
        (drawn,) = ctx.saved_tensors
        leads_out = ((drawn < 0) & (slope > 0)) | ((drawn > 6) & (slope < 0))
        return slope.masked_fill(leads_out, 0.0)


class _PhaseNet(nn.Module, abc.ABC):
    """Encoder, decoder stages from coarse to fine, head."""

    def __init__(self, in_channels: int, stages: list[int], range_rad: float):
        super().__init__()
        self.in_channels = int(in_channels)
        self.encoder = MobileNetV2Encoder(in_channels)
        self.fuse = nn.ModuleDict(
            {f"D{stage}": _Fuse(DEPTHS[stage - 1]) for stage in stages}
        )
        self.head = PhaseHead(DEPTHS[0], range_rad=range_rad)

    def forward(self, images: Tensor) -> Tensor:
        """Return the map ``(N, 1, Y, X)`` from 0 to 1 of inputs ``(N, C, Y, X)``."""
        check_input(images, self.in_channels)
        taps = self.encoder(images)
        features = {f"E{level}": tap for level, tap in enumerate(taps, start=1)}
        features[GROUND] = ground_feature(taps[-1])
        for name in reversed(list(self.fuse)):
            stage = int(name[1:])
            size = taps[stage - 1].shape[2:]
            features[name] = self.fuse[name](self.gather(stage, features, size))
        size = (images.shape[2], images.shape[3])
        result: Tensor = self.head(features["D1"], size)
        return result

    def phase(self, images: Tensor) -> Tensor:
        """Return the phase ``(N, Y, X)`` [rad]."""
        return self(images)[:, 0] * self.head.range_rad

    @abc.abstractmethod
    def gather(
        self, stage: int, features: Mapping[str, Tensor], size: torch.Size
    ) -> Tensor:
        """Return the sum T of what feeds a stage, on its grid."""


class _Fuse(nn.Module):
    """``ReLU6(BN(conv(ReLU6(T))))``."""

    def __init__(self, depth: int):
        super().__init__()
        self.convolution = nn.Conv2d(depth, depth, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out")
        self.norm = nn.BatchNorm2d(depth)

    def forward(self, total: Tensor) -> Tensor:
        """Return the feature of the stage."""
        return functional.relu6(self.norm(self.convolution(functional.relu6(total))))


class _WeighedConnection(nn.Module):
    """One candidate: convolved and normalised, on the grid of its stage."""

    def __init__(self, connection: Connection):
        super().__init__()
        depth = DEPTHS[connection.stage - 1]
        channels = channels_of(connection.source)
        stride = stride_of(connection.source)
        self.reduces = stride is not None and stride < STRIDES[connection.stage - 1]
        self.convolution = nn.Conv2d(channels, depth, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_in")
        self.norm = nn.BatchNorm2d(depth)
        # A free scale here would stand in for the connection's weight, so that its
        # size would mean nothing.
        self.norm.requires_grad_(False)

    def forward(self, feature: Tensor, size: torch.Size) -> Tensor:
        """Return ``(N, depth, *size)``."""
        if self.reduces:
            feature = resize(feature, size)
        result: Tensor = self.norm(resize(self.convolution(feature), size))
        return result


class SuperPRNet(_PhaseNet):
    """All 100 connections, each with a weight.

    Parameters
    ----------
    in_channels
        3 for the heterodyne input, 1 for raw interferograms.
    range_rad
        Phase of output 1.
    weight_noise
        Standard deviation of noise on the weights while training.
    """

    def __init__(
        self,
        in_channels: int = 3,
        range_rad: float = RANGE_RAD,
        weight_noise: float = 0.0,
    ):
        super().__init__(in_channels, list(range(1, 9)), range_rad)
        self.weight_noise = float(weight_noise)
        self._candidates = every_connection()
        self.connections = nn.ModuleList(
            [_WeighedConnection(connection) for connection in self._candidates]
        )
        self.connection_weights = nn.Parameter(
            torch.full((len(self._candidates),), INITIAL_WEIGHT)
        )

    def gather(
        self, stage: int, features: Mapping[str, Tensor], size: torch.Size
    ) -> Tensor:
        """Return the weighed sum T of all that feeds a stage."""
        weights: Tensor = self.connection_weights
        if self.training and self.weight_noise:
            noise = self.weight_noise * torch.randn_like(weights)
            weights = (weights + noise).clamp(0, 1)
        total = features["E1"].new_zeros(())
        for n, candidate in enumerate(self._candidates):
            if candidate.stage == stage:
                part = self.connections[n](features[candidate.source], size)
                total = total + weights[n] * part
        return total

    @torch.no_grad()
    def clamp_weights(self) -> None:
        """Bring the weights back to 0 to 1; call it after every step."""
        self.connection_weights.clamp_(0, 1)

    def binary_loss(self) -> Tensor:
        """Return the mean entropy of the weights: 0 when each is 0 or 1."""
        w = self.connection_weights.clamp(ENTROPY_MARGIN, 1 - ENTROPY_MARGIN)
        return -(w * w.log() + (1 - w) * (1 - w).log()).mean()

    def sparsity_loss(self) -> Tensor:
        """Return the sum of the weights."""
        return self.connection_weights.sum()

    def weights_by_connection(self) -> dict[Connection, float]:
        """Return the weight of each connection."""
        weights = self.connection_weights.detach().cpu().tolist()
        return dict(zip(self._candidates, weights, strict=True))

    def derive_mask(
        self, threshold: float = THRESHOLD, origin: Mapping[str, Any] | None = None
    ) -> ConnectionMask:
        """Return the connections that stay; see `prune`."""
        mask = prune(self.weights_by_connection(), threshold)
        return ConnectionMask(mask.connections, origin)


class NasPRNet(_PhaseNet):
    """The connections of a mask, without weights and norms.

    Parameters
    ----------
    mask
        Connections to have.
    in_channels
        3 for the heterodyne input, 1 for raw interferograms.
    range_rad
        Phase of output 1.
    """

    def __init__(
        self,
        mask: ConnectionMask,
        in_channels: int = 3,
        range_rad: float = RANGE_RAD,
    ):
        super().__init__(in_channels, mask.stages, range_rad)
        self.mask = mask
        self.fusion = nn.ModuleDict(
            {
                f"D{stage}": Fusion(
                    mask.into(stage), STRIDES[stage - 1], DEPTHS[stage - 1]
                )
                for stage in mask.stages
            }
        )

    def gather(
        self, stage: int, features: Mapping[str, Tensor], size: torch.Size
    ) -> Tensor:
        """Return the sum T of what feeds a stage."""
        result: Tensor = self.fusion[f"D{stage}"](features, size)
        return result
