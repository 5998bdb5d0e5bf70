"""The smooth phase that a retrieval may have taken out: a nuisance, fitted here again.

A camera frame holds the phase of the cells plus that of the empty field; a retrieved
phase holds the cells alone. What separates the two is smooth, and is fitted with few
polynomials, so that it cannot follow cells.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap
from napari_qpm.checks.resampling import unit_phasor
from napari_qpm.retrieval.background import Surface, fit_wrapped_slopes, terms_of
from napari_qpm.retrieval.engine import Background

__all__ = [
    "SmoothPhase",
    "direction",
    "fit_sign",
    "fit_smooth_phase",
    "smooth_terms",
]

DEGREE = 4
"""Total degree of the fitted polynomials: tilt, defocus, astigmatism, coma, spherical
aberration."""
SIDE = 64
"""Blocks a side of the grid on which the fit runs."""
SIGN_SIDE = 512
"""Pixels a side of the sampled field that decides the sign."""
ROUNDS = 8
LEAST_SPREAD = 0.02
"""Phase [rad] below which the misfit of a block counts as none."""

Terms = tuple[tuple[int, int], ...]
ComplexImage = NDArray[np.complex64]


@dataclass(frozen=True)
class SmoothPhase:
    """A fitted smooth phase.

    Parameters
    ----------
    surface
        The phase [rad].
    agreement
        How well the blocks agree after the fit: 1 all alike, 0 at random.
    """

    surface: Surface
    agreement: float

    def phasor(self, shape: tuple[int, int]) -> ComplexImage:
        """Return ``exp(i surface)`` on a grid ``(Y, X)``."""
        return unit_phasor(self.surface.evaluate(shape))


def direction(field: ComplexImage) -> ComplexImage:
    """Return a field over its modulus."""
    unit = field / np.maximum(np.abs(field), np.float32(1e-12))
    return unit.astype(np.complex64, copy=False)


def smooth_terms(phase_map: PhaseMap) -> Terms:
    """Return the polynomials that a retrieval of this map may have subtracted.

    Fourth order covers the aberrations of real optics; a map whose history says that a
    richer background was fitted gets that one as well.
    """
    terms = set(terms_of(Background.ZERNIKE, DEGREE))
    for step in phase_map.history:
        model = step.parameters.get("background")
        if step.name == "retrieve" and model in list(Background):
            order = int(step.parameters.get("background_order", DEGREE))
            terms |= set(terms_of(Background(model), order))
    return tuple(sorted(terms))


def fit_sign(
    measured: ComplexImage,
    phasor: ComplexImage,
    signs: tuple[int, ...],
    terms: Terms,
) -> tuple[int, SmoothPhase]:
    """Return under which of these signs a phase leaves a smooth rest, and that rest.

    Parameters
    ----------
    measured
        Field of the fringes ``(Y, X)``, 0 where it is not known.
    phasor
        ``exp(i phase)`` of the phase to be tried.
    """
    step = max(1, round(min(measured.shape) / SIGN_SIDE))
    coarse, thin = measured[::step, ::step], phasor[::step, ::step]
    fits = {
        sign: fit_smooth_phase(coarse * (np.conj(thin) if sign > 0 else thin), terms)
        for sign in signs
    }
    best = max(fits, key=lambda sign: fits[sign].agreement)
    return best, fits[best]


def fit_smooth_phase(field: ComplexImage, terms: Terms) -> SmoothPhase:
    """Return the smooth part of the phase of a complex field ``(Y, X)``.

    Tilt and curvature come from the steps between neighbours (no unwrapping), the rest
    from block means of what is left, with Tukey weights: blocks in which an object is
    wrong, or missing, do not pull.

    Parameters
    ----------
    field
        Measured over assumed object field; zero where it is unknown.
    terms
        ``(i, j)`` of the Legendre products ``P_i(y) P_j(x)`` to fit.
    """
    slopes = fit_wrapped_slopes(_phase_or_nan(field))
    blocks, y, x = _block_means(
        field * np.conj(unit_phasor(slopes.evaluate(field.shape)))
    )
    columns = max(j for _, j in terms) + 1
    rows = max(i for i, _ in terms) + 1
    py = np.polynomial.legendre.legvander(y, rows - 1)
    px = np.polynomial.legendre.legvander(x, columns - 1)
    design = np.stack([np.outer(py[:, i], px[:, j]).ravel() for i, j in terms], axis=1)
    values, weight = blocks.ravel(), np.abs(blocks).ravel()
    solution = np.zeros(len(terms))
    level = float(np.angle(values.sum()))
    for _ in range(ROUNDS):
        fitted = design @ solution + level
        misfit = np.angle(values * np.exp(-1j * fitted))
        spread = (
            1.4826 * float(np.median(np.abs(misfit[weight > 0]))) if weight.any() else 0
        )
        scaled = misfit / (4.685 * max(spread, LEAST_SPREAD))
        trust = weight * np.where(np.abs(scaled) < 1, (1 - scaled**2) ** 2, 0)
        # Normal equations: singular values of all blocks take ten times longer.
        weighted = design * trust[:, None]
        gram, moment = weighted.T @ design, weighted.T @ misfit
        update = np.linalg.lstsq(gram, moment, rcond=1e-12)[0]
        solution += update
        if np.abs(update).max() < 1e-4:
            break
    coefficients = np.zeros((rows, columns))
    for (i, j), value in zip(terms, solution, strict=True):
        coefficients[i, j] = value
    coefficients[0, 0] += level
    after = values * np.exp(-1j * (design @ solution + level))
    total = float(weight.sum())
    agreement = float(after.real.sum()) / total if total > 0 else 0.0
    return SmoothPhase(Surface(coefficients) + slopes, agreement)


def _phase_or_nan(field: ComplexImage) -> NDArray[np.float32]:
    phase = np.angle(field).astype(np.float32)
    phase[field == 0] = np.nan
    return phase


def _block_means(
    field: ComplexImage,
) -> tuple[NDArray[np.complex128], NDArray[np.float64], NDArray[np.float64]]:
    """Return means over blocks and where their centres lie on [-1, 1]."""
    means = field.astype(np.complex128)
    centres = []
    for axis, length in enumerate(field.shape):
        block = max(1, length // SIDE)
        starts = np.arange(0, length - block + 1, block)
        means = np.add.reduceat(means, starts, axis=axis)
        ends = np.append(starts[1:], length)
        shape = (-1, 1) if axis == 0 else (1, -1)
        means /= (ends - starts).reshape(shape)
        centres.append((starts + ends - 1) / max(length - 1, 1) - 1)
    return means, centres[0], centres[1]
