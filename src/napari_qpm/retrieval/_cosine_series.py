"""Derivatives and Poisson's equation for images that go on as their mirror images.

A cosine series has no slope at the frame's edges, so nothing flows in from outside,
and its derivatives are exact: along an axis, cosines become sines and back.
"""

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["CosineSeries"]

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
        squared = self.squared
        if damping > 0:
            return -coefficients * squared / (squared**2 + np.float32(damping**2))
        safe = squared.copy()
        safe[0, 0] = 1
        result = -coefficients / safe
        result[0, 0] = 0
        return result

    # A cosine k becomes the sine k, and the sine transform counts from 1.

    def _slope(self, coefficients: Image, axis: int) -> Image:
        other = 1 - axis
        sines = np.zeros_like(coefficients)
        scaled = -coefficients * self._wave_numbers[axis]
        _shifted(sines, axis, slice(None, -1))[...] = _shifted(
            scaled, axis, slice(1, None)
        )
        workers = self._workers
        across = scipy.fft.idct(sines, axis=other, norm="ortho", workers=workers)
        slope = scipy.fft.idst(across, axis=axis, norm="ortho", workers=workers)
        return np.asarray(slope, np.float32)

    def _outflow(self, flow: Image, axis: int) -> Image:
        other, workers = 1 - axis, self._workers
        sines = scipy.fft.dst(flow, axis=axis, norm="ortho", workers=workers)
        sines = scipy.fft.dct(sines, axis=other, norm="ortho", workers=workers)
        cosines = np.zeros_like(sines)
        _shifted(cosines, axis, slice(1, None))[...] = _shifted(
            sines, axis, slice(None, -1)
        )
        return np.asarray(cosines * self._wave_numbers[axis], np.float32)


def _shifted(array: Image, axis: int, part: slice) -> Image:
    return array[part] if axis == 0 else array[:, part]
