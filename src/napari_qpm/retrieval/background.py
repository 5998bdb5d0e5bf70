"""The phase an empty field would have: smooth surfaces fitted outside the cells.

Every surface is a sum of products of Legendre polynomials ``P_i(y) P_j(x)`` on the
frame's own square [-1, 1]. Zernike polynomials up to radial order n span exactly the
polynomials of total degree n, so a least-squares fit in that space *is* the Zernike
fit; the Legendre products only condition it better.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from napari_qpm.retrieval._fit_kernels import (
    TUKEY,
    low_field,
    normal_equations,
    robust_fit,
)
from napari_qpm.retrieval.engine import Background

__all__ = [
    "BackgroundFit",
    "CoarseFrame",
    "Surface",
    "background_mode",
    "block_heights",
    "empty_pixels",
    "fit_background",
    "fit_wrapped_slopes",
    "legendre",
    "robust_deviation",
    "roughness",
    "terms_of",
]

MIN_BACKGROUND_SHARE = 0.15
"""Below this share of empty field a fitted background is doubtful."""
MAX_BACKGROUND_NOISE = 0.4
"""Empty field [rad] that is rougher than this is not empty, or the model does not fit.
Seen on real holograms: 0.05 to 0.25."""
LEAST_NOISE = 1e-4
"""Noise [rad] assumed where the empty field is exactly flat (masked or simulated)."""
MAX_CONDITION = 1e4
"""Fits that are worse conditioned on the empty pixels drop their highest order."""
FIT_SIDE = 96
"""Longest side [px] of the coarse grid on which the background is fitted."""
SLOPE_SAMPLES = 112
"""Longest side [px] of the grid of sampled phase steps for the first estimate."""

MIN_CURVATURE = 0.3
"""Curvature coefficients [rad] below which it does not matter where a fit starts."""
SLOPE_TERMS = np.array([(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)])

Terms = tuple[tuple[int, int], ...]


def terms_of(kind: Background, order: int) -> Terms:
    """Return the ``(i, j)`` orders in y and x that a background model consists of."""
    match kind:
        case Background.NONE:
            return ()
        case Background.OFFSET:
            degree = 0
        case Background.TILT:
            degree = 1
        case Background.QUADRATIC:
            degree = 2
        case Background.LEGENDRE:
            span = range(order + 1)
            return tuple((i, j) for i in span for j in span)
        case Background.ZERNIKE | Background.CROWDED:
            degree = order
    return tuple((i, j) for i in range(degree + 1) for j in range(degree + 1 - i))


@dataclass(frozen=True)
class Surface:
    """Smooth surface over a frame.

    Parameters
    ----------
    coefficients
        ``(I, J)`` factors of ``P_i(y) P_j(x)`` [rad].
    """

    coefficients: NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, 1)))

    def rows_and_columns(
        self, shape: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return ``(Y, J)`` and ``(J, X)`` whose matrix product is the surface."""
        py = legendre(np.linspace(-1, 1, shape[0]), self.coefficients.shape[0])
        px = legendre(np.linspace(-1, 1, shape[1]), self.coefficients.shape[1])
        rows = np.ascontiguousarray(py.T @ self.coefficients, dtype=np.float32)
        return rows, np.ascontiguousarray(px, dtype=np.float32)

    def evaluate(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the surface on a grid ``(Y, X)`` [rad]."""
        rows, columns = self.rows_and_columns(shape)
        return rows @ columns

    def curvature(self) -> "Surface":
        """Return the part of second and higher order."""
        orders = np.add.outer(*map(np.arange, self.coefficients.shape))
        return Surface(np.where(orders >= 2, self.coefficients, 0.0))

    def __neg__(self) -> "Surface":
        return Surface(-self.coefficients)

    def __add__(self, other: "Surface") -> "Surface":
        a, b = self.coefficients, other.coefficients
        total = np.zeros(np.maximum(a.shape, b.shape))
        total[: a.shape[0], : a.shape[1]] += a
        total[: b.shape[0], : b.shape[1]] += b
        return Surface(total)


@dataclass(frozen=True)
class BackgroundFit:
    """A fitted background and how far it can be trusted.

    Parameters
    ----------
    surface
        The background [rad].
    share
        Share of the frame that was taken for empty, 0 to 1.
    noise
        Robust standard deviation of the empty pixels of the coarse grid [rad].
    condition
        Condition number of the fit on the empty pixels.
    floor
        Noise of the coarse grid from pixel to pixel, the least that can be left [rad].
    mask
        Empty pixels on the coarse grid.
    """

    surface: Surface
    share: float
    noise: float
    condition: float
    floor: float
    mask: NDArray[np.bool_]

    @property
    def is_trusted(self) -> bool:
        """Whether enough of the field was empty, and flat after the fit."""
        return self.share >= MIN_BACKGROUND_SHARE and self.noise <= MAX_BACKGROUND_NOISE

    @property
    def density(self) -> float:
        """Share of empty field over its noise [1/rad]: high for a good fit."""
        return self.share / (self.noise + 2 * self.floor + 1e-4)


def legendre(x: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the first `count` Legendre polynomials at `x`, ``(count, len(x))``."""
    return _legendre(np.asarray(x, np.float64).tobytes(), count)


@functools.lru_cache(maxsize=128)
def _legendre(places: bytes, count: int) -> NDArray[np.float64]:
    """Return polynomials at places that all frames of a recording share; read-only."""
    x = np.frombuffer(places, np.float64)
    values: NDArray[np.float64] = np.ascontiguousarray(
        np.polynomial.legendre.legvander(x, count - 1).T, np.float64
    )
    values.flags.writeable = False
    return values


@dataclass(frozen=True)
class CoarseFrame:
    """Block means of a frame, with where the blocks lie on [-1, 1].

    Parameters
    ----------
    values
        ``(y, x)`` means.
    y, x
        Centres of the blocks.
    """

    values: NDArray[np.float32]
    y: NDArray[np.float64]
    x: NDArray[np.float64]

    @classmethod
    def of(cls, phase: NDArray[np.float32]) -> Self:
        """Return means over blocks, large blocks sampled at 4x4 of their pixels."""
        picks_y, picks_x = (_block_picks(n, max(phase.shape)) for n in phase.shape)
        sample = phase[np.ix_(picks_y.ravel(), picks_x.ravel())]
        sample = sample.reshape(*picks_y.shape, *picks_x.shape)
        return cls(
            np.asarray(sample.mean(axis=(1, 3), dtype=np.float32)),
            2 * picks_y.mean(axis=1) / max(phase.shape[0] - 1, 1) - 1,
            2 * picks_x.mean(axis=1) / max(phase.shape[1] - 1, 1) - 1,
        )

    def surface(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return a surface at the blocks."""
        py = legendre(self.y, coefficients.shape[0])
        px = legendre(self.x, coefficients.shape[1])
        return np.asarray(py.T @ coefficients @ px, dtype=np.float32)


def fit_wrapped_slopes(wrapped: NDArray[np.float32]) -> Surface:
    """Return tilt and curvature of a wrapped phase, before any unwrapping.

    The steps between neighbour pixels, themselves wrapped, are the slopes of the
    phase wherever it is sampled well enough. A quadratic surface is fitted to a sample
    of them with Tukey weights (cell edges are outliers of both signs), and again to
    steps over eight pixels, in which noise counts eight times less.

    Parameters
    ----------
    wrapped
        ``(Y, X)`` [rad]; NaN is ignored.
    """
    surface = Surface(np.zeros((3, 3)))
    for reach in (1, 8):
        if min(wrapped.shape) > 4 * reach:
            surface = surface + _slope_correction(wrapped, surface, reach)
    return surface


def _slope_correction(
    wrapped: NDArray[np.float32], surface: Surface, reach: int
) -> Surface:
    """Return what steps over `reach` pixels add to a first quadratic surface."""
    (ny, nx), stride = wrapped.shape, max(1, -(-max(wrapped.shape) // SLOPE_SAMPLES))
    here = wrapped[: ny - reach : stride, : nx - reach : stride]
    below = wrapped[reach::stride, : nx - reach : stride][: here.shape[0]]
    right = wrapped[: ny - reach : stride, reach::stride][:, : here.shape[1]]
    y = np.linspace(-1, 1, ny)[: ny - reach : stride]
    x = np.linspace(-1, 1, nx)[: nx - reach : stride]
    py, px = legendre(y, 3), legendre(x, 3)
    rise_y = legendre(y + 2 * reach / (ny - 1), 3) - py
    rise_x = legendre(x + 2 * reach / (nx - 1), 3) - px
    # The steps down and to the right, and the products that model them.
    steps = [(below - here, rise_y, px), (right - here, py, rise_x)]
    if np.isfinite(steps[0][0]).sum() + np.isfinite(steps[1][0]).sum() < 50:
        return Surface()

    solution = surface.coefficients.copy()
    if not solution.any():
        # The mean slopes, as angles: right even where the steps wrap.
        down, across = (np.angle(np.nanmean(np.exp(1j * s[0]))) for s in steps)
        solution[1, 0] = down * (ny - 1) / (2 * reach)
        solution[0, 1] = across * (nx - 1) / (2 * reach)
    for _ in range(4):
        misfits = [_wrap(s - rows.T @ solution @ columns) for s, rows, columns in steps]
        gathered = np.concatenate([np.abs(misfit).ravel() for misfit in misfits])
        spread = 1.4826 * float(np.nanmedian(gathered[::4]))
        sums = [
            normal_equations(rows, columns, SLOPE_TERMS, _tukey(misfit, spread), misfit)
            for (_, rows, columns), misfit in zip(steps, misfits, strict=True)
        ]
        gram, moment = sums[0][0] + sums[1][0], sums[0][1] + sums[1][1]
        update = np.linalg.lstsq(gram, moment, rcond=1e-12)[0]
        solution[tuple(SLOPE_TERMS.T)] += update
        if np.max(np.abs(update)) < 1e-2:
            break
    return Surface(solution - surface.coefficients)


def fit_background(
    phase: NDArray[np.float32],
    kind: Background,
    order: int = 4,
    *,
    removed: Surface | None = None,
) -> BackgroundFit:
    """Return the background of an unwrapped phase, fitted outside the objects.

    Objects are found on a coarse grid as what rises above the background by more than
    its noise, grown a little, and left out; fit and mask are iterated from low order to
    the wanted one.

    Parameters
    ----------
    phase
        ``(Y, X)`` unwrapped phase [rad], cells positive; NaN is ignored.
    kind, order
        Model of the background.
    removed
        Curvature that was taken out of `phase` before, on a guess.

    Notes
    -----
    A fit can settle on cells: one big round cell looks like a curved background. Where
    the first leaves more than noise, it starts again with `removed` put back and from
    the slopes of the smoothest pixels, and the densest background (share over noise)
    is kept.
    """
    coarse = CoarseFrame.of(phase)
    terms = terms_of(kind, order)
    if not np.isfinite(coarse.values).any() or not terms:
        empty = np.zeros(coarse.values.shape, bool)
        return BackgroundFit(Surface(), 0.0, 0.0, 1.0, 0.0, empty)
    rough, floor = roughness(coarse.values)
    best = _fit_coarse(coarse, terms, floor)
    starts: list[Callable[[], Surface]] = []
    if kind not in (Background.OFFSET, Background.TILT):
        if removed is not None:
            starts.append(lambda: -removed)
        starts.append(lambda: _smooth_start(coarse.values, rough))
    for start in starts:
        if best.noise <= 3 * floor:
            break
        surface = start()
        if np.abs(surface.coefficients).max() < MIN_CURVATURE:
            continue
        flat = coarse.values - coarse.surface(surface.coefficients)
        again = _fit_coarse(replace(coarse, values=flat), terms, floor)
        if again.density > best.density:
            best = replace(again, surface=again.surface + surface)
    return best


def block_heights(
    phase: NDArray[np.float32], surface: Surface
) -> tuple[NDArray[np.float32], float]:
    """Return block means above a surface on the coarse grid, and their noise [rad].

    The noise is that from block to block, as in `BackgroundFit.floor`.
    """
    coarse = CoarseFrame.of(phase)
    heights = coarse.values - coarse.surface(surface.coefficients)
    if not np.isfinite(heights).any():
        return heights, 0.0
    return heights, roughness(heights)[1]


def roughness(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.float32], float]:
    """Return how rough the surroundings of each pixel are, and the noise of a pixel."""
    filled = np.where(np.isfinite(values), values, np.nanmedian(values))
    detail = np.abs(scipy.ndimage.laplace(filled))
    # The Laplacian of white noise has sqrt(20) times its deviation; the smoothest
    # tenth of the frame, whose quantile that is, is free of cells.
    floor = float(np.quantile(detail, 0.1)) / (0.1257 * np.sqrt(20))
    return scipy.ndimage.maximum_filter(detail, 5), floor


def _smooth_start(
    values: NDArray[np.float32], roughness: NDArray[np.float32]
) -> Surface:
    """Return tilt and curvature of the smoothest third of a frame.

    Cells have texture and edges; the background has noise alone, whatever its shape.
    """
    smooth = np.where(roughness <= np.quantile(roughness, 0.35), values, np.nan)
    surface = Surface(np.zeros((3, 3)))
    for reach in (1, 4):
        surface = surface + _slope_correction(smooth, surface, reach)
    return surface


def _fit_coarse(coarse: CoarseFrame, terms: Terms, floor: float) -> BackgroundFit:
    """Return the fit that starts from the most common level."""
    values = coarse.values
    finite = np.isfinite(values)
    degree = max(i + j for i, j in terms)
    steps = [k for k in (1, 2, 3, 4, 6) if k < degree]
    ladder = [tuple(term for term in terms if sum(term) <= k) for k in steps]
    ladder = [((0, 0),), *ladder, terms, terms]
    coefficients, condition = np.zeros((1, 1)), 1.0
    level, noise = background_mode(values[finite])
    residual, mask = values - np.float32(level), finite
    for step, current in enumerate(ladder):
        mask = empty_pixels(residual, noise, finite)
        solved = _fit_terms(coarse, mask, residual, noise, current)
        if solved is None:
            continue
        coefficients, condition = solved
        residual = values - coarse.surface(coefficients)
        if step < len(ladder) - 1:
            level, noise = background_mode(residual[finite])
            residual = residual - np.float32(level)
    inside = residual[mask]
    return BackgroundFit(
        Surface(coefficients),
        float(mask.sum() / finite.sum()),
        robust_deviation(inside),
        condition,
        floor,
        mask,
    )


def background_mode(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return level and noise of the background among cell and background values.

    The background is the densest peak of the values: the middle of the shortest
    interval that holds a tenth of them. Its noise is that of a normal distribution
    with the same density, so that cells above do not widen it.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    count = max(2, ordered.size // 10)
    if ordered.size < 4:
        return float(np.median(ordered)), 0.0
    widths = ordered[count - 1 :] - ordered[: ordered.size - count + 1]
    start = int(np.argmin(widths))
    level = _sorted_quantile(ordered[start : start + count], 0.5)
    below = ordered[: np.searchsorted(ordered, level, side="right")]
    # The lower half is free of cells: 68 % of it lies within one sigma of the peak.
    noise = level - _sorted_quantile(below, 0.3173) if below.size > 10 else 0.0
    return level, max(noise, float(widths[start]) * 0.5)


def _sorted_quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Return a quantile of sorted values, which NumPy would sort anew."""
    place = share * (ordered.size - 1)
    low = int(place)
    high = min(low + 1, ordered.size - 1)
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))


def robust_deviation(values: NDArray[np.floating]) -> float:
    """Return the standard deviation that the median deviation of values stands for."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def empty_pixels(
    residual: NDArray[np.float32], noise: float, finite: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return where nothing but background is, leaving enough to fit on."""
    height = np.nan_to_num(residual)
    noise = max(noise, LEAST_NOISE)
    for sigmas, grow in ((2.5, 2), (2.5, 1), (3.0, 0)):
        mask: NDArray[np.bool_] = low_field(
            height, finite, sigmas * noise, 4 * noise, grow
        )
        if mask.sum() >= MIN_BACKGROUND_SHARE * finite.sum():
            return mask
    return mask


def _fit_terms(
    coarse: CoarseFrame,
    mask: NDArray[np.bool_],
    residual: NDArray[np.float32],
    noise: float,
    terms: Terms,
) -> tuple[NDArray[np.float64], float] | None:
    """Return coefficients and condition of a Tukey-weighted fit on the mask."""
    if mask.sum() < 3 * len(terms):
        return None
    orders = np.array(terms)
    rows, columns = (
        legendre(axis, highest + 1)
        for axis, highest in zip((coarse.y, coarse.x), orders.max(axis=0), strict=True)
    )
    solved: tuple[NDArray[np.float64], float] = robust_fit(
        rows, columns, orders, coarse.values, mask, residual, noise, MAX_CONDITION
    )
    return solved


def _block_picks(length: int, longest: int) -> NDArray[np.intp]:
    """Return the sampled pixels of each block of an axis, ``(blocks, samples)``."""
    block = max(1, -(-longest // FIT_SIDE))
    count = max(1, length // block)
    offsets = np.unique(np.linspace(0, block - 1, min(block, 4)).round().astype(int))
    picks = np.arange(count)[:, None] * block + offsets
    return np.asarray(np.minimum(picks, length - 1))


def _wrap(values: NDArray[np.floating]) -> NDArray[np.float32]:
    turns = np.rint(values * np.float32(1 / (2 * np.pi)))
    return np.asarray(values - np.float32(2 * np.pi) * turns, dtype=np.float32)


def _tukey(residual: NDArray[np.floating], sigma: float) -> NDArray[np.float64]:
    """Return Tukey's bisquare weights for residuals of this spread; 0 for NaN."""
    scaled = np.asarray(residual, np.float64) / (TUKEY * max(sigma, 1e-6))
    return np.where(np.abs(scaled) < 1, (1 - scaled**2) ** 2, 0.0)
