"""Recipes of DM-QPMNet: cells from angles and phase, or from the phase alone."""

import dataclasses
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from napari_qpm.networks import DMQPMNet, FusionKind, InputMode
from napari_qpm.training.cell_fields import CellDomain, CellStream, statistics_of
from napari_qpm.training.recipe import (
    Batch,
    OptimizerKind,
    Stream,
    TrainerSettings,
)
from napari_qpm.training.segmentation_loss import IGNORED, segmentation_losses

__all__ = ["DMQPMNetPhaseRecipe", "DMQPMNetRecipe"]

statistics_of = functools.lru_cache(maxsize=4)(statistics_of)


def nnunet_settings() -> TrainerSettings:
    """Return the settings of nnU-Net: 1000 epochs of 250 steps are its length."""
    return TrainerSettings(
        steps=250_000,
        batch_size=8,
        optimizer=OptimizerKind.SGD,
        learning_rate=1e-2,
        final_learning_rate=0.0,
        warmup_steps=0,
        weight_decay=3e-5,
        clip_norm=12.0,
        ema_decay=0.99,
    )


@dataclass(frozen=True, kw_only=True)
class DMQPMNetRecipe:
    """Train DM-QPMNet, or what it is compared with on the same samples.

    Parameters
    ----------
    trainer, domain
        How to train, and on what.
    inputs, width, fusion, fusion_stage, drop_angle, has_instances
        Of the network.
    distance_weight
        Of the distances in the loss.
    """

    name: ClassVar[str] = "dm-qpmnet"
    score_name: ClassVar[str] = "dice_less_distance_error"
    trainer: TrainerSettings = field(default_factory=nnunet_settings)
    domain: CellDomain = field(default_factory=CellDomain)
    inputs: str = InputMode.DUAL
    width: int = 32
    fusion: str = FusionKind.ATTENTION
    fusion_stage: int = 2
    drop_angle: int | None = None
    has_instances: bool = True
    distance_weight: float = 1.0

    def config(self) -> dict[str, Any]:
        """Return all settings, serialisable; of measured maps the folder's name only.

        So a training can go on where the maps lie elsewhere.
        """
        values = dataclasses.asdict(self)
        values["domain"]["real_maps"] = Path(self.domain.real_maps).name
        return values

    def network_config(self) -> dict[str, Any]:
        """Return what builds the network."""
        return {
            "inputs": str(self.inputs),
            "width": self.width,
            "fusion": str(self.fusion),
            "fusion_stage": self.fusion_stage,
            "drop_angle": self.drop_angle,
            "has_instances": self.has_instances,
        }

    def make_network(self) -> nn.Module:
        """Return a fresh network that knows what its inputs are like."""
        network = DMQPMNet(**self.network_config())
        found = statistics_of(self.domain, str(self.inputs), self.drop_angle)
        network.normalise.set(**vars(found))
        return network

    def make_stream(self, seed: int, device: torch.device, batch_size: int) -> Stream:
        """Return recordings of simulated and measured cells."""
        return CellStream(
            self.domain, str(self.inputs), self.drop_angle, seed, device, batch_size
        )

    def make_validation(
        self, seed: int, device: torch.device, batch_size: int
    ) -> Stream:
        """Return other samples of the same kind."""
        return self.make_stream(seed, device, batch_size)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return one group: in nnU-Net norms and biases decay like the rest."""
        return [{"params": [p for p in network.parameters() if p.requires_grad]}]

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return Dice, entropy and the error of the distances over all levels."""
        answers = network(batch.inputs)
        return segmentation_losses(answers, batch.target, self.distance_weight)

    def after_step(self, network: nn.Module) -> None:
        """Nothing to do."""

    def scores(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Return the mean Dice of the samples, and the error of distances in cells."""
        is_judged = target[:, 0] != IGNORED
        found = (output[:, 0] > 0) & is_judged
        truth = target[:, 0] == 1
        both = (found & truth).sum(dim=(1, 2))
        total = found.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
        overlap = torch.where(total > 0, 2 * both / total.clamp(min=1), 1.0)
        dice = float(overlap.mean())
        error = 0.0
        if output.shape[1] > 1:
            apart = (output[:, 1:] - target[:, 1:]).abs() * truth[:, None]
            error = float(apart.sum() / (apart.shape[1] * truth.sum().clamp(min=1)))
        return {
            "dice": dice,
            "distance_error": error,
            self.score_name: dice - error,
        }

    def finish(self, network: nn.Module, folder: Path) -> dict[str, Any]:
        """Nothing else comes of it."""
        return {"network_config": self.network_config()}


@dataclass(frozen=True, kw_only=True)
class DMQPMNetPhaseRecipe(DMQPMNetRecipe):
    """Train the sibling that sees phase only, for recordings without angles."""

    name: ClassVar[str] = "dm-qpmnet-phase"
    inputs: str = InputMode.PHASE
