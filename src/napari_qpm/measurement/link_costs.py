"""What a link between two cells costs, in the form that laptrack wants.

Cells are points in a space of position and log mass whose unit is the limit of each, so
the common step, from a frame to the next, is a plain squared distance that scipy
computes fast. The rare steps (gaps, divisions) look up the cell behind a point.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from napari_qpm.measurement.linking_parameters import LinkingParameters

__all__ = ["LinkCosts"]

_MARK = 1e-9
"""Scale of the last coordinate, the number of the cell: too small to count."""

Point = NDArray[np.float64]


class LinkCosts:
    """Costs of links between cells that are ordered by frame.

    Parameters
    ----------
    frame
        ``(n,)`` rising frame of each cell.
    position
        ``(n, 2)`` in units of the farthest move.
    log_mass
        ``(n,)`` natural logarithm of mass; `None` without mass.
    parameters
        Limits.
    overlaps
        Share of the smaller outline that overlaps, by pair of cells in neighbouring
        frames; pairs that are not there do not overlap. `None` leaves overlap out.
    """

    def __init__(
        self,
        frame: NDArray[np.int64],
        position: NDArray[np.float64],
        log_mass: NDArray[np.float64] | None,
        parameters: LinkingParameters,
        overlaps: Mapping[tuple[int, int], float] | None = None,
    ):
        self._frame, self._position = frame, position
        self._divisions = parameters.divisions
        self._weight = parameters.overlap_weight
        self._overlaps = overlaps
        largest_change = float(np.log1p(parameters.max_mass_change))
        self._mass = None if log_mass is None else log_mass / largest_change
        self._half = float(np.log(2)) / largest_change
        first = int(frame[0]) if len(frame) else 0
        self.n_frames = int(frame[-1]) - first + 1 if len(frame) else 0
        self._starts = np.searchsorted(frame, first + np.arange(self.n_frames + 1))

    @property
    def coordinates(self) -> list[NDArray[np.float64]]:
        """Points of each frame from the first with a cell to the last."""
        parts = [self._position]
        if self._mass is not None:
            parts.append(self._mass[:, None])
        parts.append(np.arange(len(self._frame), dtype=np.float64)[:, None] * _MARK)
        points = np.concatenate(parts, axis=1)
        return np.split(points, self._starts[1:-1])

    @property
    def metric(self) -> str | Callable[[Point, Point], float]:
        """Cost from a frame to the next, as scipy takes it."""
        return "sqeuclidean" if self._overlaps is None else self._overlapping

    def place(self, node: tuple[int, int]) -> int:
        """Return the number of the cell that laptrack calls (frame, index)."""
        return int(self._starts[int(node[0])]) + int(node[1])

    def gap(self, last: Point, first: Point) -> float:
        """Return the cost of going on with `first` after `last`, maybe frames later.

        A random walk gets farther with the root of the time. With mass, a cell may
        also go on as one of two daughters at once.
        """
        a, b = _number(last), _number(first)
        n_steps = int(self._frame[b] - self._frame[a])
        distance = self._squared_distance(a, b)
        cost = distance / n_steps
        if n_steps == 1:
            cost += self._apart(a, b)
        if self._mass is None:
            return cost
        change = float(self._mass[b] - self._mass[a])
        cost += change**2
        if self._divisions and n_steps == 1:
            cost = min(cost, distance + (change + self._half) ** 2)
        return cost

    def split(self, daughter: Point, mother: Point) -> float:
        """Return the cost of `daughter` being one of two cells that `mother` became."""
        a, b = _number(mother), _number(daughter)
        cost = self._squared_distance(a, b)
        if self._mass is not None:
            cost += float(self._mass[b] - self._mass[a] + self._half) ** 2
        return cost

    def _overlapping(self, before: Point, after: Point) -> float:
        offset = before - after
        return float(offset @ offset) + self._apart(_number(before), _number(after))

    def _apart(self, a: int, b: int) -> float:
        """Return what it costs that two cells do not overlap."""
        if self._overlaps is None:
            return 0.0
        return self._weight * (1 - self._overlaps.get((a, b), 0.0)) ** 2

    def _squared_distance(self, a: int, b: int) -> float:
        offset = self._position[a] - self._position[b]
        return float(offset @ offset)


def _number(point: Point) -> int:
    return round(float(point[-1]) / _MARK)
