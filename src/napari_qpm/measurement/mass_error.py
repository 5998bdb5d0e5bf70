"""Error bar of the dry mass of each cell, from the frame itself.

Two parts are added in quadrature. *Background*: the cell's own mask is moved over empty
background; the root mean square of the sums found there holds the noise, its spatial
correlation and any offset of the background. *Mask*: what lies in the narrow band that
the outline may be off by; the line between two touching cells, where nothing but shape
tells them apart, is much less certain than an edge against the background. Nothing is
subtracted from the mass itself.

Where a mask does not fit into the background at enough places, square windows that do
fit are measured instead, and their variance is scaled to the area of the mask by the
power of the area that two window sizes show. The method of each cell is stated.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.measurement.cells import Cells

__all__ = [
    "ErrorMethod",
    "MassError",
    "background_error",
    "empty_background",
    "mass_errors",
    "outline_errors",
    "ring_error",
]

_SEED = 0
_N_TRIES = (512, 4096)
_ENOUGH_SUMS = 100
_ENOUGH_PLACES = 6
_DEBRIS_SIGMAS = 6.0
_NORMAL_MAD = 1.4826
EDGE_PX = 0.6
"""How far an outline against the background is off, root mean square."""
CONTACT_PX = 2.2
"""How far the line between touching cells is off. Both were found by comparing the
watershed with the truth of simulated recordings, alone and crowded."""
_WINDOWS_PX = (1, 2, 4, 8, 16, 32, 64, 128)


class ErrorMethod(StrEnum):
    """How the background part of an error bar was found."""

    MOVED_MASK = "moved mask"
    """The cell's own mask, at many places."""
    SCALED_WINDOWS = "scaled windows"
    """Smaller windows, scaled to the area of the mask."""
    NONE = "none"
    """There is no empty background; the error is not known."""


@dataclass(frozen=True)
class MassError:
    """Errors of the mass of each cell, all in the unit of the density times pixels.

    Parameters
    ----------
    background
        Root mean square of the sums over empty background; NaN when there is none.
    offset
        Mean of those sums: what the mass would lose if the background were levelled.
    mask
        Error from the outline, against the background and other cells.
    contact
        The part of `mask` from the lines between touching cells.
    method
        How `background` was found.
    """

    background: NDArray[np.float64]
    offset: NDArray[np.float64]
    mask: NDArray[np.float64]
    contact: NDArray[np.float64]
    method: list[ErrorMethod]

    @property
    def total(self) -> NDArray[np.float64]:
        """Both parts in quadrature."""
        total: NDArray[np.float64] = np.hypot(self.background, self.mask)
        return total


def mass_errors(
    density: NDArray[np.floating], cells: Cells, margin_px: int
) -> MassError:
    """Return the error of the sum of `density` over each cell.

    Parameters
    ----------
    density
        Dry mass per pixel ``(Y, X)``; NaN where it is not known.
    cells
        Cells of this frame.
    margin_px
        Distance from cells within which pixels do not count as background.
    """
    count = cells.count
    background, offset = np.full(count, np.nan), np.full(count, np.nan)
    method = [ErrorMethod.NONE] * count
    if count:
        field = _EmptyField(density, empty_background(density, cells, margin_px))
        random = np.random.default_rng(_SEED)
        for i, window in enumerate(ndimage.find_objects(cells.numbers)):
            mask = cells.numbers[window] == i + 1
            background[i], offset[i], method[i] = field.error(mask, random)
    edge, contact = _outline_bands(density, cells)
    edge, contact = EDGE_PX * edge, CONTACT_PX * contact
    return MassError(background, offset, np.hypot(edge, contact), contact, method)


def outline_errors(density: NDArray[np.floating], cells: Cells) -> NDArray[np.float64]:
    """Return the error of the sum over each cell that its outline makes."""
    edge, contact = _outline_bands(density, cells)
    error: NDArray[np.float64] = np.hypot(EDGE_PX * edge, CONTACT_PX * contact)
    return error


def background_error(
    density: NDArray[np.floating],
    cells: Cells,
    mask: NDArray[np.bool_],
    margin_px: int,
) -> tuple[float, float, ErrorMethod]:
    """Return error, offset and method of the background under one mask.

    Parameters
    ----------
    density, cells, margin_px
        As for `mass_errors`; the background lies outside the cells.
    mask
        ``(Y, X)`` what is summed.
    """
    field = _EmptyField(density, empty_background(density, cells, margin_px))
    window = ndimage.find_objects(mask.astype(np.int8))[0]
    return field.error(mask[window], np.random.default_rng(_SEED))


def ring_error(
    density: NDArray[np.floating],
    cells: Cells,
    mask: NDArray[np.bool_],
    ring: NDArray[np.bool_],
    margin_px: int,
) -> float | None:
    """Return the error of the sum over a mask from which the level of a ring is taken.

    Both are moved over the empty background together. `None` when they fit at too few
    places.

    Parameters
    ----------
    density, cells, margin_px
        As for `mass_errors`.
    mask, ring
        ``(Y, X)`` what is summed, and where the level comes from.
    """
    both = mask | ring
    if not both.any():
        return None
    field = _EmptyField(density, empty_background(density, cells, margin_px))
    window = ndimage.find_objects(both.astype(np.int8))[0]
    places = field.places_of(_Runs.of(both[window]), np.random.default_rng(_SEED))
    if places is None:
        return None
    anchor = _Runs.of(both[window]).anchor
    sums = field.sums_at(_Runs.of(mask[window], anchor), places)
    levels = field.sums_at(_Runs.of(ring[window], anchor), places)
    levels *= np.count_nonzero(mask) / np.count_nonzero(ring)
    return float(np.sqrt(np.mean((sums - levels) ** 2)))


def empty_background(
    density: NDArray[np.floating], cells: Cells, margin_px: int
) -> NDArray[np.bool_]:
    """Return where there is neither a cell, nor debris, nor an unknown value.

    Debris is what no label covers and yet exceeds the level of the background by more
    than six robust standard deviations.
    """
    known = np.isfinite(density)
    taken = _grown(cells.numbers > 0, margin_px)
    empty: NDArray[np.bool_] = known & ~taken
    if not empty.any():
        return empty
    level = np.median(density[empty])
    spread = _NORMAL_MAD * np.median(np.abs(density[empty] - level))
    if spread == 0:
        return empty
    debris = empty & (np.where(known, density, level) > level + _DEBRIS_SIGMAS * spread)
    empty &= ~_grown(debris, margin_px)
    return empty


def _grown(mask: NDArray[np.bool_], margin_px: int) -> NDArray[np.bool_]:
    if margin_px == 0 or not mask.any():
        return mask
    distance = ndimage.distance_transform_edt(~mask)
    grown: NDArray[np.bool_] = distance <= margin_px
    return grown


def _outline_bands(
    density: NDArray[np.floating], cells: Cells
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a band of one pixel along the outline of each cell holds.

    Half of grown minus shrunk over its four neighbours: first along the background,
    then along other cells, into which a cell grows too.
    """
    known = np.where(np.isfinite(density), density, 0).astype(np.float64)
    numbers = cells.numbers
    padded = np.pad(numbers, 1, mode="edge")
    neighbours = [
        padded[:-2, 1:-1],
        padded[2:, 1:-1],
        padded[1:-1, :-2],
        padded[1:-1, 2:],
    ]
    inner, at_contact = np.zeros(numbers.shape, bool), np.zeros(numbers.shape, bool)
    bands = np.zeros((2, cells.count + 1))
    for k, neighbour in enumerate(neighbours):
        other = neighbour != numbers
        inner |= other
        at_contact |= other & (neighbour > 0) & (numbers > 0)
        # A pixel beside one cell on two sides is added to that cell once.
        for earlier in neighbours[:k]:
            other = other & (neighbour != earlier)
        for band, place in zip(bands, (numbers == 0, numbers > 0), strict=True):
            grown = other & place
            band += np.bincount(neighbour[grown], known[grown], cells.count + 1)
    for band, place in zip(bands, (~at_contact, at_contact), strict=True):
        shrunk = inner & place
        band += np.bincount(numbers[shrunk], known[shrunk], cells.count + 1)
    edge, contact = np.abs(bands[:, 1:]) / 2
    return edge, contact


class _EmptyField:
    """Empty background of one frame, ready for sums over moved masks and windows.

    Parameters
    ----------
    density
        ``(Y, X)`` values; what is not empty is not used.
    empty
        ``(Y, X)`` where the background is empty.
    """

    def __init__(self, density: NDArray[np.floating], empty: NDArray[np.bool_]):
        self._empty = empty
        values = np.where(empty, density, 0).astype(np.float64)
        self._values = values
        # Running sums along rows make the sum over a run of pixels one difference.
        self._row_sums = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
        self._row_taken = np.pad(
            np.cumsum(~empty, axis=1, dtype=np.int32), ((0, 0), (1, 0))
        )
        room = ndimage.distance_transform_edt(np.pad(empty, 1))[1:-1, 1:-1].ravel()
        order = np.argsort(-room, kind="stable")
        self._places = order[: int(np.count_nonzero(room))]
        self._falling_room = -room[self._places]
        self._windows: dict[int, tuple[float, float]] | None = None

    def error(
        self, mask: NDArray[np.bool_], random: np.random.Generator
    ) -> tuple[float, float, ErrorMethod]:
        """Return root mean square, mean and method of sums over a mask."""
        sums = self.moved_sums(mask, random)
        if sums is not None:
            spread = float(np.sqrt(np.mean(sums**2)))
            return spread, float(sums.mean()), ErrorMethod.MOVED_MASK
        scaled = self.scaled(int(mask.sum()))
        if scaled is not None:
            return *scaled, ErrorMethod.SCALED_WINDOWS
        return np.nan, np.nan, ErrorMethod.NONE

    def moved_sums(
        self, mask: NDArray[np.bool_], random: np.random.Generator
    ) -> NDArray[np.float64] | None:
        """Return sums over the mask at random places; `None` if there are too few."""
        runs = _Runs.of(mask)
        places = self.places_of(runs, random)
        return None if places is None else self.sums_at(runs, places)

    def sums_at(self, runs: "_Runs", places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the sums over a mask at these places."""
        return runs.sums(self._row_sums, places)

    def places_of(
        self, runs: "_Runs", random: np.random.Generator
    ) -> NDArray[np.int64] | None:
        """Return random places ``(n, 2)`` where a mask fits; `None` for too few."""
        enough_room = np.searchsorted(self._falling_room, -runs.room, side="right")
        if enough_room < _ENOUGH_PLACES:
            return None
        for n_tries in _N_TRIES:
            tries = np.unique(random.integers(enough_room, size=n_tries))
            chosen = np.divmod(self._places[tries], self._empty.shape[1])
            places = self._fitting(runs, np.stack(chosen, axis=1))
            if len(places) >= _ENOUGH_SUMS or n_tries >= enough_room:
                break
        if _n_apart(places, int(np.sqrt(runs.n_pixels))) < _ENOUGH_PLACES:
            return None
        return places

    def _fitting(self, runs: "_Runs", places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places at which the whole mask lies on empty background."""
        shape = np.array(self._empty.shape)
        low, high = places + runs.first, places + runs.last
        places = places[((low >= 0) & (high < shape)).all(axis=1)]
        fitting: NDArray[np.int64] = places[runs.sums(self._row_taken, places) == 0]
        return fitting

    def scaled(self, area_px: int) -> tuple[float, float] | None:
        """Return root mean square and mean of sums over `area_px` pixels.

        The variance of sums over windows of area a grows as ``a^b``, b = 1 for white
        noise and up to 2 for correlated noise; b comes from two window sizes.
        """
        if self._windows is None:
            self._windows = self._window_sums()
        sizes = [size for size in self._windows if size**2 <= max(area_px, 1)]
        if not sizes:
            return None
        size = max(sizes)
        mean, variance = self._windows[size]
        power = 1.0
        if size // 2 in self._windows and variance > 0:
            finer = self._windows[size // 2][1]
            if finer > 0:
                power = float(np.clip(np.log(variance / finer) / np.log(4), 1, 2))
        ratio = area_px / size**2
        offset = mean * ratio
        return float(np.sqrt(offset**2 + variance * ratio**power)), offset

    def _window_sums(self) -> dict[int, tuple[float, float]]:
        """Return mean and variance of sums over empty windows, by window size."""
        found = {}
        sums = np.pad(np.cumsum(self._row_sums, axis=0), ((1, 0), (0, 0)))
        taken = np.pad(np.cumsum(self._row_taken, axis=0), ((1, 0), (0, 0)))
        for size in _WINDOWS_PX:
            if size > min(self._empty.shape):
                break
            free = _windowed(taken, size) == 0
            places = np.argwhere(free)
            if _n_apart(places, size) < _ENOUGH_PLACES:
                break
            values = _windowed(sums, size)[free]
            found[size] = float(values.mean()), float(values.var())
        return found


def _n_apart(places: NDArray[np.int64], width: int) -> int:
    """Return how many places are about `width` pixels apart.

    Places closer than the mask is wide see the same background.
    """
    tiles = places // max(width, 1)
    return int(np.unique(tiles[:, 0] * (1 << 32) + tiles[:, 1]).size)


def _windowed(sums: NDArray[Any], size: int) -> NDArray[Any]:
    """Return sums over all square windows from running sums over both axes."""
    s = sums
    windows: NDArray[Any] = (
        s[size:, size:] - s[size:, :-size] - s[:-size, size:] + s[:-size, :-size]
    )
    return windows


@dataclass(frozen=True, eq=False)
class _Runs:
    """A mask as runs of pixels along rows, relative to an anchor inside its box.

    Parameters
    ----------
    rows, starts, stops
        Row, first column and column after the last of every run.
    anchor
        ``(y, x)`` in the box, the roomiest pixel unless another was given.
    room
        Distance from the roomiest pixel to the outside of the mask.
    first, last
        ``(y, x)`` of the lowest and highest pixel of the bounding box.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    anchor: NDArray[np.int64]
    room: float
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(
        cls, mask: NDArray[np.bool_], anchor: NDArray[np.int64] | None = None
    ) -> "_Runs":
        """Return the runs of a mask in its bounding box."""
        distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        if anchor is None:
            anchor = np.array(np.unravel_index(distance.argmax(), mask.shape))
        steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        rows, starts = np.nonzero(steps == 1)
        stops = np.nonzero(steps == -1)[1]
        last = np.array(mask.shape) - 1 - anchor
        return cls(
            rows - anchor[0],
            starts - anchor[1],
            stops - anchor[1],
            anchor,
            float(distance.max()),
            -anchor,
            last,
        )

    @property
    def n_pixels(self) -> int:
        """Area of the mask."""
        return int((self.stops - self.starts).sum())

    def sums(
        self, row_sums: NDArray[Any], places: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the sum over the mask at each place, from running sums along rows."""
        rows = places[:, 0, None] + self.rows
        after = row_sums[rows, places[:, 1, None] + self.stops]
        before = row_sums[rows, places[:, 1, None] + self.starts]
        sums: NDArray[np.float64] = (after - before).sum(axis=1)
        return sums
