"""What the trainer has to know of a network: data, loss, scores. One recipe each."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from napari_qpm.errors import ParameterError, UnknownNameError

__all__ = [
    "Batch",
    "MixedStream",
    "OptimizerKind",
    "Recipe",
    "Stream",
    "TrainerSettings",
]


class OptimizerKind(StrEnum):
    """How weights follow the gradient, and the learning rate its schedule."""

    ADAMW = "adamw"
    """Adam with decoupled decay; after the rise, a cosine."""
    SGD = "sgd"
    """Nesterov's momentum 0.99; after the rise, nnU-Net's power 0.9 of what is left."""


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """How any network is trained.

    Parameters
    ----------
    steps
        Length of the schedule. A time budget shortens it, never lengthens it.
    batch_size
        Samples of a step.
    optimizer
        An `OptimizerKind`.
    learning_rate, final_learning_rate, warmup_steps
        Linear rise to the first, then down to the second as the optimizer says.
    weight_decay
        A recipe may exempt parameters.
    ema_decay
        Of the running average of the weights that is validated and kept; 0 = none.
    clip_norm
        Largest norm of the gradient.
    mixed_precision
        bfloat16 where the device computes with it; never on the CPU.
    validate_every, n_validation
        Steps between validations, and how many samples they see.
    checkpoint_every, log_every
        Steps between checkpoints and between rows of the log.
    """

    steps: int = 30_000
    batch_size: int = 16
    optimizer: str = OptimizerKind.ADAMW
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warmup_steps: int = 100
    weight_decay: float = 1e-2
    ema_decay: float = 0.999
    clip_norm: float = 1.0
    mixed_precision: bool = True
    validate_every: int = 250
    n_validation: int = 64
    checkpoint_every: int = 250
    log_every: int = 25

    def __post_init__(self) -> None:
        counts = (
            "steps",
            "batch_size",
            "validate_every",
            "n_validation",
            "checkpoint_every",
            "log_every",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} is at least 1.")
        known = [str(kind) for kind in OptimizerKind]
        if str(self.optimizer) not in known:
            raise UnknownNameError("optimizer", str(self.optimizer), known)
        object.__setattr__(self, "optimizer", OptimizerKind(str(self.optimizer)))
        if not 0 <= self.ema_decay < 1:
            raise ParameterError(f"ema_decay is 0 to 1, not {self.ema_decay}.")
        if self.learning_rate <= 0 or self.clip_norm <= 0:
            raise ParameterError("learning_rate and clip_norm are positive.")


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one step.

    Parameters
    ----------
    inputs
        ``(N, C, Y, X)`` what the network sees.
    target
        ``(N, …)`` what it should answer.
    """

    inputs: Tensor
    target: Tensor


class Stream(Protocol):
    """Endless samples: a function of the step alone."""

    def batch(self, step: int) -> Batch:
        """Return the samples of a step, on the training device."""
        ...


class MixedStream:
    """Streams side by side in one batch.

    Parameters
    ----------
    *streams
        The samples of the first come first.
    """

    def __init__(self, *streams: Stream):
        self._streams = streams

    def batch(self, step: int) -> Batch:
        """Return the samples of all."""
        batches = [stream.batch(step) for stream in self._streams]
        return Batch(
            torch.cat([one.inputs for one in batches]),
            torch.cat([one.target for one in batches]),
        )


class Recipe(Protocol):
    """One network and how it learns."""

    @property
    def name(self) -> str:
        """Key on the command line."""
        ...

    @property
    def trainer(self) -> TrainerSettings:
        """Settings of the trainer."""
        ...

    @property
    def score_name(self) -> str:
        """Score whose highest value decides which weights are kept."""
        ...

    def config(self) -> dict[str, Any]:
        """Return all settings, serialisable."""
        ...

    def make_network(self) -> nn.Module:
        """Return a fresh network; torch's seed is set before."""
        ...

    def make_stream(self, seed: int, device: torch.device, batch_size: int) -> Stream:
        """Return samples for training."""
        ...

    def make_validation(
        self, seed: int, device: torch.device, batch_size: int
    ) -> Stream:
        """Return samples that judge the weights; the seed is another one."""
        ...

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return groups for the optimizer.

        ``lr_factor`` scales the learning rate of one, and ``waiting_share`` of the
        schedule it stays as it is.
        """
        ...

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the terms whose sum is minimised."""
        ...

    def after_step(self, network: nn.Module) -> None:
        """Bring the network back to what is allowed, after each step."""
        ...

    def scores(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """Return scores of the validation set, the higher `score_name` the better."""
        ...

    def finish(self, network: nn.Module, folder: Path) -> dict[str, Any]:
        """Write what else comes of the best network; return facts about it."""
        ...
