"""Who lives when, and where: growth, motion, division and death of simulated cells.

Times are s, masses pg, lengths um. A cell is born with a mass, grows exponentially,
rounds up, parts and is replaced by two daughters that share its mass exactly; or it
dies, falls apart and slowly loses mass.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from napari_qpm.specimens._draws import Draws
from napari_qpm.specimens._placement import place, push_apart

__all__ = ["Individual", "LifePace", "Population"]

ROUNDING_S = 20 * 60.0
MITOSIS_S = 50 * 60.0
FURROW_S = 10 * 60.0
RESPREAD_S = 50 * 60.0
SHRINKING_S = 30 * 60.0
REMAINS_S = 12 * 3600.0
"""A dead cell loses mass e-fold in this time."""
_NO_ROOM = 1.2
"""Area of all cells over that of the field at which none of it is left as margin."""


@dataclass(frozen=True, kw_only=True)
class LifePace:
    """How fast cells live.

    Parameters
    ----------
    doubling_h
        Time in which the dry mass of a growing cell doubles.
    speed_um_per_h, persistence_min
        Of the random walk of a spread cell.
    death_per_h
        Chance of a cell to die within an hour.
    """

    doubling_h: float = 20.0
    speed_um_per_h: float = 8.0
    persistence_min: float = 30.0
    death_per_h: float = 0.005


def smooth_step(x: float) -> float:
    """Return 0 below 0, 1 above 1, and a smooth rise between."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


@dataclass(eq=False)
class Individual:
    """One cell from birth to division or decay."""

    label: int
    parent: int
    born_s: float
    birth_pg: float
    divides_s: float
    dies_s: float
    doubling_s: float
    axis: float
    """Direction in which it will part [rad]."""
    is_newborn: bool = True

    @property
    def mitosis_s(self) -> float:
        """When it begins to round up."""
        return self.divides_s - MITOSIS_S

    def is_dead(self, time_s: float) -> bool:
        """Return whether it has died."""
        return time_s >= self.dies_s

    def is_mitotic(self, time_s: float) -> bool:
        """Return whether it is rounded up for division."""
        return self.mitosis_s + 0.5 * ROUNDING_S <= time_s < self.dies_s

    def mass_pg(self, time_s: float) -> float:
        """Return its dry mass; it grows until it rounds up or dies."""
        grown_s = min(time_s, self.mitosis_s, self.dies_s) - self.born_s
        mass = self.birth_pg * 2 ** (max(grown_s, 0.0) / self.doubling_s)
        return float(mass * math.exp(-max(time_s - self.dies_s, 0.0) / REMAINS_S))

    def roundness(self, time_s: float) -> float:
        """Return 0 for a spread cell, 1 for a ball."""
        round_up = smooth_step((time_s - self.mitosis_s) / ROUNDING_S)
        shrunken = smooth_step((time_s - self.dies_s) / SHRINKING_S)
        young = 0.0
        if self.is_newborn:
            young = 1 - smooth_step((time_s - self.born_s) / RESPREAD_S)
        return max(round_up, shrunken, young)

    def furrow(self, time_s: float) -> float:
        """Return how far its halves have parted, 0 to 1."""
        if self.is_dead(time_s):
            return 0.0
        return smooth_step(1 - (self.divides_s - time_s) / FURROW_S)


@dataclass(eq=False)
class Population:
    """The living and the dead of one field of view, and where they are."""

    size_um: Tensor
    pace: LifePace
    draws: Draws
    typical_pg: float
    radius_per_root_pg: float
    """Radius of a spread cell [um] over the square root of its mass."""
    ball_per_cube_root_pg: float
    spacing: float = 0.95
    """Distance of touching cells over the sum of their radii."""
    margin: float = 0.0
    """Distance that centres keep from the border, in radii of the cell."""
    people: list[Individual] = field(default_factory=list)
    position: Tensor = field(default_factory=lambda: torch.zeros(0, 2))
    velocity: Tensor = field(default_factory=lambda: torch.zeros(0, 2))
    lineage: dict[int, int] = field(default_factory=dict)
    n_born: int = 0

    def settle(
        self, count: int, clumping: float, first_division_s: float | None = None
    ) -> None:
        """Put the first generation, of all ages, into the field.

        The first cell divides at a time that may be given.
        """
        for _ in range(count):
            age = float(self.draws.uniform(0, 0.95))
            person = self._newborn(0.0, self._birth_mass(), 0)
            if first_division_s is not None and not self.people:
                growing_s = max(first_division_s - MITOSIS_S, 0)
                age = max(1 - growing_s / person.doubling_s, 0)
            self.people.append(person)
            person.is_newborn = False
            person.birth_pg *= 2**age
            person.divides_s = MITOSIS_S + (1 - age) * person.doubling_s
        if self.people and first_division_s is not None:
            self.people[0].divides_s = first_division_s
        self.velocity = torch.zeros(count, 2)
        self.position = place(
            torch.zeros(count, dtype=torch.long),
            self.radii(0.0),
            torch.full((count,), clumping),
            self.draws.uniform(0, 1, count),
            self.size_um,
            0.0,
            self.draws,
            n_fields=1,
            n_steps=80,
        )
        if self.margin > 0:
            self._make_room(0.0, n_steps=80)

    def step(self, time_s: float, interval_s: float) -> None:
        """Divide, bury, move and push apart; `time_s` is the new time."""
        self._divide(time_s)
        self._bury(time_s)
        if not self.people:
            return
        memory = math.exp(-interval_s / (60 * self.pace.persistence_min))
        kick = self.draws.normal(0, 1, len(self.people), 2)
        speed = self.pace.speed_um_per_h / 3600
        self.velocity = memory * self.velocity
        self.velocity += math.sqrt(1 - memory**2) * speed * kick
        mobile = torch.tensor([1 - p.roundness(time_s) for p in self.people])
        self.position = self.position + mobile[:, None] * self.velocity * interval_s
        self._make_room(time_s, n_steps=6)

    def radii(self, time_s: float) -> Tensor:
        """Return ``(M,)`` radii of disks of the cells' areas."""
        mass = torch.tensor([p.mass_pg(time_s) for p in self.people])
        rounded = torch.tensor([p.roundness(time_s) for p in self.people])
        ball, spread = self.ball_radii(mass), self.radius_per_root_pg * mass.sqrt()
        return rounded * ball + (1 - rounded) * torch.maximum(spread, ball)

    def ball_radii(self, mass_pg: Tensor) -> Tensor:
        """Return the radii of balls of these masses."""
        return self.ball_per_cube_root_pg * mass_pg ** (1 / 3)

    def _make_room(self, time_s: float, n_steps: int) -> None:
        """Push overlapping cells apart, and all of them into the field.

        A layer without gaps has no room for margins: there the border cuts cells.
        """
        radii = self.radii(time_s)
        crowding = float(math.pi * (radii**2).sum() / torch.prod(self.size_um))
        margin = self.margin * min(max(_NO_ROOM - crowding, 0.0) / 0.5, 1.0)
        low = torch.minimum(margin * radii[:, None], 0.5 * self.size_um)
        for _ in range(n_steps):
            apart = push_apart(self.position[None], radii[None], self.spacing)[0]
            self.position = apart.clamp(min=low, max=self.size_um - low)

    def _birth_mass(self) -> float:
        # The mean over a cycle of exponential growth is 1 / ln 2 of the mass at birth.
        return self.typical_pg * math.log(2) * float(self.draws.lognormal(1.0, 0.1))

    def _newborn(self, time_s: float, mass_pg: float, parent: int) -> Individual:
        self.n_born += 1
        doubling_s = 3600 * self.pace.doubling_h
        cycle_s = doubling_s * float(self.draws.uniform(0.92, 1.08))
        waits_h = math.inf
        chance = float(self.draws.uniform(1e-6, 1))
        if self.pace.death_per_h > 0:
            waits_h = -math.log(chance) / self.pace.death_per_h
        return Individual(
            label=self.n_born,
            parent=parent,
            born_s=time_s,
            birth_pg=mass_pg,
            divides_s=time_s + cycle_s + MITOSIS_S,
            dies_s=time_s + 3600 * waits_h,
            doubling_s=doubling_s,
            axis=float(self.draws.angle()),
        )

    def _divide(self, time_s: float) -> None:
        """Replace each cell whose time has come by two daughters."""
        people, position, velocity = [], [], []
        for i, person in enumerate(self.people):
            if time_s < person.divides_s or person.dies_s <= person.divides_s:
                people.append(person)
                position.append(self.position[i])
                velocity.append(self.velocity[i])
                continue
            mass = person.mass_pg(person.divides_s)
            share = float(self.draws.uniform(0.47, 0.53))
            half = float(self.ball_radii(torch.tensor(0.5 * mass)))
            away = torch.tensor([math.sin(person.axis), math.cos(person.axis)]) * half
            for part, side in ((share, 1), (1 - share, -1)):
                daughter = self._newborn(person.divides_s, mass * part, person.label)
                self.lineage[daughter.label] = person.label
                people.append(daughter)
                position.append(self.position[i] + side * away)
                velocity.append(torch.zeros(2))
        self.people = people
        self._keep(position, velocity)

    def _bury(self, time_s: float) -> None:
        """Forget the dead of whom little is left."""
        kept = [
            i for i, p in enumerate(self.people) if time_s < p.dies_s + 2 * REMAINS_S
        ]
        self.people = [self.people[i] for i in kept]
        self._keep([self.position[i] for i in kept], [self.velocity[i] for i in kept])

    def _keep(self, position: list[Tensor], velocity: list[Tensor]) -> None:
        none = torch.zeros(0, 2)
        self.position = torch.stack(position) if position else none
        self.velocity = torch.stack(velocity) if velocity else none
