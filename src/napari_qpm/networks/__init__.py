"""Networks as published, one file each; nothing but torch.

They take ``(N, C, Y, X)`` with sides that are multiples of 32, and give what their
docstring says. How weights are found is the business of training.
"""

from napari_qpm.networks.connections import (
    Connection,
    ConnectionMask,
    Cost,
    connection_cost,
    network_cost,
    prune,
)
from napari_qpm.networks.dm_qpmnet import (
    DMQPMNet,
    FusionKind,
    InputMode,
    input_channels,
)
from napari_qpm.networks.heterodyne import (
    Octant,
    heterodyne,
    nearest_disturbance,
    normalise_frames,
)
from napari_qpm.networks.mobilenet_v2 import MobileNetV2Encoder
from napari_qpm.networks.prnet import NasPRNet, SuperPRNet
from napari_qpm.networks.sparse_mask import SparseMaskNet
from napari_qpm.networks.unet import UNet

__all__ = [
    "Connection",
    "ConnectionMask",
    "Cost",
    "DMQPMNet",
    "FusionKind",
    "InputMode",
    "MobileNetV2Encoder",
    "NasPRNet",
    "Octant",
    "SparseMaskNet",
    "SuperPRNet",
    "UNet",
    "connection_cost",
    "heterodyne",
    "input_channels",
    "nearest_disturbance",
    "network_cost",
    "normalise_frames",
    "prune",
]
