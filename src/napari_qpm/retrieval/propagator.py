"""Moves a complex field along the axis, and finds the plane where cells are in focus.

The field is propagated by ``exp(i d (sqrt(km^2 - k^2) - km))``, as a cosine series: the
specimen goes on as its mirror image outside the frame, without any padding.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.fft
import scipy.optimize
from numpy.typing import NDArray

from napari_qpm.jobs import CancelToken

__all__ = ["Field2D", "Propagator", "faded", "find_focus"]

RIM = 1 / 8
"""Part of each side that does not judge focus, and is faded out before: filters ring at
the edges, and out of focus that would spread over the field."""
STEPS_PER_DEPTH = 2
MOST_STEPS = 20
"""Planes that are tried in a depth of field, and to each side at most: cells are larger
than the finest detail, and show their focus from further away."""
TOLERANCE = 0.02
"""Of the focus, in steps of the coarse search."""

Field2D = NDArray[np.complex64]


class Propagator:
    """Moves a field along the axis.

    Parameters
    ----------
    shape
        ``(Y, X)`` of the field.
    pixel_um
        ``(y, x)`` size of its pixels.
    wavelength_um
        In vacuum.
    medium_index
        Refractive index of the medium.
    workers
        Threads of each transform.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pixel_um: tuple[float, float],
        wavelength_um: float,
        medium_index: float,
        workers: int = 2,
    ):
        self._optics = (pixel_um, wavelength_um, medium_index, workers)
        ky, kx = (
            np.pi / (n * pixel) * np.arange(n)
            for n, pixel in zip(shape, pixel_um, strict=True)
        )
        squared = ky[:, None] ** 2 + kx**2
        km = 2 * np.pi * medium_index / wavelength_um
        self._passes = squared < km**2
        root = np.sqrt(np.where(self._passes, km**2 - squared, km**2))
        # sqrt(km^2 - k^2) - km, without the difference of two large numbers.
        self._turn = -squared / (root + km)
        self._workers = workers
        pixel = float(max(pixel_um))
        self.depth_um = 4 * medium_index * pixel**2 / wavelength_um
        """Depth of field of the finest detail that the pixels resolve [um]."""

    def of_shape(self, shape: tuple[int, int]) -> Self:
        """Return the same for fields of another shape."""
        return type(self)(shape, *self._optics)

    def spectrum(self, field: NDArray[Any]) -> Field2D:
        """Return the cosine series of a field ``(Y, X)``, for `at`."""
        values = np.asarray(field, np.complex64)
        series = scipy.fft.dctn(values, norm="ortho", workers=self._workers)
        return np.asarray(series)

    def at(self, spectrum: Field2D, distance_um: float) -> Field2D:
        """Return the field `distance_um` further along the light."""
        kernel = np.exp(1j * distance_um * self._turn) * self._passes
        moved = spectrum * kernel.astype(np.complex64)
        field = scipy.fft.idctn(moved, norm="ortho", workers=self._workers)
        return np.asarray(field)


@dataclass(frozen=True)
class _Contrast:
    """Mean squared slope of the amplitude, relative to its mean: least in focus."""

    propagator: Propagator
    spectrum: Field2D
    token: CancelToken

    def __call__(self, distance_um: float) -> float:
        self.token.raise_if_cancelled()
        amplitude = np.abs(self.propagator.at(self.spectrum, float(distance_um)))
        rim_y, rim_x = (max(1, int(RIM * n)) for n in amplitude.shape)
        inner = amplitude[rim_y:-rim_y, rim_x:-rim_x]
        slopes = np.gradient(inner)
        power = float(np.mean(slopes[0] ** 2 + slopes[1] ** 2))
        return power / max(float(np.mean(inner)) ** 2, 1e-30)


def find_focus(
    field: NDArray[Any],
    propagator: Propagator,
    around_um: float,
    range_um: float,
    token: CancelToken,
) -> float:
    """Return the distance [um] at which a field of transparent cells is in focus.

    A phase object has the least contrast of brightness there. Planes all over the range
    are tried, then the best one is refined.

    Parameters
    ----------
    field
        Complex ``(Y, X)``, without its background.
    propagator
        For fields of this shape.
    around_um, range_um
        Middle and half-width of the search.
    token
        To cancel.
    """
    contrast = _Contrast(propagator, propagator.spectrum(faded(field)), token)
    step = propagator.depth_um / STEPS_PER_DEPTH
    count = int(np.clip(np.ceil(range_um / step), 2, MOST_STEPS))
    planes = around_um + np.linspace(-range_um, range_um, 2 * count + 1)
    step = float(planes[1] - planes[0])
    best = float(planes[int(np.argmin([contrast(plane) for plane in planes]))])
    refined = scipy.optimize.minimize_scalar(
        contrast,
        bounds=(best - step, best + step),
        method="bounded",
        options={"xatol": TOLERANCE * step},
    )
    return float(refined.x)


def faded(field: NDArray[Any], share: float = RIM) -> NDArray[Any]:
    """Return a field that fades to its mean in a share of each side."""
    ramps = []
    for n in field.shape:
        ramp = np.ones(n, np.float32)
        rim = max(1, int(share * n))
        ramp[:rim] = np.sin(np.pi / 2 * (np.arange(rim) + 0.5) / rim) ** 2
        ramp[-rim:] = ramp[:rim][::-1]
        ramps.append(ramp)
    level = field.mean()
    return np.asarray(level + (field - level) * ramps[0][:, None] * ramps[1])
