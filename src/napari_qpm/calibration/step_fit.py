"""Height of a step from its phase image: two levels on one smooth surface.

Tilt and curvature are fitted together with the step, because a background that was
taken off a field with a step in it leans against it.
"""

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from napari_qpm.calibration.finding import Finding, unknown

__all__ = ["measure_step"]

EDGE_PX = 4
"""Pixels on both sides of an edge that do not count: the microscope blurs it."""
LEAST_SHARE = 0.03
"""Part of the field that each level must cover."""
PARTS = 4
"""The field in so many rows and columns of parts, left out in turn for the error."""
MAX_NOISE = 0.5
"""Rms of what is left, over the height, above which there is no step."""
ROUNDS = 30


def measure_step(opd_nm: NDArray[np.floating]) -> tuple[Finding, float]:
    """Return the height of a step [nm], and the rms of what is left over that height.

    Parameters
    ----------
    opd_nm
        ``(Y, X)``; a straight edge or several raised places of the same height.

    Returns
    -------
    Finding
        Always positive; unknown, with the reason, where there is no step.
    float
        NaN where there is no step.
    """
    finite = np.isfinite(opd_nm)
    if np.count_nonzero(finite) < 64:
        return unknown("The frame has hardly any valid pixel."), float("nan")
    opd = np.where(finite, opd_nm, np.median(opd_nm[finite])).astype(np.float64)
    surface = _surface(opd.shape)
    fits = [
        _settle(opd, finite, surface, start) for start in _starts(opd, finite, surface)
    ]
    known = [fit for fit in fits if fit is not None]
    if not known:
        return unknown("There are no two levels in the frame."), float("nan")
    height, noise, terms, use = min(known, key=lambda fit: fit[1])
    if not noise < MAX_NOISE * abs(height):
        reason = f"What is left ({noise:.3g} nm rms) hides a step, if there is one."
        return unknown(reason), float("nan")
    error = _jackknife(opd, terms, use)
    how = "Two levels fitted with tilt and curvature; error from parts of the field."
    return Finding(abs(height), error, how), _misfit(opd, terms, use) / abs(height)


Fit = tuple[float, float, NDArray[np.float64], NDArray[np.bool_]]


def _surface(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return offset, tilt and curvature ``(Y, X, 6)``."""
    y = np.linspace(-1, 1, shape[0])[:, None] + np.zeros(shape)
    x = np.linspace(-1, 1, shape[1]) + np.zeros(shape)
    return np.stack([np.ones(shape), y, x, y * y, x * y, x * x], axis=-1)


def _starts(
    opd: NDArray[np.float64], finite: NDArray[np.bool_], surface: NDArray[np.float64]
) -> list[NDArray[np.bool_]]:
    """Return first guesses of the upper level: as it is, and without its surface."""
    from skimage.filters import threshold_otsu

    solution, *_ = np.linalg.lstsq(surface[finite], opd[finite], rcond=None)
    flat = opd - surface @ solution
    # An edge stays an edge when what is broad is taken away.
    near = opd - scipy.ndimage.gaussian_filter(opd, max(opd.shape) / 6)
    images = [scipy.ndimage.gaussian_filter(one, 2) for one in (opd, flat, near)]
    return [
        np.asarray(image > threshold_otsu(image[finite]))
        for image in images
        if np.ptp(image[finite]) > 0
    ]


def _settle(
    opd: NDArray[np.float64],
    finite: NDArray[np.bool_],
    surface: NDArray[np.float64],
    upper: NDArray[np.bool_],
) -> Fit | None:
    """Return height, noise, terms and used pixels when the levels no longer change."""
    smooth = scipy.ndimage.gaussian_filter(opd, 2)
    fit: Fit | None = None
    for _ in range(ROUNDS):
        shares = np.mean(upper[finite]), np.mean(~upper[finite])
        if min(shares) < LEAST_SHARE:
            return None
        edge = scipy.ndimage.binary_dilation(
            scipy.ndimage.morphological_gradient(upper.astype(np.uint8), 3) > 0,
            iterations=EDGE_PX,
        )
        use = finite & ~edge
        if min(np.mean(use & upper), np.mean(use & ~upper)) < LEAST_SHARE / 2:
            return None
        terms = np.concatenate([surface, upper[..., None]], axis=-1)
        solution = _solve(opd, terms, use)
        left = opd - terms @ solution
        spread = 1.4826 * np.median(np.abs(left[use])) + 1e-9
        use &= np.abs(left) < 4 * spread
        solution = _solve(opd, terms, use)
        noise = float(np.sqrt(np.mean((opd - terms @ solution)[use] ** 2)))
        height = float(solution[-1])
        fit = height, noise, terms, use
        level = smooth - surface @ solution[:-1]
        again = level > height / 2 if height > 0 else level < height / 2
        if np.array_equal(again, upper):
            break
        upper = again
    return fit


def _solve(
    opd: NDArray[np.float64], terms: NDArray[np.float64], use: NDArray[np.bool_]
) -> NDArray[np.float64]:
    chosen = terms[use]
    solution, *_ = np.linalg.lstsq(chosen.T @ chosen, chosen.T @ opd[use], rcond=None)
    return np.asarray(solution)


def _misfit(
    opd: NDArray[np.float64], terms: NDArray[np.float64], use: NDArray[np.bool_]
) -> float:
    """Return the rms [nm] of what is left, smoothed so that noise hardly counts."""
    left = np.where(use, opd - terms @ _solve(opd, terms, use), 0)
    return float(np.sqrt(np.mean(scipy.ndimage.gaussian_filter(left, 3)[use] ** 2)))


def _jackknife(
    opd: NDArray[np.float64], terms: NDArray[np.float64], use: NDArray[np.bool_]
) -> float:
    """Return the error of the height: neighbours are alike, far parts are not."""
    rows, columns = (np.arange(n) * PARTS // n for n in opd.shape)
    part = rows[:, None] * PARTS + columns
    numbers = np.unique(part[use])
    heights = np.array(
        [_solve(opd, terms, use & (part != number))[-1] for number in numbers]
    )
    spread = np.sum((heights - heights.mean()) ** 2)
    return float(np.sqrt((len(numbers) - 1) / len(numbers) * spread))
