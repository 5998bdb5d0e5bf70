"""Height and diameter of beads from their phase image: a ball, fitted by its spectrum.

The path through a ball is ``height * sqrt(1 - rho^2 / r^2)``; with ``u = 2 pi f r`` its
spectrum is ``2 pi r^2 height (sin u - u cos u) / u^3``, which has no rim to sample and
is blurred by a product. Offset, tilt and height are linear and solved at every step.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.optimize
from numpy.typing import NDArray

from napari_qpm.calibration.finding import Finding

__all__ = ["BeadFit", "find_beads", "fit_bead"]

LEAST_SHARE = 0.25
"""Part of the expected height from which a pixel may belong to a bead."""
SIZES = (0.4, 1.8)
"""Range of the found diameter over the known one; the rest are clumps and dirt."""
LEAST_DIAMETER_PX = 6
WINDOW = 1.6
"""Half the side of a bead's window, in radii: what is around tells the background."""
RIM_PX = 4
COARSE_PX = 48
"""Pixels over a bead that are enough; finer ones are averaged in blocks."""
SECTORS = 8
"""Parts of a bead that are left out in turn, to tell how sure the fit is."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class BeadFit:
    """One bead as it was measured.

    Parameters
    ----------
    height_nm
        Optical path through its middle.
    diameter_um
        In the plane.
    opd_sum_um3
        Optical path summed over the area.
    misfit
        Rms of what the fit leaves inside the bead, over its height.
    """

    height_nm: Finding
    diameter_um: Finding
    opd_sum_um3: Finding
    misfit: float


def find_beads(
    opd_nm: NDArray[np.floating],
    pixel_um: tuple[float, float],
    diameter_um: float,
    height_nm: float,
) -> list[tuple[Window, NDArray[np.bool_]]]:
    """Return a window of every single bead, and which of its pixels to use.

    Parameters
    ----------
    opd_nm
        ``(Y, X)``, background near zero.
    pixel_um
        ``(y, x)``.
    diameter_um, height_nm
        What a bead is known to have. Beads that touch each other or the border, and
        what is far smaller or larger, are left out.
    """
    finite = np.isfinite(opd_nm)
    smooth = scipy.ndimage.gaussian_filter(np.where(finite, opd_nm, 0), 1.0)
    mask = scipy.ndimage.binary_fill_holes(smooth > LEAST_SHARE * height_nm)
    labels, _ = scipy.ndimage.label(mask)
    found = []
    for number, box in enumerate(scipy.ndimage.find_objects(labels), 1):
        sides = [
            (side.stop - side.start) * size
            for side, size in zip(box, pixel_um, strict=True)
        ]
        area = np.count_nonzero(labels[box] == number) * pixel_um[0] * pixel_um[1]
        width = 2 * np.sqrt(area / np.pi)
        # A disk fills pi / 4 of a square box; two that touch do not.
        is_round = min(sides) > 0.8 * max(sides) and area > 0.6 * sides[0] * sides[1]
        if not SIZES[0] < width / diameter_um < SIZES[1] or not is_round:
            continue
        margins = [round((WINDOW - 1) * width / 2 / size) + RIM_PX for size in pixel_um]
        ends = [
            (side.start - margin, side.stop + margin)
            for side, margin in zip(box, margins, strict=True)
        ]
        if any(
            start < 0 or stop > n
            for (start, stop), n in zip(ends, opd_nm.shape, strict=True)
        ):
            continue
        window = (slice(*ends[0]), slice(*ends[1]))
        inside = labels[window]
        others = scipy.ndimage.binary_dilation(
            (inside > 0) & (inside != number), iterations=RIM_PX
        )
        if not (others & (inside == number)).any():
            found.append((window, finite[window] & ~others))
    return found


def fit_bead(
    opd_nm: NDArray[np.floating],
    use: NDArray[np.bool_],
    pixel_um: tuple[float, float],
    diameter_um: float,
) -> BeadFit | None:
    """Return a bead's height, diameter and sum; `None` where no ball can be fitted.

    Parameters
    ----------
    opd_nm
        ``(Y, X)`` window with the bead in its middle.
    use
        ``(Y, X)`` pixels that count.
    pixel_um
        ``(y, x)``.
    diameter_um
        A guess.
    """
    if diameter_um < LEAST_DIAMETER_PX * max(pixel_um):
        return None
    step = max(1, int(diameter_um / (COARSE_PX * max(pixel_um))))
    opd_nm, use = _averaged(opd_nm, use, step)
    pixel_um = (pixel_um[0] * step, pixel_um[1] * step)
    model = _Ball(opd_nm, use, pixel_um)
    best = model.fit(use, np.array([0.0, 0.0, diameter_um / 2, max(pixel_um)]))
    if best is None:
        return None
    sector = (model.angle // (2 * np.pi / SECTORS)).astype(int) % SECTORS
    parts = []
    for number in range(SECTORS):
        rest = use & (sector != number)
        fit = model.fit(rest, best)
        if fit is None:
            return None
        parts.append(model.values(fit, rest))
    values = model.values(best, use)
    # Jackknife: as noise that is alike in neighbours, and rings, leave their mark.
    errors = np.sqrt(SECTORS - 1) * np.std(parts, axis=0)
    how = "Ball fitted to the phase; error from fits to parts of it."
    height, diameter, total = (
        Finding(float(value), float(error), how)
        for value, error in zip(values, errors, strict=True)
    )
    return BeadFit(height, diameter, total, model.misfit(best))


class _Ball:
    """The model ``height * ball + offset + tilt`` of one window.

    Parameters
    ----------
    opd_nm, use
        ``(Y, X)``.
    pixel_um
        ``(y, x)``.
    """

    def __init__(
        self,
        opd_nm: NDArray[np.floating],
        use: NDArray[np.bool_],
        pixel_um: tuple[float, float],
    ):
        self._opd = np.where(use, opd_nm, 0).astype(np.float64)
        self._use = use
        self._y, self._x = (
            (np.arange(n) - (n - 1) / 2) * size
            for n, size in zip(opd_nm.shape, pixel_um, strict=True)
        )
        self._plane = np.stack(np.broadcast_arrays(1.0, self._y[:, None], self._x))
        self.angle = np.arctan2(self._y[:, None], self._x) + np.pi
        self._shape = tuple(scipy.fft.next_fast_len(2 * n) for n in opd_nm.shape)
        self._fy = np.fft.fftfreq(self._shape[0], pixel_um[0])[:, None]
        self._fx = np.fft.rfftfreq(self._shape[1], pixel_um[1])
        self._f = np.hypot(self._fy, self._fx)
        self._area = pixel_um[0] * pixel_um[1]

    def ball(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a ball of height 1: middle y, x, radius and blur [um]."""
        y, x, radius, blur = place
        u = 2 * np.pi * self._f * radius
        u[0, 0] = 1e-3
        spectrum = 2 * np.pi * radius**2 * (np.sin(u) - u * np.cos(u)) / u**3
        spectrum *= np.exp(-2 * (np.pi * blur * self._f) ** 2) / self._area
        shift = self._fy * (y - self._y[0]) + self._fx * (x - self._x[0])
        image = scipy.fft.irfft2(spectrum * np.exp(-2j * np.pi * shift), self._shape)
        return np.asarray(image[: len(self._y), : len(self._x)])

    def _solved(
        self, place: NDArray[np.float64], use: NDArray[np.bool_]
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the best height, and what it leaves over ``(Y, X)``."""
        terms = np.stack([self.ball(place), *self._plane])
        chosen = terms[:, use]
        solution, *_ = np.linalg.lstsq(
            chosen @ chosen.T, chosen @ self._opd[use], rcond=None
        )
        return float(solution[0]), self._opd - np.tensordot(solution, terms, 1)

    def fit(
        self, use: NDArray[np.bool_], start: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Return middle, radius and blur that fit best; `None` without success."""
        reach = max(abs(self._y[0]), abs(self._x[0]))
        low = np.array([-reach, -reach, 0.1 * start[2], 0.0])
        high = np.array([reach, reach, 1.5 * reach, reach])
        done = scipy.optimize.least_squares(
            lambda place: self._solved(place, use)[1][use],
            np.clip(start, low + 1e-6, high - 1e-6),
            bounds=(low, high),
            x_scale=np.array([start[2], start[2], start[2], start[2] / 4]),
            max_nfev=200,
        )
        return np.asarray(done.x) if done.success else None

    def values(
        self, place: NDArray[np.float64], use: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return height [nm], diameter [um] and summed optical path [um^3]."""
        height, _ = self._solved(place, use)
        radius = place[2]
        total = 2 / 3 * np.pi * radius**2 * height / 1000
        return np.array([height, 2 * radius, total])

    def misfit(self, place: NDArray[np.float64]) -> float:
        """Return the rms of what is left inside the ball, over its height.

        What is left is smoothed first, so that shape counts and noise hardly does.
        """
        height, left = self._solved(place, self._use)
        y, x, radius, _ = place
        inside = np.hypot(self._y[:, None] - y, self._x - x) < radius
        reach = radius / 8 / (self._y[1] - self._y[0])
        left = scipy.ndimage.gaussian_filter(np.where(self._use, left, 0), reach)
        return float(np.sqrt(np.mean(left[inside & self._use] ** 2)) / abs(height))


def _averaged(
    opd_nm: NDArray[np.floating], use: NDArray[np.bool_], step: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Return means of blocks of `step` pixels; a block with a lost pixel is lost."""
    if step == 1:
        return opd_nm, use
    rows, columns = (n // step for n in opd_nm.shape)
    inner = (slice(rows * step), slice(columns * step))
    blocks = (rows, step, columns, step)
    means = np.where(use, opd_nm, 0)[inner].reshape(blocks).mean(axis=(1, 3))
    whole = np.asarray(use[inner].reshape(blocks).all(axis=(1, 3)))
    return means, whole
