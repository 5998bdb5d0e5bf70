"""MobileNet-v2 (Sandler et al. 2018), width 1, as the encoder of dense networks.

It ends with the last bottleneck stage, and its first block keeps the expansion that
others leave out (the SparseMask variant).
"""

from torch import Tensor, nn

from napari_qpm.networks.connections import BLOCKS, ENCODER_CHANNELS

__all__ = ["InvertedResidual", "MobileNetV2Encoder"]


def _convolution(
    channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    layer = nn.Conv2d(
        channels, out, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return [layer, nn.BatchNorm2d(out)]


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; the input is added where it fits."""

    def __init__(self, channels: int, out: int, expansion: int, stride: int):
        super().__init__()
        hidden = expansion * channels
        self.is_residual = stride == 1 and channels == out
        self.layers = nn.Sequential(
            *_convolution(channels, hidden, 1),
            nn.ReLU6(),
            *_convolution(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU6(),
            *_convolution(hidden, out, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(N, out, Y / stride, X / stride)``, not rectified."""
        result: Tensor = self.layers(images)
        return images + result if self.is_residual else result


class MobileNetV2Encoder(nn.Module):
    """Eight features: the stem before its activation, and seven bottleneck stages."""

    def __init__(self, in_channels: int = 3):
        super().__init__()
        channels = ENCODER_CHANNELS[0]
        self.stem = nn.Sequential(*_convolution(in_channels, channels, 3, stride=2))
        self.activation = nn.ReLU6()
        stages = []
        for expansion, out, repeats, first_stride in BLOCKS:
            strides = [first_stride] + [1] * (repeats - 1)
            blocks = []
            for stride in strides:
                blocks.append(InvertedResidual(channels, out, expansion, stride))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return E1 to E8 of ``(N, C, Y, X)``."""
        features = [self.stem(images)]
        flow = self.activation(features[0])
        for stage in self.stages:
            flow = stage(flow)
            features.append(flow)
        return features
