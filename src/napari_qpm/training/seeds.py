"""Random numbers that are a function of seed and step, so that a restart repeats them.

Nothing has to be stored of a data stream: batch 1000 is the same whether or not the
999 before it were made.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["Dice", "seed_of"]


def seed_of(*numbers: int) -> int:
    """Return one 63-bit seed for several numbers; any change gives an unrelated one."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


class Dice:
    """Random tensors from one seed, drawn on the CPU so that all devices agree."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return numbers evenly between `low` and `high`."""
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return numbers whose logarithms lie evenly."""
        return torch.exp(self.uniform(math.log(low), math.log(high), *shape))

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers."""
        return torch.randn(shape, generator=self.generator)

    def happens(self, probability: float, *shape: int) -> Tensor:
        """Return True with this probability."""
        return torch.rand(shape, generator=self.generator) < probability

    def integer(self, high: int) -> int:
        """Return a whole number from 0 to `high` - 1."""
        return int(torch.randint(high, (1,), generator=self.generator))

    def choice(self, shares: Sequence[float]) -> int:
        """Return a position in `shares`, each as often as its share says."""
        weights = torch.tensor(shares, dtype=torch.float32)
        return int(torch.multinomial(weights, 1, generator=self.generator))

    def order(self, n: int) -> Tensor:
        """Return 0 to `n` - 1 shuffled."""
        return torch.randperm(n, generator=self.generator)
