"""The background of crowded fields, in which little is empty.

A fit outside of the cells alone is free to bend under large ones, where it has nothing
to hold on to. Here every pixel counts, by how likely it is empty: what is textured or
high hardly does, and the background is no wilder than those of microscopes are. Where a
network has said how high the cells are, these count, too.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from napari_qpm.retrieval._fit_kernels import normal_equations
from napari_qpm.retrieval.background import (
    BackgroundFit,
    CoarseFrame,
    Surface,
    background_mode,
    empty_pixels,
    legendre,
    robust_deviation,
    roughness,
    terms_of,
)
from napari_qpm.retrieval.engine import Background

__all__ = ["fit_crowded_background"]

EMPTY_RAD = 0.06
"""How far the field strays from 0 where nothing is [rad]: stray fringes and noise."""
CELL_RAD, CELL_SHARE, CELL_FROM_RAD = 2.0, 1.0, 0.3
"""How far the phase of a cell may be from what is expected [rad], the second in units
of what is expected, and from where on something is a cell."""
TEXTURE_WEIGHT = 3.0
TEXTURE_QUANTILE = 0.3
TEXTURE_REACH = 7
"""Pixels of the coarse grid around texture that count as textured."""
PRIOR_RAD = (9.0, 3.0, 2.0, 0.6, 0.4, 0.3, 0.25, 0.2, 0.2)
"""Typical coefficients of the background by their order [rad]: aberrations get smaller
from order to order."""
RIM_SHARE, RIM_WEIGHT = 0.03, 0.2
"""Rim of a frame, in units of its side, where filters ring."""
EFFECTIVE_SAMPLES = 20.0
"""Independent samples of a frame: neighbours on the coarse grid err alike."""
MOST_ROUNDS, LEAST_CHANGE_RAD = 40, 1e-3
"""Of the fit that weighs every pixel."""
SETTLING_ROUNDS, SETTLING_SHARE = 4, 0.1
"""Rounds in which empty pixels correct the coefficients, and by how much they typically
do, in units of the prior."""
SETTLED_SAMPLES = 100.0
"""Independent samples if the whole frame were empty."""
LEAST_NOISE_RAD = 0.01

FloatImage = NDArray[np.float32]
Square = NDArray[np.float64]


def fit_crowded_background(
    phase: FloatImage, order: int, guess: FloatImage | None = None
) -> BackgroundFit:
    """Return the background of an unwrapped phase ``(Y, X)`` [rad].

    Coefficients c of Legendre products up to a total order minimise the sum over the
    coarse grid of ``w (h - e)^2`` with ``h = phase - S(c)``, plus ``(c / prior)^2``.
    Expected is ``e = guess``; the weights w fall with the texture around, with the
    height, and with the misfit (Cauchy). In the end the pixels that are clearly empty
    correct c by as much as they bear.

    Parameters
    ----------
    phase
        ``(Y, X)`` [rad], with its background; NaN is ignored.
    order
        Highest order of the background, 0 to 8.
    guess
        ``(Y, X)`` [rad] of the cells alone, as a network sees them; without it, a first
        fit to an empty field makes one.
    """
    coarse = CoarseFrame.of(phase)
    finite = np.isfinite(coarse.values)
    if not finite.any():
        return BackgroundFit(Surface(), 0.0, 0.0, 1.0, 0.0, finite)
    field = _Field.of(coarse, order)
    if guess is None:
        nothing = np.zeros_like(coarse.values)
        seen = field.heights(field.bend_under(nothing))
    else:
        seen = CoarseFrame.of(guess).values
    rough = field.bend_under(np.maximum(np.nan_to_num(seen), 0))
    coefficients, mask, noise = field.settle(rough)
    height = field.heights(coefficients)
    return BackgroundFit(
        Surface(coefficients),
        float(mask.sum() / finite.sum()),
        robust_deviation(height[mask]) if mask.any() else noise,
        field.condition,
        roughness(coarse.values)[1],
        mask,
    )


@dataclass(frozen=True, eq=False)
class _Field:
    """A frame on the coarse grid, and the polynomials of its background.

    Coefficients are ``(order + 1, order + 1)`` squares of Legendre products, zero
    beyond the total order.

    Parameters
    ----------
    values
        ``(y, x)`` phase [rad].
    rows, columns
        ``(order + 1, y)`` and ``(order + 1, x)`` polynomials.
    terms
        Orders in y and x of the products.
    prior
        Inverse squares of typical coefficients of the terms.
    """

    values: FloatImage
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    terms: tuple[tuple[int, int], ...]
    prior: NDArray[np.float64]

    @classmethod
    def of(cls, coarse: CoarseFrame, order: int) -> Self:
        """Return a frame with the polynomials up to an order."""
        terms = terms_of(Background.CROWDED, order)
        rows, columns = (legendre(axis, order + 1) for axis in (coarse.y, coarse.x))
        prior = np.array([1 / PRIOR_RAD[i + j] ** 2 for i, j in terms])
        return cls(coarse.values, rows, columns, terms, prior)

    @property
    def condition(self) -> float:
        """Condition number of a fit to the whole frame."""
        evenly = np.ones(self.values.shape)
        gram, _ = normal_equations(
            self.rows, self.columns, np.array(self.terms), evenly, self.values
        )
        return float(np.sqrt(np.linalg.cond(gram)))

    def heights(self, coefficients: Square) -> FloatImage:
        """Return the phase above a background ``(y, x)`` [rad]."""
        below = self.rows.T @ coefficients @ self.columns
        return np.asarray(self.values - below, np.float32)

    def bend_under(self, expected: NDArray[np.floating]) -> Square:
        """Return coefficients under cells of about these heights ``(y, x)`` [rad]."""
        trust = _trust(self.values)
        empty_rad = EMPTY_RAD * (1 + TEXTURE_WEIGHT * _texture(self.values))
        sure = empty_rad + _doubt(expected)
        weight = trust / sure**2
        nowhere = np.zeros((len(self.rows), len(self.columns)))
        coefficients = nowhere
        for _ in range(MOST_ROUNDS):
            before = coefficients
            coefficients = self._solve(weight, expected, self.prior, nowhere)
            if np.abs(coefficients - before).max() < LEAST_CHANGE_RAD:
                break
            height = self.heights(coefficients)
            # What rises where no cell is expected is no empty field either.
            sure = empty_rad + _doubt(np.maximum(expected, height))
            weight = trust / sure**2 / (1 + ((height - expected) / (2 * sure)) ** 2)
        return coefficients

    def settle(self, rough: Square) -> tuple[Square, NDArray[np.bool_], float]:
        """Return coefficients that clearly empty pixels corrected, these, and noise."""
        finite = np.isfinite(self.values)
        prior, coefficients = self.prior / SETTLING_SHARE**2, rough
        mask, noise = finite, 0.0
        for _ in range(SETTLING_ROUNDS):
            height = self.heights(coefficients)
            level, noise = background_mode(height[finite])
            height, noise = height - np.float32(level), max(noise, LEAST_NOISE_RAD)
            mask = empty_pixels(height, noise, finite)
            weight = mask / (1 + (np.nan_to_num(height) / (2 * noise)) ** 2)
            weight *= SETTLED_SAMPLES / self.values.size / noise**2
            coefficients = self._solve(weight, np.zeros_like(height), prior, rough)
        return coefficients, mask, noise

    def _solve(
        self,
        weight: NDArray[np.floating],
        target: NDArray[np.floating],
        prior: NDArray[np.floating],
        centre: Square,
    ) -> Square:
        """Return the coefficients of a weighted fit that are not far from a centre."""
        orders = np.array(self.terms)
        gram, moment = normal_equations(
            self.rows,
            self.columns,
            orders,
            np.nan_to_num(weight).astype(np.float64),
            np.asarray(self.values - target, np.float32),
        )
        i, j = orders.T
        found = np.zeros_like(centre)
        found[i, j] = np.linalg.solve(
            gram + np.diag(prior), moment + prior * centre[i, j]
        )
        return found


def _doubt(expected: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return how far a network's phase may be off in cells [rad]."""
    return CELL_SHARE * expected + CELL_RAD * (expected > CELL_FROM_RAD)


def _texture(values: FloatImage) -> NDArray[np.floating]:
    """Return how much rougher the surroundings of each pixel are than smooth field."""
    filled = np.where(np.isfinite(values), values, np.nanmedian(values))
    smooth = scipy.ndimage.gaussian_filter(filled, 1.5)
    rough = scipy.ndimage.maximum_filter(
        np.abs(scipy.ndimage.laplace(smooth)), TEXTURE_REACH
    )
    typical = float(np.quantile(rough, TEXTURE_QUANTILE))
    return np.asarray(np.maximum(rough / max(typical, 1e-9) - 1, 0))


def _trust(values: FloatImage) -> NDArray[np.floating]:
    """Return how much each pixel counts: less at the rim, nothing where none is."""
    trust = np.full(values.shape, RIM_WEIGHT)
    inner = tuple(
        slice(round(RIM_SHARE * n), n - round(RIM_SHARE * n)) for n in values.shape
    )
    trust[inner] = 1
    trust[~np.isfinite(values)] = 0
    return np.asarray(EFFECTIVE_SAMPLES / values.size * trust)
