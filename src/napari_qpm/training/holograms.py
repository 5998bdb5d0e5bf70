"""Endless simulated interferograms with their phase, made on the training device.

The domain spans what real recordings showed: carriers near the limit of the camera in
every direction, tens of radians of curvature, rings of dust, stray fringes.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.networks import heterodyne, nearest_disturbance, normalise_frames
from napari_qpm.physics import Detector, OffAxisInterferometer, one_thread
from napari_qpm.training.phase_objects import LEAST_STEEPNESS, SpecimenPool
from napari_qpm.training.recipe import Batch
from napari_qpm.training.seeds import Dice, seed_of

__all__ = ["SLOPE_OF_OBJECTS", "HologramDomain", "HologramStream", "InputKind"]

BACKGROUND_ORDER = 4
SLOPE_OF_OBJECTS, SLOPE_OF_BACKGROUND = 0.6, 0.25
"""Steepest phase, in units of the slope at which it leaves the sideband."""
SLOPE_OF_LEGENDRE = 8.0
"""Typical slope at the edge, times the frame's side, of a background of height 1."""
_RANGES = (
    "phase_rad",
    "size_px",
    "confluence",
    "period_px",
    "visibility",
    "background_rad",
    "electrons",
    "read_noise_e",
)


class InputKind(StrEnum):
    """What the network sees."""

    HETERODYNE = "heterodyne"
    """The frame and both quadratures of its fringes: any microscope."""
    RAW = "raw"
    """The frame alone, its carrier in one octant: a fixed microscope."""


@dataclass(frozen=True, kw_only=True)
class HologramDomain:
    """Which interferograms are simulated; ranges are ``(low, high)``.

    Parameters
    ----------
    shape
        ``(Y, X)`` of the samples, multiples of 32.
    input
        What the network sees.
    range_rad
        Phase of target 1.
    phase_rad
        Highest phase of a sample, where its steepness allows it.
    empty_share
        Share of samples without an object.
    size_px, confluence, shares
        Diameters of objects, covered share, and the mix of cells, spheres, droplets.
    period_px
        Of the carrier, in every direction.
    carrier_error_bins
        How far off the carrier is taken to be, in bins of the frame's spectrum.
    visibility
        Fringe contrast.
    background_rad
        Height of curvature and aberrations together, drawn evenly in its logarithm.
        Terms go to the fourth order; tilt is part of the carrier.
    unevenness
        Largest relative deviation of the light.
    n_parasitic, parasitic_visibility
        Most stray fringes, and the largest contrast of one.
    n_rings, ring_strength
        Most ring systems of dust, and the largest effect of one on the amplitude.
    electrons, read_noise_e, bit_depths
        Light of an empty pixel, read noise and bits of the camera.
    reuse
        Steps for which specimens are kept; each turns, scales and records them anew.
    """

    shape: tuple[int, int] = (256, 256)
    input: InputKind = InputKind.HETERODYNE
    range_rad: float = 12.0
    phase_rad: tuple[float, float] = (0.5, 12.0)
    empty_share: float = 0.02
    size_px: tuple[float, float] = (15.0, 600.0)
    confluence: tuple[float, float] = (0.05, 0.8)
    shares: tuple[float, float, float] = (0.75, 0.15, 0.1)
    period_px: tuple[float, float] = (2.2, 9.0)
    carrier_error_bins: float = 0.3
    visibility: tuple[float, float] = (0.3, 1.0)
    background_rad: tuple[float, float] = (0.2, 40.0)
    unevenness: float = 0.4
    n_parasitic: int = 3
    parasitic_visibility: float = 0.08
    n_rings: int = 4
    ring_strength: float = 0.12
    electrons: tuple[float, float] = (3e3, 3e4)
    read_noise_e: tuple[float, float] = (2.0, 6.0)
    bit_depths: tuple[int, ...] = (8, 10, 12)
    reuse: int = 4

    def __post_init__(self) -> None:
        known = [str(kind) for kind in InputKind]
        if str(self.input) not in known:
            raise UnknownNameError("input", str(self.input), known)
        object.__setattr__(self, "input", InputKind(str(self.input)))
        for name, value in vars(self).items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        if len(self.shape) != 2 or any(n < 32 or n % 32 for n in self.shape):
            raise ParameterError(f"shape is multiples of 32, not {self.shape}.")
        for name in _RANGES:
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ParameterError(
                    f"{name} is a range of positive numbers, not ({low}, {high})."
                )
        if len(self.shares) != 3 or min(self.shares) < 0 or not sum(self.shares):
            raise ParameterError(
                f"shares are three: cells, spheres, droplets; not {self.shares}."
            )
        if self.period_px[0] < 2:
            raise ParameterError(
                f"No camera records periods below 2 px; {self.period_px} are asked for."
            )
        if self.phase_rad[1] > self.range_rad:
            raise ParameterError(
                f"phase_rad {self.phase_rad} exceeds range_rad {self.range_rad}."
            )
        if self.reuse < 1:
            raise ParameterError("reuse is at least 1.")

    @property
    def in_channels(self) -> int:
        """Channels that the network sees."""
        return 3 if self.input is InputKind.HETERODYNE else 1


class HologramStream:
    """Samples as a function of seed and step.

    Parameters
    ----------
    domain
        What is simulated.
    seed, device, batch_size
        Of the samples.
    """

    def __init__(
        self, domain: HologramDomain, seed: int, device: torch.device, batch_size: int
    ):
        self.domain, self.seed = domain, int(seed)
        self.device, self.batch_size = device, int(batch_size)
        self._pool = SpecimenPool(
            self.batch_size,
            domain.shape,
            seed=self.seed,
            device=device,
            size_px=domain.size_px,
            confluence=domain.confluence,
            shares=domain.shares,
        )

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """Return inputs ``(N, C, Y, X)`` and targets ``(N, 1, Y, X)`` from 0 to 1."""
        with one_thread():
            return self._make(step)

    def _make(self, step: int) -> Batch:
        dice = Dice(seed_of(self.seed, 2, step))
        carrier = self._draw_carriers(dice)
        phase, amplitude = self._draw_phase(step, carrier, dice)
        frames = self._record(phase, amplitude, carrier, step, dice)
        target = (phase / self.domain.range_rad).clamp(0, 1)[:, None]
        if self.domain.input is InputKind.RAW:
            return Batch(normalise_frames(frames), target)
        error = self.domain.carrier_error_bins * dice.uniform(-1, 1, self.batch_size, 2)
        guess = carrier + error / torch.tensor(self.domain.shape)
        return Batch(heterodyne(frames, guess.to(self.device)), target)

    def _draw_carriers(self, dice: Dice) -> Tensor:
        """Return ``(N, 2)`` frequencies [cycles/px]."""
        frequency = 1 / dice.log_uniform(*self.domain.period_px, self.batch_size)
        turns = 1 / 8 if self.domain.input is InputKind.RAW else 1.0
        angle = dice.uniform(0, 2 * math.pi * turns, self.batch_size)
        return torch.stack([frequency * angle.sin(), frequency * angle.cos()], dim=1)

    def _draw_phase(
        self, step: int, carrier: Tensor, dice: Dice
    ) -> tuple[Tensor, Tensor]:
        """Return phase [rad] and amplitude ``(N, Y, X)`` of turned specimens."""
        domain, n = self.domain, self.batch_size
        pool = self._pool.specimens(step // domain.reuse)
        order = dice.order(n).to(self.device)
        images = torch.stack([pool.phase[order], pool.amplitude[order]], dim=1)
        for axes in ((-2,), (-1,)):
            images = _where(dice.happens(0.5, n), images.flip(axes), images)
        if domain.shape[0] == domain.shape[1]:
            swapped = images.transpose(-2, -1)
            images = _where(dice.happens(0.5, n), swapped, images)
        steepness = pool.steepness[order].cpu().clamp(min=LEAST_STEEPNESS)
        highest = dice.uniform(*domain.phase_rad, n)
        highest = torch.minimum(highest, SLOPE_OF_OBJECTS * _slope(carrier) / steepness)
        highest = torch.where(dice.happens(domain.empty_share, n), 0.0, highest)
        phase, amplitude = images.unbind(1)
        return phase * highest.to(self.device)[:, None, None], amplitude

    def _record(
        self,
        phase: Tensor,
        amplitude: Tensor,
        carrier: Tensor,
        step: int,
        dice: Dice,
    ) -> Tensor:
        """Return raw counts ``(N, 1, Y, X)`` of the specimens."""
        domain, n = self.domain, self.batch_size
        bits = domain.bit_depths[dice.integer(len(domain.bit_depths))]
        brightness = 2**bits * dice.uniform(0.2, 0.4, n)
        gain = dice.log_uniform(*domain.electrons, n) / brightness
        detector = Detector(
            gain_e_per_count=gain,
            read_noise_e=dice.uniform(*domain.read_noise_e, n),
            dark_counts=2**bits * dice.uniform(0, 0.03, n),
            bit_depth=bits,
            exact_poisson=False,
        ).to(self.device)
        interferometer = OffAxisInterferometer(
            domain.shape,
            carrier_cycles_per_px=carrier,
            visibility=dice.uniform(*domain.visibility, n),
            brightness_counts=brightness,
            unevenness=_surface(dice, n, 2, domain.unevenness * dice.uniform(0, 1, n)),
            background_rad=self._draw_background(carrier, dice),
            **self._draw_parasites(dice),
        ).to(self.device)
        generator = torch.Generator(self.device)
        generator.manual_seed(seed_of(self.seed, 3, step))
        counts = interferometer(phase, amplitude * self._draw_rings(phase, dice))
        recorded: Tensor = detector(counts, generator)
        return recorded

    def _draw_background(self, carrier: Tensor, dice: Dice) -> Tensor:
        """Return Legendre coefficients ``(N, 5, 5)`` of curvature and aberrations."""
        n = self.batch_size
        height = dice.log_uniform(*self.domain.background_rad, n) / 2
        most = SLOPE_OF_BACKGROUND * _slope(carrier) * min(self.domain.shape)
        height = torch.minimum(height, most / SLOPE_OF_LEGENDRE)
        coefficients = _surface(dice, n, BACKGROUND_ORDER, height)
        coefficients[:, 0, 1] = coefficients[:, 1, 0] = 0
        coefficients[:, 0, 0] = dice.uniform(-math.pi, math.pi, n)
        return coefficients

    def _draw_parasites(self, dice: Dice) -> dict[str, Any]:
        n, most = self.batch_size, self.domain.n_parasitic
        strength = self.domain.parasitic_visibility * dice.uniform(0, 1, n, most)
        count = dice.uniform(0, most + 1, n, 1).floor()
        strength = torch.where(torch.arange(most) < count, strength, 0.0)
        frequency = dice.log_uniform(0.005, 0.3, n, most)
        angle = dice.uniform(0, 2 * math.pi, n, most)
        return {
            "parasitic_visibility": strength,
            "parasitic_cycles_per_px": torch.stack(
                [frequency * angle.sin(), frequency * angle.cos()], dim=-1
            ),
            "parasitic_phase_rad": dice.uniform(0, 2 * math.pi, n, most),
        }

    def _draw_rings(self, like: Tensor, dice: Dice) -> Tensor:
        """Return the amplitude ``(N, Y, X)`` behind dust that is out of focus.

        Each speck adds ``a cos(q r^2 + psi)``, fading out: its spherical wave upon the
        plane one.
        """
        n, (height, width) = self.batch_size, self.domain.shape
        y = torch.arange(height, device=self.device)[:, None]
        x = torch.arange(width, device=self.device)
        amplitude = torch.ones_like(like)
        count = dice.uniform(0, self.domain.n_rings + 1, n).floor()
        for number in range(self.domain.n_rings):
            strength = self.domain.ring_strength * dice.uniform(0, 1, n)
            drawn = (
                torch.where(count > number, strength, 0.0),
                dice.uniform(0, height, n),
                dice.uniform(0, width, n),
                dice.log_uniform(0.003, 0.1, n),
                dice.uniform(0, 2 * math.pi, n),
                dice.log_uniform(10, 80, n),
            )
            a, cy, cx, q, psi, reach = (v.to(self.device)[:, None, None] for v in drawn)
            squared = (y - cy).square() + (x - cx).square()
            fading = torch.exp(squared / (-2 * reach.square()))
            amplitude += a * torch.cos(q * squared + psi) * fading
        return amplitude


def _slope(carrier: Tensor) -> Tensor:
    """Return ``(N,)`` [rad/px] at which a phase leaves its sideband."""
    return 2 * math.pi * nearest_disturbance(carrier)


def _surface(dice: Dice, n: int, order: int, height: Tensor) -> Tensor:
    """Return random Legendre coefficients up to an order that sum to a height."""
    i = torch.arange(order + 1)
    total = i[:, None] + i
    weight = torch.where((total > 0) & (total <= order), 1.0 / total.clamp(min=1), 0.0)
    coefficients = weight * dice.normal(n, order + 1, order + 1)
    size = coefficients.abs().sum(dim=(1, 2), keepdim=True)
    return coefficients * (height[:, None, None] / size)


def _where(chosen: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return `one` for chosen samples, `other` for the rest."""
    return torch.where(chosen.to(one.device)[:, None, None, None], one, other)
