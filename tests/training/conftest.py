"""A recipe that learns in milliseconds, to test the trainer by itself."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from napari_qpm.training import Batch, TrainerSettings


class LineStream:
    """Points near the line y = 2 x + 1."""

    def __init__(self, seed: int, batch_size: int):
        self.seed, self.batch_size = seed, batch_size

    def batch(self, step: int) -> Batch:
        generator = torch.Generator().manual_seed((self.seed + step) % 2**60)
        x = torch.rand(self.batch_size, 1, 1, 1, generator=generator)
        return Batch(x, 2 * x + 1)


@dataclass(frozen=True, kw_only=True)
class LineRecipe:
    """A 1 by 1 convolution with dropout, whose random numbers must be resumed, too."""

    trainer: TrainerSettings = field(
        default_factory=lambda: TrainerSettings(
            steps=60,
            batch_size=8,
            learning_rate=0.1,
            warmup_steps=5,
            validate_every=20,
            n_validation=16,
            checkpoint_every=10,
            log_every=10,
            ema_decay=0.9,
        )
    )
    slope: float = 2.0
    name: ClassVar[str] = "line"
    score_name: ClassVar[str] = "closeness"

    def config(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def make_network(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Dropout(0.1))

    def make_stream(self, seed: int, device: torch.device, batch_size: int):
        return LineStream(seed, batch_size)

    def make_validation(self, seed: int, device: torch.device, batch_size: int):
        return self.make_stream(seed, device, batch_size)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        return [{"params": list(network.parameters())}]

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"mse": (network(batch.inputs) - batch.target).square().mean()}

    def after_step(self, network: nn.Module) -> None:
        """Nothing to do."""

    def scores(self, output: Tensor, target: Tensor) -> dict[str, float]:
        return {"closeness": -float((output - target).square().mean())}

    def finish(self, network: nn.Module, folder: Path) -> dict[str, Any]:
        return {"bias": float(network[1].bias.detach())}


@pytest.fixture
def line_recipe() -> LineRecipe:
    return LineRecipe()


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
