"""Parameters and multiply-accumulates of any network, counted by running it on nothing.

Tensors of torch's ``meta`` device have shapes but no values, so that counting costs no
time, and what is counted is what runs.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_qpm.networks import Cost
from napari_qpm.runtime.architectures import make_network

__all__ = ["count_cost"]

COST_SHAPE = (1024, 1024)


def count_cost(
    architecture: str, config: Mapping[str, Any], shape: tuple[int, int] = COST_SHAPE
) -> Cost:
    """Return the cost of a network for one input ``(Y, X)``.

    Counted are the multiply-accumulates of convolutions and matrix products; norms,
    activations and resizing are not.
    """
    network = make_network(architecture, config).to("meta")
    params = sum(parameter.numel() for parameter in network.parameters())
    channels = int(config.get("in_channels", 3))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, channels, *shape, device="meta"))
    return Cost(params, counter.get_total_flops() // 2)
