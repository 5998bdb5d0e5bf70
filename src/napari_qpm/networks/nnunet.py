"""Stages and decoder of the plain nnU-Net (Isensee et al., Nature Methods 2021), 2D.

Two convolutions a stage, each with instance norm and leaky ReLU; the first one of a
stage halves the image. Every stage of the decoder answers by itself, so that the coarse
ones learn as well (deep supervision).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Decoder", "make_stage", "plain_encoder", "start_weights"]

SLOPE = 0.01
"""Of the leaky ReLU for negative values."""


def make_block(
    channels: int, width: int, kernel: int = 3, stride: int = 1
) -> nn.Module:
    """Return convolution, norm and activation."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2),
        nn.InstanceNorm2d(width, affine=True),
        nn.LeakyReLU(SLOPE),
    )


def make_stage(channels: int, width: int, stride: int = 1) -> nn.Module:
    """Return two blocks, of which the first one takes every `stride`-th pixel."""
    return nn.Sequential(
        make_block(channels, width, stride=stride), make_block(width, width)
    )


def plain_encoder(
    channels: int, widths: Sequence[int], first: int = 0
) -> nn.ModuleList:
    """Return one stage a level; all but the finest level 0 halve the image.

    Parameters
    ----------
    channels
        Of what comes in.
    widths
        Channels of the stages.
    first
        Level of the first one.
    """
    sources = [channels, *widths]
    return nn.ModuleList(
        [
            make_stage(sources[n], width, stride=1 if first + n == 0 else 2)
            for n, width in enumerate(widths)
        ]
    )


class Decoder(nn.Module):
    """From the coarsest map back to full size, an answer at each level.

    Parameters
    ----------
    widths
        Channels of each level, finest first; the last one is the coarsest map's.
    n_outputs
        Channels of an answer.
    """

    def __init__(self, widths: Sequence[int], n_outputs: int):
        super().__init__()
        finer, coarser = list(widths[-2::-1]), list(widths[:0:-1])
        self.enlarge = nn.ModuleList(
            [
                nn.ConvTranspose2d(n, width, 2, stride=2)
                for n, width in zip(coarser, finer, strict=True)
            ]
        )
        self.stages = nn.ModuleList([make_stage(2 * width, width) for width in finer])
        self.answers = nn.ModuleList(
            [nn.Conv2d(width, n_outputs, 1) for width in finer]
        )

    def forward(self, coarsest: Tensor, skips: Sequence[Tensor]) -> list[Tensor]:
        """Return the answers ``(N, n_outputs, y, x)`` of all levels, finest first.

        Outside of training there is only the first one.

        Parameters
        ----------
        skips
            Maps of the levels above, finest first.
        """
        found: list[Tensor] = []
        flow = coarsest
        last = len(self.stages) - 1
        for n, skip in enumerate(reversed(skips)):
            flow = self.stages[n](torch.cat([self.enlarge[n](flow), skip], dim=1))
            if self.training or n == last:
                found.insert(0, self.answers[n](flow))
        return found


def start_weights(network: nn.Module) -> None:
    """Draw the kernels of all convolutions for leaky ReLUs; biases begin at 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, a=SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
