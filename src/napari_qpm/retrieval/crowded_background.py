"""The background of crowded fields, in which little is empty.

A fit outside of the cells alone is free to bend under large ones, where it has nothing
to hold on to. Here every pixel counts, by how likely it is empty: what is textured or
high hardly does, nothing may lie lower than the background, and the background is no
wilder than those of microscopes are. Where a network has said how high the cells are,
these count, too.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

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
SUNK_RAD, SUNK_SURE_RAD, SUNK_REACH_RAD = 0.2, 0.2, 0.4
"""Nothing is thinner than the medium: what lies lower than the first [rad] pulls the
background down, as strongly as empty field that is known to the second; but far below
the third it is a fault of the frame (dust on real holograms), and pulls less."""
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
ROUNDS = 12
SETTLING_ROUNDS, SETTLING_SHARE = 4, 0.1
"""Rounds in which empty pixels correct the coefficients, and by how much they typically
do, in units of the prior."""
SETTLED_SAMPLES = 100.0
"""Independent samples if the whole frame were empty."""
LEAST_NOISE_RAD = 0.01

FloatImage = NDArray[np.float32]


def fit_crowded_background(
    phase: FloatImage, order: int, guess: FloatImage | None = None
) -> BackgroundFit:
    """Return the background of an unwrapped phase ``(Y, X)`` [rad].

    Coefficients c of Legendre products up to a total order minimise the sum over the
    coarse grid of ``w (h - e)^2`` with ``h = phase - S(c)``, plus ``(c / prior)^2``.
    Expected is ``e = guess``; the weights w fall with the texture around, with the
    height, and with the misfit (Cauchy). Where h is negative, e is 0 and w is large.
    In the end the pixels that are clearly empty correct c by as much as they bear.

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
        field.surface(coefficients),
        float(mask.sum() / finite.sum()),
        robust_deviation(height[mask]) if mask.any() else noise,
        field.condition,
        roughness(coarse.values)[1],
        mask,
    )


@dataclass(frozen=True, eq=False)
class _Field:
    """A frame on the coarse grid, and the polynomials of its background.

    Parameters
    ----------
    values
        ``(y, x)`` phase [rad].
    terms
        Orders in y and x of the polynomials.
    design
        ``(y * x, terms)``: the polynomials.
    prior
        ``(terms, terms)`` inverse squares of typical coefficients.
    """

    values: FloatImage
    terms: tuple[tuple[int, int], ...]
    design: NDArray[np.float64]
    prior: NDArray[np.float64]

    @classmethod
    def of(cls, coarse: CoarseFrame, order: int) -> Self:
        """Return a frame with the polynomials up to an order."""
        terms = terms_of(Background.CROWDED, order)
        rows, columns = (legendre(axis, order + 1) for axis in (coarse.y, coarse.x))
        products = [np.outer(rows[i], columns[j]).ravel() for i, j in terms]
        prior = np.diag([1 / PRIOR_RAD[i + j] ** 2 for i, j in terms])
        return cls(coarse.values, terms, np.stack(products, axis=1), prior)

    @property
    def condition(self) -> float:
        """Condition number of a fit to the whole frame."""
        return float(np.linalg.cond(self.design))

    def heights(self, coefficients: NDArray[np.floating]) -> FloatImage:
        """Return the phase above a background ``(y, x)`` [rad]."""
        below = (self.design @ coefficients).reshape(self.values.shape)
        return np.asarray(self.values - below, np.float32)

    def surface(self, coefficients: NDArray[np.floating]) -> Surface:
        """Return a background for any grid."""
        size = 1 + max(i for i, _ in self.terms)
        square = np.zeros((size, size))
        for (i, j), coefficient in zip(self.terms, coefficients, strict=True):
            square[i, j] = coefficient
        return Surface(square)

    def bend_under(self, expected: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return coefficients under cells of about these heights ``(y, x)`` [rad]."""
        trust = _trust(self.values)
        empty_rad = EMPTY_RAD * (1 + TEXTURE_WEIGHT * _texture(self.values))
        sure = empty_rad + _doubt(expected)
        target, weight = expected, trust / sure**2
        nowhere = np.zeros(len(self.terms))
        coefficients: NDArray[np.floating] = nowhere
        for _ in range(ROUNDS):
            coefficients = self._solve(weight, target, self.prior, nowhere)
            height = self.heights(coefficients)
            # What rises where no cell is expected is no empty field either.
            sure = empty_rad + _doubt(np.maximum(expected, height))
            weight = trust / sure**2 / (1 + ((height - expected) / (2 * sure)) ** 2)
            is_sunk = height < -SUNK_RAD
            target = np.where(is_sunk, 0, expected)
            pull = trust / SUNK_SURE_RAD**2 / (1 + (height / SUNK_REACH_RAD) ** 2)
            pull = np.maximum(weight, pull)
            weight = np.where(is_sunk, pull, weight)
        return coefficients

    def settle(
        self, rough: NDArray[np.floating]
    ) -> tuple[NDArray[np.floating], NDArray[np.bool_], float]:
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
            nothing = np.zeros_like(height)
            coefficients = self._solve(weight, nothing, prior, rough)
        return coefficients, mask, noise

    def _solve(
        self,
        weight: NDArray[np.floating],
        target: NDArray[np.floating],
        prior: NDArray[np.floating],
        centre: NDArray[np.floating],
    ) -> NDArray[np.floating]:
        """Return the coefficients of a weighted fit that are not far from a centre."""
        given = np.nan_to_num(np.asarray(self.values - target)).ravel()
        weighted = self.design * np.nan_to_num(weight).reshape(-1, 1)
        gram = self.design.T @ weighted + prior
        return np.linalg.solve(gram, weighted.T @ given + prior @ centre)


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
