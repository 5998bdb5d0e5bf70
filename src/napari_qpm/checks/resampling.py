"""From the grid of a phase map to the camera's pixels.

Pixel i of a map lies at raw pixel ``i * scale``. Complex fields are interpolated, not
phases: a field has no 2 pi steps, and on the sideband's own grid it is band-limited to
half of what the grid holds, so that a short windowed sinc is exact to a few parts in a
thousand.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["phasor_at", "resample", "unit_phasor"]

HALF_WIDTH = 4
KAISER_BETA = 6.0
ALMOST_ALL = 0.999


def unit_phasor(phase: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Return ``exp(i phase)``; cosine and sine apart are five times faster."""
    phasor = np.empty(phase.shape, np.complex64)
    np.cos(phase, out=phasor.real)
    np.sin(phase, out=phasor.imag)
    return phasor


def phasor_at(
    phase: NDArray[np.float32], shape: tuple[int, ...], scale: tuple[float, float]
) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
    """Return ``exp(i phase)`` at the pixels of a finer grid, and where it is known.

    Parameters
    ----------
    phase
        ``(y, x)`` [rad], NaN where unknown.
    shape
        Of the finer grid, or of the phase itself.
    scale
        ``(y, x)`` pixels of the finer grid per pixel of the phase.
    """
    is_known = np.isfinite(phase)
    phasor = unit_phasor(phase if is_known.all() else np.where(is_known, phase, 0))
    if phase.shape == shape:
        return phasor, is_known
    phasor = resample(phasor, shape, scale)
    phasor /= np.maximum(np.abs(phasor), np.float32(1e-6))
    if is_known.all():
        return phasor, np.ones(shape, bool)
    covered = resample(is_known.astype(np.float32), shape, scale)
    return phasor, covered > ALMOST_ALL


def resample(
    image: NDArray[Any], shape: tuple[int, ...], scale: tuple[float, float]
) -> NDArray[Any]:
    """Return an image ``(y, x)``, real or complex, at the pixels of a finer grid.

    Parameters
    ----------
    shape
        ``(Y, X)`` of the result.
    scale
        ``(y, x)`` pixels of the result per pixel of the image.
    """
    if image.shape == shape:
        return image
    down = _weights(image.shape[0], shape[0], scale[0])
    across = _weights(image.shape[1], shape[1], scale[1])
    tall = down @ image
    return np.ascontiguousarray((across @ np.ascontiguousarray(tall.T)).T)


@functools.lru_cache(maxsize=16)
def _weights(size: int, length: int, scale: float) -> Any:
    """Return the sparse ``(length, size)`` matrix that interpolates along an axis.

    Beyond its ends an image is continued by its mirror image turned upside down
    (``2 v(0) - v(k)``), which keeps slopes.
    """
    position = np.arange(length) / scale
    first = np.floor(position).astype(int)
    taps = first[:, None] + np.arange(1 - HALF_WIDTH, HALF_WIDTH + 1)
    distance = position[:, None] - taps
    window = np.i0(
        KAISER_BETA * np.sqrt(np.maximum(1 - (distance / HALF_WIDTH) ** 2, 0))
    )
    weight = np.sinc(distance) * window
    weight /= weight.sum(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(length)[:, None], taps.shape)
    is_low, is_high = taps < 0, taps > size - 1
    mirrored = np.where(is_low, -taps, np.where(is_high, 2 * (size - 1) - taps, taps))
    mirrored = np.clip(mirrored, 0, size - 1)
    sign = np.where(is_low | is_high, -1.0, 1.0)
    parts = [
        (weight * sign, mirrored),
        (2 * weight * is_low, np.zeros_like(taps)),
        (2 * weight * is_high, np.full_like(taps, size - 1)),
    ]
    values = np.concatenate([v.ravel() for v, _ in parts]).astype(np.float32)
    columns = np.concatenate([c.ravel() for _, c in parts])
    lines = np.tile(rows.ravel(), len(parts))
    matrix = sparse.coo_matrix((values, (lines, columns)), shape=(length, size))
    compact = matrix.tocsr()
    compact.eliminate_zeros()
    return compact
