"""DM-QPMNet: cells from the four polarization angles and the phase that they give.

Two encoders, one for the angles and one for the phase, meet at a quarter of the size,
where every pixel of the angles asks all of the phase; the rest is an nnU-Net. Inputs
with one kind of image only, or all in one encoder, are the comparisons of the
publication, made of the same parts.
"""

from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.networks._layers import check_input
from napari_qpm.networks.cross_attention import (
    AttentionFusion,
    ConcatFusion,
    GateFusion,
)
from napari_qpm.networks.nnunet import (
    Decoder,
    make_block,
    plain_encoder,
    start_weights,
)

__all__ = ["ANGLES", "DMQPMNet", "FusionKind", "InputMode", "input_channels"]

ANGLES = (0, 45, 90, 135)
"""Of the analysers [deg], in the order of the input's channels."""
LEVELS = 5
N_CLASSES = 2
N_DISTANCES = 2
BOUND = 6e4
"""Of an input that is not clipped; finite also in half precision."""


class InputMode(StrEnum):
    """Which images the network sees, and how."""

    DUAL = "dual"
    """Angles and phase, an encoder each."""
    EARLY = "early"
    """Angles and phase, all in one encoder."""
    ANGLES = "angles"
    """Angles only."""
    PHASE = "phase"
    """Phase only: any recording with a phase."""


class FusionKind(StrEnum):
    """How the two encoders meet."""

    ATTENTION = "attention"
    """Angles ask the phase."""
    CONCAT = "concat"
    """Joined, and mixed pixel by pixel."""
    GATE = "gate"
    """Each opens and closes the other."""


_FUSIONS: dict[FusionKind, type[nn.Module]] = {
    FusionKind.ATTENTION: AttentionFusion,
    FusionKind.CONCAT: ConcatFusion,
    FusionKind.GATE: GateFusion,
}


def input_channels(inputs: str, drop_angle: int | None = None) -> tuple[str, ...]:
    """Return what the channels of an input hold, in order, such as ``"angle 45"``."""
    angles = tuple(f"angle {angle}" for angle in ANGLES if angle != drop_angle)
    match InputMode(inputs):
        case InputMode.PHASE:
            return ("phase",)
        case InputMode.ANGLES:
            return angles
        case _:
            return (*angles, "phase")


class Normalisation(nn.Module):
    """Channels clipped, shifted and scaled by what a training set was like.

    Parameters
    ----------
    channels
        Of the input.
    """

    mean: Tensor
    deviation: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.register_buffer("low", torch.full((channels,), -BOUND))
        self.register_buffer("high", torch.full((channels,), BOUND))

    @torch.no_grad()
    def set(self, **statistics: Tensor) -> None:
        """Store ``mean``, ``deviation``, ``low`` and ``high`` ``(C,)``, or some."""
        for name, value in statistics.items():
            getattr(self, name).copy_(value)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(N, C, Y, X)``."""
        low, high, mean, deviation = (
            values[:, None, None]
            for values in (self.low, self.high, self.mean, self.deviation)
        )
        clipped = torch.minimum(torch.maximum(images, low), high)
        return (clipped - mean) / deviation


class DMQPMNet(nn.Module):
    """Foreground of cells and, if wanted, what parts touching ones.

    Parameters
    ----------
    inputs
        An `InputMode`.
    width
        Channels of the finest level; they double with each coarser one, five times.
        The publication has 32, smaller ones are 24 and 16.
    fusion, fusion_stage
        A `FusionKind`, and the level where the encoders meet: 1, 2 or 3.
    drop_angle
        Angle [deg] that is left out; None = none.
    has_instances
        Whether the answers hold two distances besides the classes.
    has_bottleneck
        Whether a sixth, coarsest level without a skip follows the five.
    mlp_ratio
        Of the two-layer network behind the attention.
    in_channels
        Of the input; it follows from the rest, and is checked against it.
    """

    def __init__(
        self,
        inputs: str = InputMode.DUAL,
        width: int = 32,
        *,
        fusion: str = FusionKind.ATTENTION,
        fusion_stage: int = 2,
        drop_angle: int | None = None,
        has_instances: bool = False,
        has_bottleneck: bool = True,
        mlp_ratio: float = 2.0,
        in_channels: int | None = None,
    ):
        super().__init__()
        self.inputs = InputMode(_known("input", inputs, InputMode))
        kind = FusionKind(_known("fusion", fusion, FusionKind))
        if fusion_stage not in (1, 2, 3) or drop_angle not in (None, *ANGLES):
            raise ParameterError(
                f"The encoders meet at stage 1, 2 or 3, not {fusion_stage}, and what "
                f"is dropped is one of the angles {ANGLES}, not {drop_angle}."
            )
        self.channels = input_channels(self.inputs, drop_angle)
        self.in_channels = len(self.channels)
        if in_channels not in (None, self.in_channels):
            raise ParameterError(
                f"Inputs {self.inputs.value!r} have {self.in_channels} channels, not "
                f"{in_channels}."
            )
        self.has_instances = bool(has_instances)
        widths = [width * 2**level for level in range(LEVELS)]
        if has_bottleneck:
            widths.append(widths[-1])
        self.normalise = Normalisation(self.in_channels)
        if self.inputs is InputMode.DUAL:
            meeting = fusion_stage + 1
            self.angle_encoder = plain_encoder(self.in_channels - 1, widths[:meeting])
            self.phase_encoder = plain_encoder(1, widths[:meeting])
            self.fusers = nn.ModuleList(
                [make_block(2 * w, w, kernel=1) for w in widths[:fusion_stage]]
            )
            extra: dict[str, Any] = {}
            if kind is FusionKind.ATTENTION:
                extra["mlp_ratio"] = mlp_ratio
            self.fusion = _FUSIONS[kind](widths[fusion_stage], **extra)
            self.tail = plain_encoder(widths[fusion_stage], widths[meeting:], meeting)
        else:
            self.tail = plain_encoder(self.in_channels, widths)
        n_outputs = N_CLASSES + (N_DISTANCES if has_instances else 0)
        self.decoder = Decoder(widths, n_outputs)
        start_weights(self)

    def forward(self, images: Tensor) -> Any:
        """Return what inputs ``(N, C, Y, X)`` show.

        In training, a list of the answers ``(N, 2 or 4, y, x)`` of all levels, finest
        first: logits of background and cell, and logits of the distances. Otherwise
        ``(N, 1 or 3, Y, X)``: logit of cell, then, 0 to 1, the nearness of the cell's
        centre and the distance to its boundary.
        """
        check_input(images, self.in_channels)
        skips = self._encode(self.normalise(images))
        answers = self.decoder(skips[-1], skips[:-1])
        if self.training:
            return answers
        finest = answers[0]
        cell = finest[:, 1:2] - finest[:, :1]
        if not self.has_instances:
            return cell
        return torch.cat([cell, torch.sigmoid(finest[:, N_CLASSES:])], dim=1)

    def _encode(self, images: Tensor) -> list[Tensor]:
        """Return the maps of all levels, finest first."""
        maps: list[Tensor] = []
        flow = images
        if self.inputs is InputMode.DUAL:
            angles, phase = images[:, :-1], images[:, -1:]
            for level, (by_angles, by_phase) in enumerate(
                zip(self.angle_encoder, self.phase_encoder, strict=True)
            ):
                angles, phase = by_angles(angles), by_phase(phase)
                if level < len(self.fusers):
                    joined = torch.cat([angles, phase], dim=1)
                    maps.append(self.fusers[level](joined))
            flow = self.fusion(angles, phase)
            maps.append(flow)
        for stage in self.tail:
            flow = stage(flow)
            maps.append(flow)
        return maps


def _known(kind: str, name: str, members: type[StrEnum]) -> str:
    names = [str(member) for member in members]
    if str(name) not in names:
        raise UnknownNameError(kind, str(name), names)
    return str(name)
