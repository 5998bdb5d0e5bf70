"""Running average of a network's weights: it generalises better than the last step."""

import copy

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """Exponential moving average of parameters and buffers.

    Parameters
    ----------
    network
        Its present weights are where the average starts.
    decay
        Weight of the past; early on less, so that the start is soon forgotten.
        0 = the network itself.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.network = network
        if decay:
            self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._pairs = _matching(network, self.network) if decay else ([], [])
        self._counts = [
            (own, other)
            for own, other in zip(
                self.network.buffers(), network.buffers(), strict=True
            )
            if decay and not own.is_floating_point()
        ]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        own, latest = self._pairs
        torch._foreach_lerp_(own, latest, 1 - decay)
        for count, other in self._counts:
            count.copy_(other)


def _matching(network: nn.Module, average: nn.Module) -> tuple[list[Tensor], ...]:
    """Return the floating-point tensors of both, in the same order."""
    return tuple(
        [
            tensor
            for tensor in module.state_dict(keep_vars=False).values()
            if tensor.is_floating_point()
        ]
        for module in (average, network)
    )
