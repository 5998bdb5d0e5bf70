"""Recipes of NAS-PRNet: the search over connections, and training what it found."""

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.networks import (
    ConnectionMask,
    NasPRNet,
    SparseMaskNet,
    SuperPRNet,
    UNet,
    network_cost,
)
from napari_qpm.training.holograms import HologramDomain, HologramStream
from napari_qpm.training.losses import MixedGradientError, root_error
from napari_qpm.training.recipe import Batch, Stream, TrainerSettings
from napari_qpm.training.scores import map_scores

__all__ = ["NasPRNetRecipe", "NasPRNetSearchRecipe", "NetworkKind"]

MASK_FILE = "mask.json"


class NetworkKind(StrEnum):
    """Networks that learn phase from one interferogram."""

    NAS_PRNET = "nas-prnet"
    """The connections of a mask; all 100 without one."""
    SUPER_PRNET = "super-prnet"
    """All 100 connections, weighed."""
    U_NET = "u-net"
    """Classic U-Net, for comparison."""
    SPARSE_MASK = "sparse-mask"
    """Decoder in the style of SparseMask, for comparison."""


@dataclass(frozen=True, kw_only=True)
class _PhaseRecipe:
    """What training and search share.

    Parameters
    ----------
    trainer, domain
        How to train, and on what.
    gradient_weight
        Of the gradient term of MixGE.
    root_weight
        Of the error of the maps' square roots, which minds faint cells; none as
        published.
    """

    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    domain: HologramDomain = field(default_factory=HologramDomain)
    gradient_weight: float = 0.1
    root_weight: float = 0.0
    score_name: ClassVar[str] = "mean_psnr_db"

    def config(self) -> dict[str, Any]:
        """Return all settings, serialisable."""
        return dataclasses.asdict(self)

    def make_stream(self, seed: int, device: torch.device, batch_size: int) -> Stream:
        """Return simulated interferograms."""
        return HologramStream(self.domain, seed, device, batch_size)

    def make_validation(
        self, seed: int, device: torch.device, batch_size: int
    ) -> Stream:
        """Return other samples of the same kind."""
        return self.make_stream(seed, device, batch_size)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return groups: norms, biases and connection weights do not decay."""
        decaying: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in network.parameters():
            if parameter.requires_grad:
                (decaying if parameter.ndim > 1 else others).append(parameter)
        return [{"params": decaying}, {"params": others, "weight_decay": 0.0}]

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the two terms of MixGE, and that of the roots."""
        output = network(batch.inputs).float()
        squared, gradient = MixedGradientError(self.gradient_weight)(
            output, batch.target
        )
        terms = {"mse": squared, "gradient": gradient}
        if self.root_weight:
            terms["root"] = self.root_weight * root_error(output, batch.target)
        return terms

    def after_step(self, network: nn.Module) -> None:
        """Nothing to do."""

    def scores(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Return PSNR, SSIM and errors of the map."""
        return map_scores(output, target, self.domain.range_rad)

    def finish(self, network: nn.Module, folder: Path) -> dict[str, Any]:
        """Nothing else comes of it."""
        return {}


@dataclass(frozen=True, kw_only=True)
class NasPRNetRecipe(_PhaseRecipe):
    """Train the derived network, or a baseline on the same samples.

    Parameters
    ----------
    network
        Which one.
    connections
        Of NAS-PRNet, as ``"E3->D2"``; None = all 100.
    width
        Channels of the U-Net's finest level, or of each SparseMask stage.
    """

    name: ClassVar[str] = "nas-prnet"
    network: NetworkKind = NetworkKind.NAS_PRNET
    connections: tuple[str, ...] | None = None
    width: int = 64

    def __post_init__(self) -> None:
        known = [str(kind) for kind in NetworkKind]
        if str(self.network) not in known:
            raise UnknownNameError("network", str(self.network), known)
        object.__setattr__(self, "network", NetworkKind(str(self.network)))
        if self.connections is not None:
            object.__setattr__(self, "connections", tuple(self.connections))
            if self.network is not NetworkKind.NAS_PRNET:
                raise ParameterError(f"A mask does not fit a {self.network.value}.")

    @property
    def mask(self) -> ConnectionMask:
        """Connections of NAS-PRNet."""
        if self.connections is None:
            return ConnectionMask.full()
        return ConnectionMask.of(*self.connections)

    def make_network(self) -> nn.Module:
        """Return a fresh network."""
        channels, range_rad = self.domain.in_channels, self.domain.range_rad
        match self.network:
            case NetworkKind.NAS_PRNET:
                return NasPRNet(self.mask, channels, range_rad)
            case NetworkKind.SUPER_PRNET:
                return SuperPRNet(channels, range_rad)
            case NetworkKind.U_NET:
                return UNet(channels, self.width, range_rad)
            case NetworkKind.SPARSE_MASK:
                return SparseMaskNet(channels, self.width, range_rad)

    def after_step(self, network: nn.Module) -> None:
        """Bring connection weights back to 0 to 1."""
        if isinstance(network, SuperPRNet):
            network.clamp_weights()

    def finish(self, network: nn.Module, folder: Path) -> dict[str, Any]:
        """Write the mask of a NAS-PRNet beside its weights."""
        if not isinstance(network, NasPRNet):
            return {}
        network.mask.dump(folder / MASK_FILE)
        return _facts(network.mask, self.domain.in_channels)


@dataclass(frozen=True, kw_only=True)
class NasPRNetSearchRecipe(_PhaseRecipe):
    """Search which of the 100 connections of super-PRNet are needed.

    Parameters
    ----------
    binary_weight, sparsity_weight
        alpha and beta: of the mean entropy and of the sum of the weights.
    rate_factor
        Learning rate of the connection weights over that of the rest.
    waiting_share
        Share of the schedule before the connection weights move. From the start, all
        but those of the stem fall to 0 before the deeper features have learned
        anything: 19 connections stayed after 250 steps.
    weight_noise
        Standard deviation of noise on the connection weights.
    """

    name: ClassVar[str] = "nas-prnet-search"
    # An average lags behind weights that the search drives to 0.
    trainer: TrainerSettings = field(
        default_factory=lambda: TrainerSettings(ema_decay=0.0)
    )
    binary_weight: float = 5e-3
    sparsity_weight: float = 5e-5
    rate_factor: float = 5.0
    waiting_share: float = 0.4
    weight_noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.waiting_share < 1:
            raise ParameterError(f"waiting_share is 0 to 1, not {self.waiting_share}.")

    def make_network(self) -> nn.Module:
        """Return a fresh super-PRNet."""
        return SuperPRNet(
            self.domain.in_channels, self.domain.range_rad, self.weight_noise
        )

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return groups; the connection weights have their own learning rate."""
        assert isinstance(network, SuperPRNet)
        weights = network.connection_weights
        groups = super().parameter_groups(network)
        groups[1]["params"] = [p for p in groups[1]["params"] if p is not weights]
        own = {
            "params": [weights],
            "weight_decay": 0.0,
            "lr_factor": self.rate_factor,
            "waiting_share": self.waiting_share,
        }
        return [*groups, own]

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return MixGE, entropy and sparsity."""
        assert isinstance(network, SuperPRNet)
        return {
            **super().loss(network, batch),
            "binary": self.binary_weight * network.binary_loss(),
            "sparsity": self.sparsity_weight * network.sparsity_loss(),
        }

    def after_step(self, network: nn.Module) -> None:
        """Bring connection weights back to 0 to 1."""
        assert isinstance(network, SuperPRNet)
        network.clamp_weights()

    def finish(self, network: nn.Module, folder: Path) -> dict[str, Any]:
        """Prune the best network and write its mask."""
        assert isinstance(network, SuperPRNet)
        weights = network.weights_by_connection()
        found = {str(connection): round(w, 6) for connection, w in weights.items()}
        mask = network.derive_mask(origin={"recipe": self.name, "weights": found})
        mask.dump(folder / MASK_FILE)
        return _facts(mask, self.domain.in_channels)


def _facts(mask: ConnectionMask, in_channels: int) -> dict[str, Any]:
    cost = network_cost(mask, in_channels=in_channels)
    return {
        "connections": len(mask),
        "derived_params": cost.params,
        "derived_macs_1024": cost.macs,
    }
