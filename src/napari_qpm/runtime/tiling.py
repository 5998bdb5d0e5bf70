"""Networks on frames of any size: whole where memory allows, else in joined tiles.

Tiles overlap and fade into one another. A network that cannot know the level of a phase
from a part of the frame gives each tile its own; `match_piston` levels them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, product

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError, OutOfDeviceMemoryError, ParameterError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.runtime.session import Session

__all__ = ["run_tiled"]

Image = NDArray[np.float32]
MEMORY_SHARE = 0.7
"""Of what is free that one run may take."""
MOST_AT_ONCE = 8
"""Inputs of one run on a graphics card; a processor gains nothing from several."""
SMALLEST_TILE_PX = 256
UNUSED_SHARE = 0.25
"""Of an overlap, at the edge of each tile."""
WINDOW_SIGMA = 1 / 8
"""Of a sliding window, in units of the tile's side."""
MEDIAN_SAMPLES = 20_000
"""Pixels of an overlap that its median is taken of, at most."""


@dataclass(frozen=True)
class _Span:
    """Part of one axis, and how far it overlaps with the spans before and after."""

    start: int
    length: int
    before: int = 0
    after: int = 0

    @property
    def stop(self) -> int:
        return self.start + self.length

    def weights(self) -> Image:
        """Return ``(length,)``: 1 inside, fading out over the middle of the overlaps.

        What lies nearest to the edge of a tile, a network knows least about.
        """
        weights = np.ones(self.length, np.float32)
        for overlap, part in ((self.before, weights), (self.after, weights[::-1])):
            if overlap:
                position = (np.arange(overlap) + 0.5) / overlap
                faded = (position - UNUSED_SHARE) / (1 - 2 * UNUSED_SHARE)
                part[:overlap] *= np.sin(0.5 * np.pi * faded.clip(0, 1)) ** 2
        return weights

    def window(self) -> Image:
        """Return ``(length,)``: a Gaussian about the middle, never quite 0."""
        position = (np.arange(self.length) + 0.5) / self.length - 0.5
        weights = np.exp(-0.5 * (position / WINDOW_SIGMA) ** 2)
        return np.asarray(weights, np.float32)


def run_tiled(
    session: Session,
    inputs: NDArray[np.floating],
    *,
    tile_px: int | None = None,
    overlap_px: int | None = None,
    match_piston: bool = False,
    sliding_window: bool = False,
    batch_size: int | None = None,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> Image:
    """Return the network's output ``(N, C_out, Y, X)`` of inputs ``(N, C, Y, X)``.

    Sides that the network cannot take are padded by reflection and cropped again, so
    preprocess whole frames before: a reflected raw hologram has another carrier.

    Parameters
    ----------
    session
        Of the model.
    inputs
        As the network takes them, sides of any length.
    tile_px
        Largest side of a tile; None = whole frames if they fit into the free memory,
        else what the model asks for.
    overlap_px
        Of neighbouring tiles; None = what the model asks for.
    match_piston
        Shift the level of each tile so that the medians of all overlaps agree best.
    sliding_window
        As nnU-Net does it: all tiles have sides of `tile_px`, or what the model asks
        for, and each counts by a Gaussian about its middle. For networks whose answer
        depends on how much they see.
    batch_size
        Inputs of one run; None = 1 on a processor, as many as fit on a graphics card.
    token, report
        To cancel before each run, and to watch.

    Raises
    ------
    LayoutError
        The inputs are not ``(N, C, Y, X)``.
    ParameterError
        `tile_px` is smaller than the network's stride, or `overlap_px` negative.
    OutOfDeviceMemoryError
        Not even the smallest tile fits.
    JobCancelled
        `token` was set.
    """
    inputs = np.asarray(inputs, np.float32)
    if inputs.ndim != 4 or not inputs.size:
        raise LayoutError(f"Inputs are (N, C, Y, X), not {inputs.shape}.")
    multiple = session.model.spec.multiple_px
    if tile_px is not None and tile_px < multiple:
        raise ParameterError(f"Tiles are at least {multiple} pixels, not {tile_px}.")
    overlap = session.model.spec.overlap_px if overlap_px is None else overlap_px
    if overlap < 0:
        raise ParameterError(f"Tiles overlap by 0 pixels or more, not {overlap}.")
    padded = _padded(inputs, multiple)
    if sliding_window:
        tile_px = tile_px or session.model.spec.tile_px
        padded = _padded(padded, multiple, tile_px or 0)
    side = tile_px or _largest_side(session, padded.shape)
    while True:
        rows, columns = (
            _spans(n, side, overlap, multiple, keeps_side=sliding_window)
            for n in padded.shape[2:]
        )
        try:
            output = _run(
                session,
                padded,
                list(product(rows, columns)),
                _Joining(match_piston, sliding_window),
                batch_size,
                token or CancelToken(),
                report or (lambda progress: None),
            )
            return output[:, :, : inputs.shape[2], : inputs.shape[3]]
        except OutOfDeviceMemoryError:
            side = min(side, max(rows[0].length, columns[0].length))
            if tile_px is not None or side <= SMALLEST_TILE_PX:
                raise
            side = max(SMALLEST_TILE_PX, side // 2)


# --- Where tiles lie ------------------------------------------------------------------


def _padded(inputs: Image, multiple: int, least: int = 0) -> Image:
    missing = [max(-n % multiple, least - n) for n in inputs.shape[2:]]
    if not any(missing):
        return inputs
    return np.pad(inputs, ((0, 0), (0, 0), *((0, n) for n in missing)), mode="reflect")


def _largest_side(session: Session, shape: Sequence[int]) -> int:
    """Return the side of tiles for inputs; that of the frame if it fits whole."""
    _, channels, y, x = shape
    limit = MEMORY_SHARE * session.free_bytes()
    if session.estimate_bytes((1, channels, y, x)) <= limit:
        return max(y, x)
    side = session.model.spec.tile_px or max(y, x)
    while side > SMALLEST_TILE_PX:
        if session.estimate_bytes((1, channels, min(side, y), min(side, x))) <= limit:
            break
        side //= 2
    return max(side, SMALLEST_TILE_PX)


def _spans(
    length: int, largest: int, overlap: int, multiple: int, *, keeps_side: bool = False
) -> list[_Span]:
    """Return equal spans that cover an axis, all on multiples of the stride.

    So every tile sees the pixel grid of the network as the whole frame does.
    """
    largest = max(multiple, largest // multiple * multiple)
    if length <= largest:
        return [_Span(0, length)]
    overlap = min(overlap, largest // 2)
    n = math.ceil((length - overlap) / (largest - overlap))
    side = math.ceil((length + (n - 1) * overlap) / n / multiple) * multiple
    side = largest if keeps_side else min(side, largest)
    steps = [k * (length - side) / (n - 1) for k in range(n)]
    starts = [int(step // multiple) * multiple for step in steps]
    shared = [max(0, a + side - b) for a, b in pairwise(starts)]
    return [
        _Span(start, side, before, after)
        for start, before, after in zip(starts, [0, *shared], [*shared, 0], strict=True)
    ]


# --- Running and joining --------------------------------------------------------------

_Tile = tuple[_Span, _Span]


@dataclass(frozen=True)
class _Joining:
    """Whether tiles are levelled, and whether they count by a Gaussian."""

    match_piston: bool
    by_window: bool


def _run(
    session: Session,
    inputs: Image,
    tiles: list[_Tile],
    joining: _Joining,
    batch_size: int | None,
    token: CancelToken,
    report: ReportProgress,
) -> Image:
    """Run every tile of every frame and join them."""
    frames: list[Image] = []
    parts: list[Image] = []
    n_runs = len(inputs) * len(tiles)
    size = batch_size or _batch_size(session, inputs, tiles[0])
    n_done = 0
    for batch in _batches(inputs, tiles, size):
        token.raise_if_cancelled()
        parts += list(session.run(batch))
        while len(parts) >= len(tiles):
            ready, parts = parts[: len(tiles)], parts[len(tiles) :]
            frames.append(_joined(ready, tiles, inputs.shape[2:], joining))
        n_done += len(batch)
        report(Progress(n_done, n_runs, "tiles"))
    return np.stack(frames)


def _batch_size(session: Session, inputs: Image, tile: _Tile) -> int:
    if session.device == "cpu":
        return 1
    one = session.estimate_bytes((1, inputs.shape[1], tile[0].length, tile[1].length))
    fitting = int(MEMORY_SHARE * session.free_bytes() / max(one, 1))
    return max(1, min(MOST_AT_ONCE, fitting))


def _batches(inputs: Image, tiles: list[_Tile], size: int) -> Iterator[Image]:
    places = iter(product(inputs, tiles))
    while group := list(islice(places, size)):
        yield np.stack(
            [frame[:, y.start : y.stop, x.start : x.stop] for frame, (y, x) in group]
        )


def _joined(
    parts: list[Image], tiles: list[_Tile], shape: Sequence[int], joining: _Joining
) -> Image:
    """Return the frame ``(C, Y, X)`` of its tiles ``(C, y, x)``."""
    if len(parts) == 1:
        return parts[0]
    if joining.match_piston:
        levels = np.stack(
            [_levels([part[c] for part in parts], tiles) for c in range(len(parts[0]))],
            axis=1,
        )
        parts = [p + v[:, None, None] for p, v in zip(parts, levels, strict=True)]
    total = np.zeros((len(parts[0]), *shape), np.float32)
    weight = np.zeros(tuple(shape), np.float32)
    for part, (y, x) in zip(parts, tiles, strict=True):
        own = np.outer(
            *(span.window() if joining.by_window else span.weights() for span in (y, x))
        )
        place = (slice(y.start, y.stop), slice(x.start, x.stop))
        total[:, *place] += own * part
        weight[place] += own
    return total / weight


def _levels(parts: list[Image], tiles: list[_Tile]) -> Image:
    """Return what to add to each tile so that overlaps agree, 0 on average.

    Weighed least squares over the medians of the differences, all pairs at once.
    """
    rows, differences = [np.ones(len(parts))], [0.0]
    for first, second in product(range(len(parts)), repeat=2):
        if first >= second:
            continue
        shared = _shared(tiles[first], tiles[second])
        if shared is None:
            continue
        here, there = (_cropped(parts[k], tiles[k], shared) for k in (first, second))
        weight = math.sqrt(here.size)
        row = np.zeros(len(parts))
        row[first], row[second] = weight, -weight
        rows.append(row)
        step = max(1, here.size // MEDIAN_SAMPLES)
        differences.append(weight * float(np.median((there - here).ravel()[::step])))
    solution, *_ = np.linalg.lstsq(np.stack(rows), np.array(differences), rcond=None)
    levels: Image = solution.astype(np.float32)
    return levels


def _cropped(part: Image, tile: _Tile, wanted: _Tile) -> Image:
    """Return what a tile ``(y, x)`` has of another place."""
    y, x = (
        slice(w.start - own.start, w.stop - own.start)
        for own, w in zip(tile, wanted, strict=True)
    )
    return part[y, x]


def _shared(one: _Tile, other: _Tile) -> _Tile | None:
    """Return where two tiles overlap, if they do."""
    spans = []
    for a, b in zip(one, other, strict=True):
        start, stop = max(a.start, b.start), min(a.stop, b.stop)
        if start >= stop:
            return None
        spans.append(_Span(start, stop - start))
    return spans[0], spans[1]
