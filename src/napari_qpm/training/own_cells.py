"""Fine-tuning a network to cells that a person outlined, simulations mixed in.

Pieces of few frames are turned, mirrored and changed like those of any training; what
nobody judged is of class `IGNORED`. Simulations keep what the network knew before.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_qpm.errors import ParameterError
from napari_qpm.networks import DMQPMNet
from napari_qpm.physics import one_thread
from napari_qpm.training.augmentation import augment
from napari_qpm.training.cell_fields import CellDomain, cut_piece
from napari_qpm.training.cell_maps import cell_distances
from napari_qpm.training.recipe import (
    Batch,
    MixedStream,
    OptimizerKind,
    Stream,
    TrainerSettings,
)
from napari_qpm.training.seeds import Dice, seed_of
from napari_qpm.training.segmentation_loss import IGNORED
from napari_qpm.training.segmentation_recipes import DMQPMNetRecipe

__all__ = ["CellFrame", "FineTuneRecipe", "OwnCellStream"]

FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]
OWN_CELLS = 6
"""Of seeds: other pieces than those of the simulations beside them."""


@dataclass(frozen=True, eq=False)
class CellFrame:
    """An annotated frame on the network's grid.

    Parameters
    ----------
    images
        ``(C, Y, X)`` what the network sees.
    target
        ``(3, Y, X)``: class (0, 1 or `IGNORED`), centre, boundary.
    """

    images: FloatImage
    target: FloatImage

    @classmethod
    def of(
        cls, images: FloatImage, labels: NDArray[np.integer], judged: Mask
    ) -> "CellFrame":
        """Return the frame of labels ``(Y, X)``, judged where a mask says so."""
        target = cell_distances(labels)
        target[0][~judged] = IGNORED
        return cls(images, target)

    def digest(self) -> str:
        """Return a short fingerprint of what it holds."""
        whole = hashlib.sha256(np.ascontiguousarray(self.images).tobytes())
        whole.update(np.ascontiguousarray(self.target).tobytes())
        return whole.hexdigest()[:16]


class OwnCellStream:
    """Pieces of annotated frames.

    Parameters
    ----------
    frames
        Each with a judged pixel.
    domain
        Shape of the pieces, and how they are changed.
    seed, device, batch_size
        Of the samples.
    """

    def __init__(
        self,
        frames: tuple[CellFrame, ...],
        domain: CellDomain,
        seed: int,
        device: torch.device,
        batch_size: int,
    ):
        self.domain, self.seed = domain, int(seed)
        self.device, self.batch_size = device, int(batch_size)
        self._smooth, self._classes = [], []
        self._judged: list[NDArray[np.int64]] = []
        self._cells: list[NDArray[np.int64]] = []
        for frame in frames:
            images = torch.from_numpy(np.concatenate([frame.images, frame.target[1:]]))
            self._smooth.append(images.to(device))
            self._classes.append(torch.from_numpy(frame.target[:1]).to(device))
            self._judged.append(np.flatnonzero(frame.target[0] != IGNORED))
            self._cells.append(np.flatnonzero(frame.target[0] == 1))
        if not frames or any(places.size == 0 for places in self._judged):
            raise ParameterError("A frame in which nothing is annotated cannot teach.")

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """Return inputs ``(N, C, Y, X)`` and targets ``(N, 3, Y, X)``."""
        dice = Dice(seed_of(self.seed, OWN_CELLS, step))
        n_centred = round(self.domain.oversampling * self.batch_size)
        pieces, classes = [], []
        with one_thread():
            for k in range(self.batch_size):
                number = dice.integer(len(self._smooth))
                is_centred = k >= self.batch_size - n_centred
                centre = self._centre(number, is_centred, dice)
                smooth, nearest = cut_piece(
                    self._smooth[number],
                    self._classes[number],
                    centre,
                    self.domain,
                    dice,
                )
                pieces.append(smooth)
                classes.append(nearest)
            every = torch.stack(pieces)
            images, distances = every[:, :-2], every[:, -2:]
            if self.domain.augments:
                images = augment(images, dice)
        return Batch(images, torch.cat([torch.stack(classes), distances], dim=1))

    def _centre(self, number: int, is_centred: bool, dice: Dice) -> tuple[float, float]:
        """Return ``(y, x)`` [px] of a judged pixel, of a cell if wanted."""
        places = self._cells[number] if is_centred else self._judged[number]
        if places.size == 0:
            places = self._judged[number]
        place = int(places[dice.integer(places.size)])
        y, x = divmod(place, self._classes[number].shape[-1])
        return y + 0.5, x + 0.5


def _settings() -> TrainerSettings:
    # Judged often: five minutes on a processor are some hundred steps.
    return TrainerSettings(
        steps=2_000,
        batch_size=4,
        optimizer=OptimizerKind.ADAMW,
        learning_rate=5e-4,
        final_learning_rate=1e-5,
        warmup_steps=10,
        ema_decay=0.98,
        validate_every=20,
        n_validation=16,
        checkpoint_every=20,
        log_every=5,
    )


@dataclass(frozen=True, kw_only=True)
class FineTuneRecipe(DMQPMNetRecipe):
    """Go on training a network that finds cells, on own frames and simulations.

    Parameters
    ----------
    frames, judges
        What teaches, and what decides which weights are kept.
    replay_share
        Of the samples that are simulated as in the first training.
    base
        Name of the model that the weights come from.
    """

    name: ClassVar[str] = "fine-tune"
    trainer: TrainerSettings = dataclasses.field(default_factory=_settings)
    frames: tuple[CellFrame, ...] = ()
    judges: tuple[CellFrame, ...] = ()
    replay_share: float = 0.25
    base: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.replay_share < 1:
            raise ParameterError(
                f"replay_share is from 0 to below 1, not {self.replay_share}."
            )

    def config(self) -> dict[str, Any]:
        """Return all settings, serialisable; frames by their fingerprints."""
        bare = dataclasses.replace(self, frames=(), judges=())
        return {
            **super(FineTuneRecipe, bare).config(),
            "frames": [frame.digest() for frame in self.frames],
            "judges": [frame.digest() for frame in self.judges],
        }

    def make_network(self) -> nn.Module:
        """Return a network whose weights, input statistics included, are to come."""
        return DMQPMNet(**self.network_config())

    def make_stream(self, seed: int, device: torch.device, batch_size: int) -> Stream:
        """Return pieces of own frames and simulations, mixed."""
        n_replayed = round(self.replay_share * batch_size)
        n_own = batch_size - n_replayed
        own = OwnCellStream(self.frames, self.domain, seed_of(seed, 2), device, n_own)
        if not n_replayed:
            return own
        replayed = super().make_stream(seed_of(seed, 1), device, n_replayed)
        return MixedStream(own, replayed)

    def make_validation(
        self, seed: int, device: torch.device, batch_size: int
    ) -> Stream:
        """Return pieces of the frames that judge, as they are."""
        plain = dataclasses.replace(
            self.domain, augments=False, zoom_share=0.0, turn_share=0.0
        )
        return OwnCellStream(self.judges, plain, seed, device, batch_size)
