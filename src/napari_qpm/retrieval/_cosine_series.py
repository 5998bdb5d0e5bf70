"""Poisson's equation for images that go on as their mirror images.

A cosine series has no slope at the frame's edges, so nothing flows in from outside.
"""

import functools
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_qpm.retrieval._flow_kernels import slope_factor

__all__ = ["CosineSeries", "cosine_series"]

Image = NDArray[np.float32]


class CosineSeries:
    """Cosine series of images of one shape.

    Parameters
    ----------
    shape
        ``(Y, X)``.
    pixel_um
        ``(y, x)`` size of a pixel.
    workers
        Threads of each transform.
    """

    def __init__(
        self, shape: tuple[int, int], pixel_um: tuple[float, float], workers: int = 2
    ):
        self.shape, self.pixel_um, self._workers = shape, pixel_um, workers
        ky, kx = (
            (np.pi / (n * pixel) * np.arange(n)).astype(np.float32)
            for n, pixel in zip(shape, pixel_um, strict=True)
        )
        self.squared: Image = ky[:, None] ** 2 + kx[None] ** 2
        """Squared wave number of each coefficient [rad^2/um^2]."""
        self._last_inverse: tuple[float, Image] | None = None

    @functools.cached_property
    def border_ratio(self) -> Image:
        """The Laplacian of each cosine, over what `flow_divergence` makes of it."""
        rows, columns = map(slope_factor, self.shape, self.pixel_um)
        taken = rows[:, None] ** 2 + columns**2
        taken[0, 0] = 1
        ratio: Image = self.squared / taken
        ratio[0, 0] = 1
        return ratio

    def coefficients(self, image: NDArray[Any]) -> Image:
        """Return the series ``(Y, X)`` of an image."""
        values = np.asarray(image, dtype=np.float32)
        series = scipy.fft.dctn(values, norm="ortho", workers=self._workers)
        return np.asarray(series, np.float32)

    def image(self, coefficients: Image) -> Image:
        """Return the image ``(Y, X)`` of a series."""
        values = scipy.fft.idctn(coefficients, norm="ortho", workers=self._workers)
        return np.asarray(values, np.float32)

    def inverse_laplacian(self, coefficients: Image, damping: float = 0.0) -> Image:
        """Return the series whose Laplacian this is; its mean is 0.

        Parameters
        ----------
        coefficients
            Of the Laplacian.
        damping
            Squared wave number [rad^2/um^2] below which the result fades out
            (Tikhonov).
        """
        return coefficients * self._inverse(damping)

    def _inverse(self, damping: float) -> Image:
        """Return the factors of `inverse_laplacian`, kept for the next image."""
        if self._last_inverse is not None and self._last_inverse[0] == damping:
            return self._last_inverse[1]
        squared = self.squared
        if damping > 0:
            factors = -squared / (squared**2 + np.float32(damping**2))
        else:
            safe = squared.copy()
            safe[0, 0] = 1
            factors = -1 / safe
            factors[0, 0] = 0
        self._last_inverse = (damping, factors)
        return factors


@functools.lru_cache(maxsize=8)
def cosine_series(
    shape: tuple[int, int], pixel_um: tuple[float, float]
) -> CosineSeries:
    """Return a series, the same one again for the same images."""
    return CosineSeries(shape, pixel_um)
