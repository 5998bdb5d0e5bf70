"""Fine-tuning to one microscope: simulations that match it, and its own frames.

A trusted frame of the user is a sample like no simulation: its light, dust and noise
are real. Its phase is the classical one; new cells are added to it by turning its own
fringes by a known phase, so that few frames make many samples with a known answer.
"""

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_qpm.errors import ParameterError
from napari_qpm.networks import heterodyne, nearest_disturbance, normalise_frames
from napari_qpm.networks.heterodyne import Octant
from napari_qpm.physics import one_thread
from napari_qpm.training.holograms import (
    SLOPE_OF_OBJECTS,
    HologramDomain,
    HologramStream,
    InputKind,
)
from napari_qpm.training.phase_objects import (
    LEAST_STEEPNESS,
    PhaseObjects,
    SpecimenPool,
)
from napari_qpm.training.phase_recipes import NasPRNetRecipe
from napari_qpm.training.recipe import Batch, MixedStream, Stream, TrainerSettings
from napari_qpm.training.seeds import Dice, seed_of

__all__ = ["AdaptRecipe", "MatchedDomain", "OwnFrame", "OwnFrameStream"]

ADDED_CELLS_SHARE = 0.6
"""Share of own samples that get simulated cells on top."""
LEAST_ADDED_RAD = 0.5
POOL = 16
"""Simulated cells that are kept for some steps; each is turned and scaled anew."""
OWN_FAMILY = 6
"""Of seeds: other specimens than those of the simulations beside the own frames."""

FloatImage = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MatchedDomain(HologramDomain):
    """Interferograms of one microscope: the carrier is known.

    Parameters
    ----------
    carrier_cycles_per_px
        ``(fy, fx)`` of the sideband that holds the phase with its own sign.
    carrier_jitter_bins
        How far it may move when the microscope is touched, in bins of the sample's
        spectrum.
    """

    carrier_cycles_per_px: tuple[float, float] = (0.2, 0.2)
    carrier_jitter_bins: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        frequency = math.hypot(*self.carrier_cycles_per_px)
        if not 0 < frequency <= math.sqrt(0.5):
            raise ParameterError(
                "A carrier is a frequency (fy, fx) up to 0.5 cycles/px an axis, not "
                f"{self.carrier_cycles_per_px}."
            )


class _MatchedStream(HologramStream):
    """Simulations of one microscope.

    Parameters
    ----------
    domain
        What is simulated.
    seed, device, batch_size
        Of the samples.
    """

    domain: MatchedDomain

    def _draw_carriers(self, dice: Dice) -> Tensor:
        shape = torch.tensor(self.domain.shape)
        jitter = self.domain.carrier_jitter_bins * dice.uniform(
            -1, 1, self.batch_size, 2
        )
        return torch.tensor(self.domain.carrier_cycles_per_px) + jitter / shape


@dataclass(frozen=True, eq=False)
class OwnFrame:
    """A frame of the user whose classical phase is trusted, on the network's grid.

    Parameters
    ----------
    hologram
        ``(Y, X)`` raw counts.
    fringes
        ``(Y, X)`` complex: half the fringes with their carrier, so that twice the real
        part is what the hologram holds of them.
    phase
        ``(Y, X)`` [rad] of the cells above their background.
    carrier
        ``(fy, fx)`` [cycles/px] of the sideband that the fringes are of.
    phase_sign
        -1 if that sideband holds the phase of thicker objects reversed.
    surface
        ``(Y, X)`` [rad] that the front end takes out of the mixed fringes, if any.
    """

    hologram: FloatImage
    fringes: NDArray[np.complex64]
    phase: FloatImage
    carrier: tuple[float, float]
    phase_sign: int = 1
    surface: FloatImage | None = None

    def __post_init__(self) -> None:
        shapes = {self.hologram.shape, self.fringes.shape, self.phase.shape}
        if self.surface is not None:
            shapes.add(self.surface.shape)
        if len(shapes) != 1 or self.hologram.ndim != 2:
            raise ParameterError(
                f"Hologram, fringes and phase are of one size (Y, X), not {shapes}."
            )

    def columns(self, first: int, last: int) -> "OwnFrame":
        """Return the part from one column to another."""
        surface = self.surface
        return dataclasses.replace(
            self,
            hologram=self.hologram[:, first:last],
            fringes=self.fringes[:, first:last],
            phase=self.phase[:, first:last],
            surface=None if surface is None else surface[:, first:last],
        )

    def digest(self) -> str:
        """Return a short fingerprint of what it holds."""
        whole = hashlib.sha256(np.ascontiguousarray(self.hologram).tobytes())
        whole.update(np.ascontiguousarray(self.phase).tobytes())
        return whole.hexdigest()[:16]


class OwnFrameStream:
    """Parts of own frames, turned and mirrored, with simulated cells added.

    Parameters
    ----------
    frames
        At least as large as the samples.
    domain
        Shape, range and added cells of the samples.
    seed, device, batch_size
        Of the samples.
    """

    def __init__(
        self,
        frames: tuple[OwnFrame, ...],
        domain: HologramDomain,
        seed: int,
        device: torch.device,
        batch_size: int,
    ):
        for frame in frames:
            sides = zip(frame.hologram.shape, domain.shape, strict=True)
            if any(n < wanted for n, wanted in sides):
                raise ParameterError(
                    f"Frames of {frame.hologram.shape} are smaller than samples of "
                    f"{domain.shape}."
                )
        self.domain, self.seed = domain, int(seed)
        self.device, self.batch_size = device, int(batch_size)
        self._frames = frames
        self._layers = [_layers(frame).to(device) for frame in frames]
        self._pool = SpecimenPool(
            POOL,
            domain.shape,
            seed=self.seed,
            family=OWN_FAMILY,
            device=device,
            size_px=domain.size_px,
            confluence=domain.confluence,
            shares=domain.shares,
        )

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """Return inputs ``(N, C, Y, X)`` and targets ``(N, 1, Y, X)`` from 0 to 1."""
        dice = Dice(seed_of(self.seed, 5, step))
        number = step // max(1, POOL * self.domain.reuse // self.batch_size)
        with one_thread():
            pool = self._pool.specimens(number)
        inputs, targets = [], []
        for _ in range(self.batch_size):
            given, wanted = self._sample(dice, pool)
            inputs.append(given)
            targets.append(wanted)
        target = torch.cat(targets)[:, None] / self.domain.range_rad
        return Batch(torch.cat(inputs), target.clamp(0, 1))

    def _sample(self, dice: Dice, pool: PhaseObjects) -> tuple[Tensor, Tensor]:
        """Return one input ``(1, C, Y, X)`` and its phase ``(1, Y, X)`` [rad]."""
        number = dice.integer(len(self._frames))
        frame = self._frames[number]
        part = self._crop(self._layers[number], dice)
        hologram, phase = part[0], part[3].clamp(min=0)
        carrier = torch.tensor(frame.carrier)
        # The added cells turn the fringes as the sideband's own would.
        if float(dice.uniform(0, 1, 1)) < ADDED_CELLS_SHARE:
            added = self._added(pool, phase, carrier, dice)
            fringes = torch.complex(part[1], part[2])
            turn = torch.polar(torch.ones_like(added), frame.phase_sign * added)
            hologram = hologram + 2 * (fringes * (turn - 1)).real
            phase = phase + added
        if self.domain.input is InputKind.RAW:
            fy, fx = (frame.phase_sign * f for f in frame.carrier)
            octant = Octant.of((fy, fx))
            image = octant.apply(hologram)[None, None].contiguous()
            return normalise_frames(image), octant.apply(phase)[None]
        images = torch.stack([hologram, phase, part[4]])
        images, carrier = self._turned(images, carrier, dice)
        error = self.domain.carrier_error_bins * dice.uniform(-1, 1, 2)
        guess = carrier + error / torch.tensor(self.domain.shape)
        mixed = heterodyne(
            images[None, :1].contiguous(),
            guess.to(self.device),
            frame.phase_sign,
            images[2] if frame.surface is not None else None,
        )
        return mixed, images[1:2]

    def _crop(self, layers: Tensor, dice: Dice) -> Tensor:
        start = [
            dice.integer(n - wanted + 1)
            for n, wanted in zip(layers.shape[1:], self.domain.shape, strict=True)
        ]
        for axis, (first, length) in enumerate(
            zip(start, self.domain.shape, strict=True), start=1
        ):
            layers = layers.narrow(axis, first, length)
        return layers

    def _added(
        self, pool: PhaseObjects, phase: Tensor, carrier: Tensor, dice: Dice
    ) -> Tensor:
        """Return simulated cells ``(Y, X)`` [rad] that the range has room for."""
        number = dice.integer(len(pool))
        steepness = max(float(pool.steepness[number]), LEAST_STEEPNESS)
        slope = 2 * math.pi * float(nearest_disturbance(carrier[None])[0])
        room = self.domain.range_rad - float(phase.max())
        highest = min(
            float(dice.uniform(*self.domain.phase_rad, 1)),
            SLOPE_OF_OBJECTS * slope / steepness,
            room,
        )
        if highest < LEAST_ADDED_RAD:
            return torch.zeros_like(phase)
        cells = pool.phase[number]
        for axis in (0, 1):
            if dice.integer(2):
                cells = cells.flip(axis)
        return highest * cells

    def _turned(
        self, images: Tensor, carrier: Tensor, dice: Dice
    ) -> tuple[Tensor, Tensor]:
        """Return images mirrored and transposed by chance; the carrier follows."""
        carrier = carrier.clone()
        for axis in (0, 1):
            if dice.integer(2):
                images = images.flip(axis + 1)
                carrier[axis] = -carrier[axis]
        if self.domain.shape[0] == self.domain.shape[1] and dice.integer(2):
            images, carrier = images.transpose(1, 2), carrier.flip(0)
        return images, carrier


def _layers(frame: OwnFrame) -> Tensor:
    """Return ``(5, Y, X)``: hologram, fringes (two), phase and surface."""
    surface = np.zeros_like(frame.phase) if frame.surface is None else frame.surface
    parts = [frame.hologram, frame.fringes.real, frame.fringes.imag]
    parts += [np.nan_to_num(frame.phase), surface]
    return torch.from_numpy(np.stack(parts).astype(np.float32))


def _settings() -> TrainerSettings:
    # Judged often: ten minutes on a processor are some hundred steps.
    return TrainerSettings(
        steps=10_000,
        batch_size=4,
        learning_rate=1e-3,
        warmup_steps=10,
        ema_decay=0.98,
        validate_every=40,
        n_validation=16,
        checkpoint_every=40,
        log_every=5,
    )


@dataclass(frozen=True, kw_only=True)
class AdaptRecipe(NasPRNetRecipe):
    """Fine-tune a network of any kind to one microscope.

    Parameters
    ----------
    frames
        Own frames whose phase is trusted; without any, simulations alone.
    own_share
        Of the samples that come from them.
    base
        Name of the model that the weights come from.
    """

    name: ClassVar[str] = "adapt"
    trainer: TrainerSettings = dataclasses.field(default_factory=_settings)
    domain: HologramDomain = dataclasses.field(default_factory=MatchedDomain)
    frames: tuple[OwnFrame, ...] = ()
    own_share: float = 0.5
    base: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.own_share <= 1:
            raise ParameterError(f"own_share is 0 to 1, not {self.own_share}.")

    def config(self) -> dict[str, Any]:
        """Return all settings, serialisable; frames by their fingerprints."""
        bare = dataclasses.replace(self, frames=())
        return {
            **dataclasses.asdict(bare),
            "frames": [frame.digest() for frame in self.frames],
        }

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the two terms of MixGE.

        Norms keep the statistics of the base: those of a few samples jump about.
        """
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return super().loss(network, batch)

    def make_stream(self, seed: int, device: torch.device, batch_size: int) -> Stream:
        """Return matched simulations and parts of own frames, mixed."""
        n_own = round(self.own_share * batch_size) if self.frames else 0
        streams: list[Stream] = []
        if n_own < batch_size:
            kind = (
                _MatchedStream
                if isinstance(self.domain, MatchedDomain)
                else HologramStream
            )
            streams.append(
                kind(self.domain, seed_of(seed, 1), device, batch_size - n_own)
            )
        if n_own:
            streams.append(
                OwnFrameStream(
                    self.frames, self.domain, seed_of(seed, 2), device, n_own
                )
            )
        return streams[0] if len(streams) == 1 else MixedStream(*streams)
