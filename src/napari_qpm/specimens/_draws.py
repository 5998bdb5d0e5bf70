"""Random numbers of specimens: drawn on the CPU, so that every device agrees."""

import math

import torch
from torch import Tensor

__all__ = ["Draws"]


class Draws:
    """Random tensors from one seed, on the CPU.

    Shapes, positions and masses are a few hundred numbers; drawing them on the CPU
    makes the same seed give the same specimens on every device.
    """

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return uniform numbers between `low` and `high`."""
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def normal(self, mean: float, sd: float, *shape: int) -> Tensor:
        """Return normal numbers."""
        return mean + sd * torch.randn(shape, generator=self.generator)

    def lognormal(self, median: float, sd_log: float, *shape: int) -> Tensor:
        """Return lognormal numbers cut at 2.5 standard deviations."""
        steps = torch.randn(shape, generator=self.generator).clamp_(-2.5, 2.5)
        return median * (sd_log * steps).exp_()

    def angle(self, *shape: int) -> Tensor:
        """Return directions [rad]."""
        return self.uniform(0, 2 * math.pi, *shape)

    def happens(self, probability: Tensor | float, *shape: int) -> Tensor:
        """Return True with this probability."""
        return torch.rand(shape, generator=self.generator) < probability

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Return whole numbers from `low` to `high` - 1."""
        return torch.randint(low, high, shape, generator=self.generator)

    def choice(self, shares: Tensor, count: int) -> Tensor:
        """Return `count` indices drawn with these relative shares."""
        if count == 0:
            return torch.zeros(0, dtype=torch.long)
        return torch.multinomial(shares, count, True, generator=self.generator)
