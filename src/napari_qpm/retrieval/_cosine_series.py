"""Derivatives and Poisson's equation for images that go on as their mirror images.

A cosine series has no slope at the frame's edges, so nothing flows in from outside,
and its derivatives are exact: along an axis, cosines become sines and back.
"""

import functools
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

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
        self.shape, self._workers = shape, workers
        ky, kx = (
            (np.pi / (n * pixel) * np.arange(n)).astype(np.float32)
            for n, pixel in zip(shape, pixel_um, strict=True)
        )
        self._wave_numbers = (ky[:, None], kx[None])
        self.squared: Image = ky[:, None] ** 2 + kx[None] ** 2
        """Squared wave number of each coefficient [rad^2/um^2]."""
        self._last_inverse: tuple[float, Image] | None = None

    def coefficients(self, image: NDArray[Any]) -> Image:
        """Return the series ``(Y, X)`` of an image."""
        values = np.asarray(image, dtype=np.float32)
        series = scipy.fft.dctn(values, norm="ortho", workers=self._workers)
        return np.asarray(series, np.float32)

    def image(self, coefficients: Image) -> Image:
        """Return the image ``(Y, X)`` of a series."""
        values = scipy.fft.idctn(coefficients, norm="ortho", workers=self._workers)
        return np.asarray(values, np.float32)

    def gradient(self, coefficients: Image) -> tuple[Image, Image]:
        """Return the slopes ``(y, x)`` of a series' image [1/um]."""
        return self._slope(coefficients, 0), self._slope(coefficients, 1)

    def divergence(self, flow: tuple[Image, Image]) -> Image:
        """Return the series of the divergence of a flow that crosses no edge [1/um]."""
        return self._outflow(flow[0], 0) + self._outflow(flow[1], 1)

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

    # A cosine k becomes the sine k, and the sine transform counts from 1.

    def _slope(self, coefficients: Image, axis: int) -> Image:
        other, workers = 1 - axis, self._workers
        sines = np.empty_like(coefficients)
        _part(sines, axis, slice(-1, None))[...] = 0
        rising = slice(1, None)
        np.multiply(
            _part(coefficients, axis, rising),
            -_part(self._wave_numbers[axis], axis, rising),
            out=_part(sines, axis, slice(None, -1)),
        )
        options = {"norm": "ortho", "workers": workers, "overwrite_x": True}
        across = scipy.fft.idct(sines, axis=other, **options)
        return np.asarray(scipy.fft.idst(across, axis=axis, **options), np.float32)

    def _outflow(self, flow: Image, axis: int) -> Image:
        other, workers = 1 - axis, self._workers
        sines = scipy.fft.dst(flow, axis=axis, norm="ortho", workers=workers)
        sines = scipy.fft.dct(
            sines, axis=other, norm="ortho", workers=workers, overwrite_x=True
        )
        cosines = np.empty_like(sines)
        _part(cosines, axis, slice(None, 1))[...] = 0
        rising = slice(1, None)
        np.multiply(
            _part(sines, axis, slice(None, -1)),
            _part(self._wave_numbers[axis], axis, rising),
            out=_part(cosines, axis, rising),
        )
        return np.asarray(cosines, np.float32)


@functools.lru_cache(maxsize=8)
def cosine_series(
    shape: tuple[int, int], pixel_um: tuple[float, float]
) -> CosineSeries:
    """Return a series, the same one again for the same images."""
    return CosineSeries(shape, pixel_um)


def _part(array: Image, axis: int, part: slice) -> Image:
    return array[part] if axis == 0 else array[:, part]
