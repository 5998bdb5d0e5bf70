"""The classic U-Net (Ronneberger et al. 2015) with norms and same-size convolutions.

The yardstick of the phase-retrieval networks; 64 channels wide it has 31 million
parameters.
"""

import torch
from torch import Tensor, nn

from napari_qpm.networks._layers import check_input
from napari_qpm.networks.prnet import RANGE_RAD, PhaseHead

__all__ = ["UNet"]

LEVELS = 5


def _double(channels: int, out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in in (channels, out):
        layer = nn.Conv2d(n_in, out, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(layer.weight, mode="fan_out")
        layers += [layer, nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Five levels of two convolutions, joined across.

    Parameters
    ----------
    in_channels
        Of the input.
    width
        Channels of the finest level; they double with each coarser one.
    range_rad
        Phase of output 1.
    """

    def __init__(
        self, in_channels: int = 3, width: int = 64, range_rad: float = RANGE_RAD
    ):
        super().__init__()
        self.in_channels = int(in_channels)
        widths = [width * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(
            [
                _double(n, m)
                for n, m in zip([in_channels, *widths], widths, strict=False)
            ]
        )
        self.pool = nn.MaxPool2d(2)
        self.enlarge = nn.ModuleList(
            [nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2::-1]]
        )
        self.up = nn.ModuleList([_double(2 * w, w) for w in widths[-2::-1]])
        self.head = PhaseHead(width, kernel=1, range_rad=range_rad)

    def forward(self, images: Tensor) -> Tensor:
        """Return the map ``(N, 1, Y, X)`` from 0 to 1 of inputs ``(N, C, Y, X)``."""
        check_input(images, self.in_channels)
        skipped = []
        flow = images
        for level, block in enumerate(self.down):
            flow = block(flow if level == 0 else self.pool(flow))
            skipped.append(flow)
        for enlarge, block, skip in zip(
            self.enlarge, self.up, skipped[-2::-1], strict=True
        ):
            flow = block(torch.cat([skip, enlarge(flow)], dim=1))
        result: Tensor = self.head(flow, (images.shape[2], images.shape[3]))
        return result

    def phase(self, images: Tensor) -> Tensor:
        """Return the phase ``(N, Y, X)`` [rad]."""
        return self(images)[:, 0] * self.head.range_rad
