"""Specimens for phase retrieval by the pixel: cells and spheres of any size on screen.

What counts here is how large an object is in pixels and how steep its phase, not its
mass; so maps are scaled to a highest value of 1, and the stream gives them radians.
"""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from napari_qpm.specimens import CellKind, ObjectKind, simulate_cells, simulate_objects
from napari_qpm.training.seeds import Dice, seed_of

__all__ = [
    "DIAMETER_UM",
    "LEAST_STEEPNESS",
    "PhaseObjects",
    "SpecimenPool",
    "draw_phase_objects",
]

DIAMETER_UM = {
    CellKind.ADHERENT: 31.0,
    CellKind.COLONY: 19.0,
    CellKind.ROUNDED: 16.0,
    CellKind.RED_BLOOD: 7.7,
    CellKind.SUSPENSION: 12.0,
}
"""Of a cell of median mass, to choose a pixel size by."""
IMAGES_PER_DRAW = 4
"""Images that share kind and scale: one draw of four costs little more than of one."""
MOST_SPHERES = 30
STEEP_SHARE = 0.995
"""Steps between neighbours are judged by this quantile: rims of spheres are endless."""
LEAST_STEEPNESS = 1e-3
"""Of an object, where something is divided by it."""
LARGEST_SIZE = 1.2
"""Of objects, in frame sides: from inside a cell nobody can tell where phase 0 is."""


@dataclass(frozen=True, eq=False)
class PhaseObjects:
    """Maps scaled to a highest value of 1.

    Parameters
    ----------
    phase
        ``(N, Y, X)`` from 0 to 1.
    amplitude
        ``(N, Y, X)`` transmitted amplitude.
    steepness
        ``(N,)`` step between neighbouring pixels that hardly any exceeds.
    """

    phase: Tensor
    amplitude: Tensor
    steepness: Tensor

    def __len__(self) -> int:
        return len(self.phase)


def draw_phase_objects(
    n: int,
    shape: tuple[int, int],
    *,
    seed: int,
    device: torch.device,
    size_px: tuple[float, float],
    confluence: tuple[float, float],
    shares: tuple[float, float, float],
) -> PhaseObjects:
    """Return `n` maps.

    Parameters
    ----------
    n, shape
        Number and ``(Y, X)``.
    seed, device
        The same seed gives the same maps.
    size_px
        Range of cell and sphere diameters, drawn evenly in their logarithm.
    confluence
        Range of the covered share.
    shares
        Of cells, spheres, and droplets with structure of all scales.
    """
    dice = Dice(seed_of(seed, 0))
    largest = min(size_px[1], LARGEST_SIZE * min(shape))
    smallest = min(size_px[0], largest)
    phases, amplitudes = [], []
    for part, first in enumerate(range(0, n, IMAGES_PER_DRAW)):
        count = min(IMAGES_PER_DRAW, n - first)
        own = seed_of(seed, 1, part)
        size = float(dice.log_uniform(smallest, largest, 1))
        family = dice.choice(shares)
        kind = list(CellKind)[dice.integer(len(CellKind))]
        if family == 0:
            phase, amplitude = _cells(count, shape, own, device, kind, size, confluence)
        elif family == 1:
            covered = dice.uniform(*confluence, count)
            phase = _spheres(count, shape, Dice(own), device, size, covered)
            amplitude = torch.ones_like(phase)
        else:
            made = simulate_objects(
                count, seed=own, device=device, shape=shape, kinds=(ObjectKind.BLOBS,)
            )
            phase, amplitude = made.opd_um, made.amplitude
        phases.append(phase)
        amplitudes.append(amplitude)
    return _scaled(torch.cat(phases), torch.cat(amplitudes))


class SpecimenPool:
    """Maps that serve for a while, then others; a function of seed and number.

    Parameters
    ----------
    n, shape, device, size_px, confluence, shares
        As of `draw_phase_objects`.
    seed, family
        Pools of another family have unrelated maps.
    """

    def __init__(
        self,
        n: int,
        shape: tuple[int, int],
        *,
        seed: int,
        device: torch.device,
        size_px: tuple[float, float],
        confluence: tuple[float, float],
        shares: tuple[float, float, float],
        family: int = 1,
    ):
        self._seeds = seed, family
        self._draw = partial(
            draw_phase_objects,
            n,
            shape,
            device=device,
            size_px=size_px,
            confluence=confluence,
            shares=shares,
        )
        self._number = -1
        self._present: PhaseObjects | None = None

    def specimens(self, number: int) -> PhaseObjects:
        """Return the maps of this number, drawn when it changes."""
        if self._present is None or self._number != number:
            self._present = self._draw(seed=seed_of(*self._seeds, number))
            self._number = number
        return self._present


def _cells(
    count: int,
    shape: tuple[int, int],
    seed: int,
    device: torch.device,
    kind: CellKind,
    size_px: float,
    confluence: tuple[float, float],
) -> tuple[Tensor, Tensor]:
    pixel_um = DIAMETER_UM[kind] / size_px
    cells = simulate_cells(
        count,
        seed=seed,
        device=device,
        shape=shape,
        pixel_um=pixel_um,
        kinds=(kind,),
        confluence=confluence,
        # What an objective resolves is never finer than the camera's pixels.
        blur_um=max(0.3, 0.7 * pixel_um),
    )
    return cells.opd_um, cells.amplitude


def _spheres(
    count: int,
    shape: tuple[int, int],
    dice: Dice,
    device: torch.device,
    size_px: float,
    covered: Tensor,
) -> Tensor:
    """Return ``(N, Y, X)`` projected thickness of spheres that may overlap."""
    height, width = shape
    area = math.pi * (size_px / 2) ** 2
    wanted = (covered * height * width / area).ceil().clamp(1, MOST_SPHERES)
    y = torch.arange(height, device=device)[:, None]
    x = torch.arange(width, device=device)
    total = torch.zeros(count, height, width, device=device)
    for number in range(int(wanted.max())):
        radius = size_px / 2 * dice.uniform(0.6, 1.2, count)
        centre_y = dice.uniform(0, height, count)
        centre_x = dice.uniform(0, width, count)
        radius = torch.where(wanted > number, radius, 0.0)
        r, cy, cx = (
            values.to(device)[:, None, None] for values in (radius, centre_y, centre_x)
        )
        squared = r.square() - (y - cy).square() - (x - cx).square()
        total += 2 * squared.clamp(min=0).sqrt()
    return total


def _scaled(phase: Tensor, amplitude: Tensor) -> PhaseObjects:
    highest = phase.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    phase = phase / highest
    down = (phase[:, 1:, :] - phase[:, :-1, :])[:, ::2, ::2].abs().flatten(1)
    right = (phase[:, :, 1:] - phase[:, :, :-1])[:, ::2, ::2].abs().flatten(1)
    steps = torch.cat([down, right], dim=1)
    rank = max(1, int(STEEP_SHARE * steps.shape[1]))
    steepness = steps.kthvalue(rank, dim=1).values
    return PhaseObjects(phase, amplitude, steepness)
