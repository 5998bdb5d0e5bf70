"""How fast a training goes, and how fast it learns."""

import math
import time

import torch

__all__ = ["StepClock", "learning_rate_at"]

POWER = 0.9
"""Of nnU-Net's polynomial schedule."""


class StepClock:
    """Time of the parts of a step; exact only where it waits for the device."""

    def __init__(self, device: torch.device):
        self.device = device
        self.is_exact = False
        self.reset()

    def reset(self) -> None:
        """Forget what was timed."""
        self._seconds: dict[str, float] = {}
        self._n_steps = 0

    def wait(self) -> None:
        """Let the device finish what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def start(self) -> None:
        """Begin a step."""
        if self.is_exact:
            self.wait()
            self._n_steps += 1
            self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Count the time since the last call under this name."""
        if self.is_exact:
            self.wait()
            now = time.perf_counter()
            self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
            self._last = now

    def share(self, name: str) -> float:
        """Return the part of the time that went under this name."""
        total = sum(self._seconds.values())
        return self._seconds.get(name, 0.0) / total if total else math.nan

    def per_step(self) -> float:
        """Return seconds a step."""
        return sum(self._seconds.values()) / max(self._n_steps, 1)


def learning_rate_at(
    step: int,
    total: int,
    highest: float,
    lowest: float,
    warmup: int,
    *,
    is_polynomial: bool = False,
) -> float:
    """Return the learning rate: a linear rise, then a cosine or a power down."""
    if step < warmup:
        return highest * (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    share = (1 - done) ** POWER if is_polynomial else (1 + math.cos(math.pi * done)) / 2
    return lowest + (highest - lowest) * share
