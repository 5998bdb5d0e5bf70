"""A decoder in the style of SparseMask (Wu et al. 2019), for comparison.

Where NAS-PRNet convolves 3 by 3, gives coarse stages more channels and lets large
features feed small ones, this one has 1 by 1 convolutions, one depth for all stages,
and features only flow from coarse to fine.
"""

from torch import Tensor, nn
from torch.nn import functional

from napari_qpm.networks._layers import Fusion, check_input
from napari_qpm.networks.connections import GROUND, STAGES, STRIDES
from napari_qpm.networks.mobilenet_v2 import MobileNetV2Encoder
from napari_qpm.networks.prnet import RANGE_RAD, PhaseHead

__all__ = ["SparseMaskNet"]


class SparseMaskNet(nn.Module):
    """MobileNet-v2 with the dense decoder from which SparseMask starts.

    Parameters
    ----------
    in_channels
        Of the input.
    depth
        Channels of every decoder stage.
    range_rad
        Phase of output 1.
    """

    def __init__(
        self, in_channels: int = 3, depth: int = 64, range_rad: float = RANGE_RAD
    ):
        super().__init__()
        self.in_channels = int(in_channels)
        self.encoder = MobileNetV2Encoder(in_channels)
        width = {f"D{stage}": depth for stage in STAGES}
        self.fusion = nn.ModuleDict()
        self.norm = nn.ModuleDict()
        for stage in STAGES:
            sources = [f"E{level}" for level in STAGES if level >= stage]
            sources += [GROUND, *(f"D{d}" for d in STAGES if d > stage)]
            stride = STRIDES[stage - 1]
            self.fusion[f"D{stage}"] = Fusion(sources, stride, depth, 1, width)
            self.norm[f"D{stage}"] = nn.BatchNorm2d(depth)
        self.head = PhaseHead(depth, kernel=1, range_rad=range_rad)

    def forward(self, images: Tensor) -> Tensor:
        """Return the map ``(N, 1, Y, X)`` from 0 to 1 of inputs ``(N, C, Y, X)``."""
        check_input(images, self.in_channels)
        taps = self.encoder(images)
        features = {
            f"E{level}": functional.relu6(tap)
            for level, tap in enumerate(taps, start=1)
        }
        features[GROUND] = functional.relu6(taps[-1].mean(dim=(2, 3), keepdim=True))
        for stage in reversed(STAGES):
            name = f"D{stage}"
            total = self.fusion[name](features, taps[stage - 1].shape[2:])
            features[name] = functional.relu6(self.norm[name](total))
        size = (images.shape[2], images.shape[3])
        result: Tensor = self.head(features["D1"], size)
        return result

    def phase(self, images: Tensor) -> Tensor:
        """Return the phase ``(N, Y, X)`` [rad]."""
        return self(images)[:, 0] * self.head.range_rad
