"""Microscopes that no training ever draws, with all that their frames show.

Training draws each sample's microscope at random. Those here are fixed, and each has
three things that training leaves out altogether: aberrations of the fifth order, light
that is uneven to the third, and a camera of 9, 11 or 14 bits. How high the orders above
the second are is taken from real recordings: 0.3 to 3 rad are found there.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HELD_OUT", "HeldOutInstrument"]

BACKGROUND_ORDER, LIGHT_ORDER = 5, 3
PARASITE_PERIODS_PX = (9.0, 120.0)
RING_REACH_PX = (12.0, 60.0)
RING_CURVATURE = (0.004, 0.08)
DARK_SHARE = 0.015
"""Dark level of the cameras, in units of their full scale."""


@dataclass(frozen=True, kw_only=True)
class HeldOutInstrument:
    """One off-axis microscope and its faults.

    Parameters
    ----------
    name
        What is special about it.
    period_px, direction_deg
        Of the carrier; the direction from x towards y.
    visibility
        Fringe contrast.
    curvature_rad, aberration_rad
        Heights of the phase of an empty field, from the lowest to the highest place:
        of its second order, which microscopes that are not telecentric have by the
        ten, and of the third to fifth together, of which they have a few at most.
    unevenness
        Largest relative deviation of the light.
    parasitic_visibility
        Contrast of each stray fringe.
    ring_strength
        Of each dust ring, on the amplitude.
    bit_depth, level, electrons, read_noise_e
        Camera: bits, mean light of an empty pixel in units of full scale and in
        electrons, and read noise.
    """

    name: str
    period_px: float
    direction_deg: float
    visibility: float
    curvature_rad: float
    aberration_rad: float
    unevenness: float
    parasitic_visibility: tuple[float, ...]
    ring_strength: tuple[float, ...]
    bit_depth: int
    level: float
    electrons: float
    read_noise_e: float

    @property
    def carrier(self) -> tuple[float, float]:
        """``(fy, fx)`` [cycles/px]."""
        angle = math.radians(self.direction_deg)
        return math.sin(angle) / self.period_px, math.cos(angle) / self.period_px

    @property
    def brightness_counts(self) -> float:
        """Mean light of an empty pixel [counts]."""
        return self.level * float(2**self.bit_depth)

    def background(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the phase of the empty field ``(Y, X)`` [rad], without tilt."""
        curvature = _surface(self._dice(1), range(2, 3), shape)
        aberration = _surface(self._dice(6), range(3, BACKGROUND_ORDER + 1), shape)
        piston = self._dice(2).uniform(-math.pi, math.pi)
        total = self.curvature_rad * curvature + self.aberration_rad * aberration
        return np.asarray(total + piston, np.float32)

    def light(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the relative light of the empty field ``(Y, X)``, about 1."""
        surface = _surface(self._dice(3), range(1, LIGHT_ORDER + 1), shape)
        surface = surface - (surface.max() + surface.min()) / 2
        return np.asarray(1 + 2 * self.unevenness * surface, np.float32)

    def parasitic_fringes(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the sum of the stray fringes ``(Y, X)``, in units of the light."""
        y, x = np.ogrid[: shape[0], : shape[1]]
        dice = self._dice(4)
        total = np.zeros(shape)
        for visibility in self.parasitic_visibility:
            period = np.exp(dice.uniform(*np.log(PARASITE_PERIODS_PX)))
            angle, start = dice.uniform(0, 2 * math.pi, 2)
            along = (np.sin(angle) * y + np.cos(angle) * x) / period
            total += visibility * np.cos(2 * math.pi * along + start)
        return np.asarray(total, np.float32)

    def dust(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the amplitude ``(Y, X)`` behind dust out of focus, about 1."""
        y, x = np.ogrid[: shape[0], : shape[1]]
        dice = self._dice(5)
        amplitude = np.ones(shape)
        for strength in self.ring_strength:
            squared = (y - dice.uniform(0, shape[0])) ** 2
            squared = squared + (x - dice.uniform(0, shape[1])) ** 2
            curvature = np.exp(dice.uniform(*np.log(RING_CURVATURE)))
            reach = np.exp(dice.uniform(*np.log(RING_REACH_PX)))
            wave = np.cos(curvature * squared + dice.uniform(0, 2 * math.pi))
            amplitude += strength * wave * np.exp(-squared / (2 * reach**2))
        return np.asarray(amplitude, np.float32)

    def _dice(self, purpose: int) -> np.random.Generator:
        """Return random numbers that belong to this instrument's name."""
        return np.random.default_rng([*self.name.encode(), purpose])


def _surface(
    dice: np.random.Generator, orders: range, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return a random Legendre surface ``(Y, X)`` of these orders, of height 1.

    Each order weighs less than the one before.
    """
    last = orders[-1]
    total = np.add.outer(np.arange(last + 1), np.arange(last + 1))
    weights = np.where(np.isin(total, orders), 1.0 / total.clip(1), 0.0)
    coefficients = weights * dice.standard_normal(weights.shape)
    rows, columns = (
        np.polynomial.legendre.legvander(np.linspace(-1, 1, length), last)
        for length in shape
    )
    surface = np.asarray(rows @ coefficients @ columns.T, np.float64)
    return surface / np.ptp(surface)


HELD_OUT = (
    HeldOutInstrument(
        name="fine fringes",
        period_px=2.7,
        direction_deg=37.0,
        visibility=0.9,
        curvature_rad=0.9,
        aberration_rad=0.3,
        unevenness=0.1,
        parasitic_visibility=(0.02,),
        ring_strength=(0.04,),
        bit_depth=11,
        level=0.33,
        electrons=11_000.0,
        read_noise_e=3.0,
    ),
    HeldOutInstrument(
        name="not telecentric",
        period_px=3.1,
        direction_deg=133.0,
        visibility=0.75,
        curvature_rad=30.0,
        aberration_rad=1.5,
        unevenness=0.3,
        parasitic_visibility=(0.03, 0.02),
        ring_strength=(0.05, 0.05),
        bit_depth=9,
        level=0.3,
        electrons=9_000.0,
        read_noise_e=4.0,
    ),
    HeldOutInstrument(
        name="common lens-based",
        period_px=4.3,
        direction_deg=-21.0,
        visibility=0.65,
        curvature_rad=2.9,
        aberration_rad=0.6,
        unevenness=0.2,
        parasitic_visibility=(0.04,),
        ring_strength=(0.08, 0.03),
        bit_depth=14,
        level=0.36,
        electrons=21_000.0,
        read_noise_e=2.5,
    ),
    HeldOutInstrument(
        name="wide fringes",
        period_px=6.1,
        direction_deg=81.0,
        visibility=0.8,
        curvature_rad=1.6,
        aberration_rad=0.5,
        unevenness=0.15,
        parasitic_visibility=(0.02, 0.02),
        ring_strength=(0.05,),
        bit_depth=11,
        level=0.28,
        electrons=14_000.0,
        read_noise_e=5.0,
    ),
    HeldOutInstrument(
        name="stray light",
        period_px=3.6,
        direction_deg=-112.0,
        visibility=0.55,
        curvature_rad=9.3,
        aberration_rad=1.2,
        unevenness=0.35,
        parasitic_visibility=(0.07, 0.05, 0.04),
        ring_strength=(0.11, 0.09, 0.07),
        bit_depth=9,
        level=0.38,
        electrons=16_000.0,
        read_noise_e=3.5,
    ),
    HeldOutInstrument(
        name="little light",
        period_px=5.2,
        direction_deg=163.0,
        visibility=0.6,
        curvature_rad=0.5,
        aberration_rad=0.3,
        unevenness=0.25,
        parasitic_visibility=(0.03,),
        ring_strength=(0.04, 0.04),
        bit_depth=9,
        level=0.22,
        electrons=3_300.0,
        read_noise_e=6.0,
    ),
    HeldOutInstrument(
        name="edge: finest fringes, weak",
        period_px=2.3,
        direction_deg=-48.0,
        visibility=0.34,
        curvature_rad=17.0,
        aberration_rad=1.0,
        unevenness=0.38,
        parasitic_visibility=(0.06, 0.02),
        ring_strength=(0.1,),
        bit_depth=11,
        level=0.25,
        electrons=6_000.0,
        read_noise_e=5.5,
    ),
    HeldOutInstrument(
        name="edge: widest fringes",
        period_px=8.6,
        direction_deg=-66.0,
        visibility=0.95,
        curvature_rad=5.2,
        aberration_rad=0.8,
        unevenness=0.3,
        parasitic_visibility=(0.05,),
        ring_strength=(0.06, 0.11),
        bit_depth=14,
        level=0.39,
        electrons=27_000.0,
        read_noise_e=2.2,
    ),
)
"""Six within the domain of training, and two at its edges."""
