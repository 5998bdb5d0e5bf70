"""Cells that crawl, grow exponentially, round up and divide without losing mass."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_qpm.specimens._cell_shape import Body, Pose, smooth_step
from napari_qpm.specimens._settings import ALPHA_UM3_PER_PG, SampleSettings, Stream

__all__ = ["Cell", "crawl", "divide", "seed_cells"]

BIRTH_MASS_PG = 340.0
DOUBLING_S = 20 * 3600.0
SPREAD_UM2_PER_PG = 1.5
CONFLUENCE = 0.3
MITOTIC_INDEX_STEP = 0.032
ROUNDING_S = 20 * 60.0
FURROW_S = 10 * 60.0
MITOSIS_S = 50 * 60.0
RESPREAD_S = 50 * 60.0
REST_AFTER_DIVISION_S = 20 * 60.0
CRAWL_UM_PER_S = 0.1 / 60.0
PERSISTENCE_S = 1800.0


@dataclass(eq=False)
class Cell:
    """One cell from birth to division."""

    label: int
    born_s: float
    birth_pg: float
    divides_s: float
    position: NDArray[np.float64]
    body: Body
    is_newborn: bool = False
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    @property
    def mitosis_s(self) -> float:
        """When it begins to round up."""
        return self.divides_s - MITOSIS_S

    @property
    def grows_from_s(self) -> float:
        return self.born_s + (REST_AFTER_DIVISION_S if self.is_newborn else 0.0)

    def mass_pg(self, time_s: float) -> float:
        """Return its dry mass; it rests from rounding up until after division."""
        grown = np.clip(time_s, self.grows_from_s, self.mitosis_s) - self.grows_from_s
        return float(self.birth_pg * 2 ** (max(grown, 0.0) / DOUBLING_S))

    def roundness(self, time_s: float) -> float:
        """Return 0 for a spread cell, 1 for a ball."""
        rounding = smooth_step((time_s - self.mitosis_s) / ROUNDING_S)
        if self.is_newborn:
            respread = 1 - smooth_step((time_s - self.born_s) / RESPREAD_S)
            rounding = max(rounding, respread)
        return float(rounding)

    def furrow(self, time_s: float) -> float:
        """Return how far the two halves have parted, 0 to 1."""
        return float(smooth_step(1 - (self.divides_s - time_s) / FURROW_S))

    def pose(self, time_s: float) -> Pose:
        """Return what its shape depends on."""
        return Pose(
            time_s=time_s,
            radius_um=self.radius_um(time_s),
            roundness=self.roundness(time_s),
            furrow=self.furrow(time_s),
        )

    def ball_radius_um(self, time_s: float) -> float:
        volume = self.mass_pg(time_s) * ALPHA_UM3_PER_PG / MITOTIC_INDEX_STEP
        return float((3 * volume / (4 * math.pi)) ** (1 / 3))

    def radius_um(self, time_s: float) -> float:
        """Return the radius of a disk with the cell's area."""
        spread = math.sqrt(self.mass_pg(time_s) * SPREAD_UM2_PER_PG / math.pi)
        spread *= self.body.spread
        roundness = self.roundness(time_s)
        return roundness * self.ball_radius_um(time_s) + (1 - roundness) * spread


def seed_cells(s: SampleSettings) -> list[Cell]:
    """Return the first generation; cell 1 divides about the middle of the recording."""
    rng = s.rng(Stream.CELLS)
    typical_um2 = 1.4 * BIRTH_MASS_PG * SPREAD_UM2_PER_PG
    covered = int(CONFLUENCE * np.prod(s.field_um) / typical_um2 + 0.5)
    count = max(1, covered) if s.n_cells is None else s.n_cells
    middle = round(0.55 * (s.n_frames - 1))
    first_division = (middle + 0.5) * s.frame_interval_s
    if s.n_frames < 4:
        first_division = MITOSIS_S - ROUNDING_S - FURROW_S
    cells = []
    for label in range(1, count + 1):
        age = rng.uniform(0.05, 0.8)
        divides = (1 - age) * DOUBLING_S + MITOSIS_S
        if label == 1:
            divides = first_division
            age = 1 - max(0.0, divides - MITOSIS_S) / DOUBLING_S
        mass = BIRTH_MASS_PG * rng.uniform(0.92, 1.08) * 2**age
        position = rng.uniform(0.12, 0.88, 2) * s.field_um
        body = Body.draw(s.rng(Stream.CELLS, label))
        cells.append(Cell(label, 0.0, mass, divides, position, body))
    for _ in range(150):
        _push_apart(s, cells, 0.0)
    return cells


def divide(
    s: SampleSettings, cells: list[Cell], time_s: float, lineage: dict[int, int]
) -> list[Cell]:
    """Return the cells alive now; dividing ones are replaced by two daughters."""
    alive: list[Cell] = []
    queue = list(cells)
    next_label = max([0, *(cell.label for cell in cells), *lineage]) + 1
    while queue:
        cell = queue.pop(0)
        if time_s < cell.divides_s:
            alive.append(cell)
            continue
        rng = s.rng(Stream.CELLS, cell.label, 1)
        share = rng.uniform(0.47, 0.53)
        mass = cell.mass_pg(cell.divides_s)
        half = cell.ball_radius_um(cell.divides_s) * 0.5 ** (1 / 3)
        axis = cell.body.division_axis
        for part, side in ((share, 1), (1 - share, -1)):
            cycle = DOUBLING_S * rng.uniform(0.9, 1.1)
            lineage[next_label] = cell.label
            daughter = Cell(
                label=next_label,
                born_s=cell.divides_s,
                birth_pg=mass * part,
                divides_s=cell.divides_s + REST_AFTER_DIVISION_S + cycle + MITOSIS_S,
                position=cell.position + side * half * axis,
                body=Body.draw(s.rng(Stream.CELLS, next_label)),
                is_newborn=True,
            )
            queue.append(daughter)
            next_label += 1
    return alive


def crawl(
    s: SampleSettings, cells: list[Cell], time_s: float, interval_s: float
) -> None:
    """Move cells by a persistent random walk that ends where a neighbour begins."""
    frame = round(time_s / s.frame_interval_s)
    memory = math.exp(-interval_s / PERSISTENCE_S)
    for cell in cells:
        kick = s.rng(Stream.CELLS, cell.label, 2, frame).normal(size=2) * CRAWL_UM_PER_S
        speed = 1 - cell.roundness(time_s)
        cell.velocity = memory * cell.velocity + math.sqrt(1 - memory**2) * kick
        cell.position = cell.position + speed * cell.velocity * interval_s
    for _ in range(4):
        _push_apart(s, cells, time_s)


def _push_apart(s: SampleSettings, cells: list[Cell], time_s: float) -> None:
    """Move overlapping cells apart by a part of the overlap, and into the field."""
    if not cells:
        return
    position = np.array([cell.position for cell in cells])
    radius = np.array([cell.radius_um(time_s) for cell in cells])
    offset = position[:, None] - position[None]
    distance = np.hypot(offset[..., 0], offset[..., 1]) + 1e-9
    overlap = np.maximum(0, 1.1 * (radius[:, None] + radius) - distance)
    np.fill_diagonal(overlap, 0)
    position += (0.25 * (overlap / distance)[..., None] * offset).sum(axis=1)
    margin = np.minimum(1.4 * radius[:, None], s.field_um / 2)
    position += 0.5 * (np.clip(position, margin, s.field_um - margin) - position)
    for cell, moved in zip(cells, position, strict=True):
        cell.position = moved
