"""Compiled row kernels of the polarization camera: interpolation fused with four-step.

A kernel works on the rows ``start`` to ``stop`` of its output and holds no lock, so
that several threads share a frame. Two decisions keep the inner loops vectorised, which
is worth a factor of ten: every loop runs along one row and writes one array, and
divisions follow ``error_model="numpy"`` (no check for zero, hence no branch).
NaN stays NaN: the fast-math flags leave it alone.
"""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from napari_qpm.retrieval._arctangent import FAST, arctangent

__all__ = [
    "angle_fringe_rows",
    "angle_phase_rows",
    "interpolate_rows",
    "mosaic_fringe_rows",
    "mosaic_phase_rows",
    "subtract_phase_rows",
]

Rows = NDArray[np.float32]

_kernel = nb.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
_inline = nb.njit(
    nogil=True, cache=True, fastmath=FAST, error_model="numpy", inline="always"
)

_TWO_PI = np.float32(2 * np.pi)
_TURNS = np.float32(1 / (2 * np.pi))
_TINY = np.float32(1e-30)


@_inline
def _mirrored(index: int, length: int) -> int:
    """Return the index inside ``0 … length - 1`` after reflection about the edge."""
    index = -index if index < 0 else index
    return 2 * (length - 1) - index if index >= length else index


@_kernel
def _gather_rows(mosaic: Any, row: int, taps: Any, same: Rows, other: Rows) -> None:
    """Interpolate vertically, pixels of this row's parity and of the other apart.

    ``same`` gets the taps at even distance, ``other`` those at odd distance.
    """
    height, width = mosaic.shape[0], same.shape[0]
    here = mosaic[row]
    above, below = (
        mosaic[_mirrored(row - 1, height)],
        mosaic[_mirrored(row + 1, height)],
    )
    first, second = taps[0], taps[1]
    for x in range(width):
        same[x] = first * np.float32(here[x])
    for x in range(width):
        other[x] = second * (np.float32(above[x]) + np.float32(below[x]))
    for distance in range(2, len(taps)):
        tap = taps[distance]
        if tap == 0:
            continue
        above = mosaic[_mirrored(row - distance, height)]
        below = mosaic[_mirrored(row + distance, height)]
        target = other if distance & 1 else same
        for x in range(width):
            target[x] += tap * (np.float32(above[x]) + np.float32(below[x]))


@_kernel
def _weigh_row(
    same: Rows, other: Rows, pattern: Rows, parity: int, radius: int, padded: Rows
) -> None:
    """Weight a gathered row with the pattern and mirror it at both ends."""
    width = same.shape[0]
    weight_same, weight_other = pattern[parity], pattern[1 - parity]
    inside = padded[radius : radius + width]
    for x in range(width):
        inside[x] = same[x] * weight_same[x] + other[x] * weight_other[x]
    last = width - 1 + radius
    for step in range(1, radius + 1):
        padded[radius - step] = padded[radius + step]
        padded[last + step] = padded[last - step]


@_inline
def _interpolated(padded: Rows, x: int, taps: Any) -> Any:
    """Return a weighted row interpolated along itself at pixel `x`."""
    centre = x + len(taps) - 1
    value = taps[0] * padded[centre]
    for step in range(1, len(taps)):
        value += taps[step] * (padded[centre - step] + padded[centre + step])
    return value


@_kernel
def _interpolate_row(padded: Rows, taps: Any, result: Rows) -> None:
    """Interpolate a weighted row along itself."""
    for x in range(result.shape[0]):
        result[x] = _interpolated(padded, x, taps)


@_kernel
def interpolate_rows(
    start: int, stop: int, mosaic: Any, pattern: Rows, taps: Any, image: Rows
) -> None:
    """Fill rows of the image that `pattern` selects from the mosaic.

    Parameters
    ----------
    start, stop
        Rows to fill.
    mosaic
        ``(Y, X)`` raw pixels of any real type.
    pattern
        ``(2, X)`` weight of each pixel in even and odd rows: 1 keeps an angle, 0 drops
        it, -1 subtracts it.
    taps
        Tuple of float32: the symmetric kernel from its centre outwards.
    image
        ``(Y, X)`` output.
    """
    width, radius = mosaic.shape[1], len(taps) - 1
    same, other = np.empty(width, np.float32), np.empty(width, np.float32)
    padded = np.empty(width + 2 * radius, np.float32)
    for y in range(start, stop):
        _gather_rows(mosaic, y, taps, same, other)
        _weigh_row(same, other, pattern, y & 1, radius, padded)
        _interpolate_row(padded, taps, image[y])


@_kernel
def mosaic_phase_rows(
    start: int, stop: int, mosaic: Any, patterns: Rows, taps: Any, wrapped: Rows
) -> None:
    """Fill rows of the wrapped phase [rad] of a mosaic.

    `patterns` ``(4, 2, X)`` select I0 - I90, I135 - I45, I0 + I90 and I45 + I135; the
    phase needs the first two.
    """
    width, radius = mosaic.shape[1], len(taps) - 1
    same, other = np.empty(width, np.float32), np.empty(width, np.float32)
    cosine = np.empty(width + 2 * radius, np.float32)
    sine = np.empty(width + 2 * radius, np.float32)
    for y in range(start, stop):
        _gather_rows(mosaic, y, taps, same, other)
        _weigh_row(same, other, patterns[0], y & 1, radius, cosine)
        _weigh_row(same, other, patterns[1], y & 1, radius, sine)
        line = wrapped[y]
        for x in range(width):
            line[x] = arctangent(
                _interpolated(sine, x, taps), _interpolated(cosine, x, taps)
            )


@_kernel
def _fringe_row(
    cosine: Rows, sine: Rows, axial: Rows, diagonal: Rows,
    wrapped: Rows, amplitude: Rows, quality: Rows,
) -> None:  # fmt: skip
    """Fill one row of phase, amplitude and quality from differences and sums."""
    width = cosine.shape[0]
    half, none, one = np.float32(0.5), np.float32(0), np.float32(1)
    for x in range(width):
        wrapped[x] = arctangent(sine[x], cosine[x])
    for x in range(width):
        amplitude[x] = half * np.sqrt(cosine[x] * cosine[x] + sine[x] * sine[x])
    for x in range(width):
        total = half * (axial[x] + diagonal[x]) + _TINY
        # (|Z| - |mismatch|) / (I0 + I90) = visibility * (1 - |mismatch| / |Z|)
        trusted = amplitude[x] + amplitude[x] - abs(axial[x] - diagonal[x])
        share = trusted / total
        share = none if share < none else share
        quality[x] = one if share > one else share


@_kernel
def mosaic_fringe_rows(
    start: int, stop: int, mosaic: Any, patterns: Rows, taps: Any,
    wrapped: Rows, amplitude: Rows, quality: Rows,
) -> None:  # fmt: skip
    """Fill rows of wrapped phase, amplitude and quality of a mosaic.

    Arguments as in `mosaic_phase_rows`.
    """
    width, radius = mosaic.shape[1], len(taps) - 1
    same, other = np.empty(width, np.float32), np.empty(width, np.float32)
    rows = np.empty((4, width), np.float32)
    padded = np.empty(width + 2 * radius, np.float32)
    for y in range(start, stop):
        _gather_rows(mosaic, y, taps, same, other)
        for image in range(4):
            _weigh_row(same, other, patterns[image], y & 1, radius, padded)
            _interpolate_row(padded, taps, rows[image])
        _fringe_row(
            rows[0], rows[1], rows[2], rows[3], wrapped[y], amplitude[y], quality[y]
        )


@_kernel
def angle_phase_rows(
    start: int, stop: int, angles: Any, order: Any, wrapped: Rows
) -> None:
    """Fill rows of the wrapped phase [rad] of ``(4, Y, X)`` images.

    `order` holds the channels of 0, 45, 90 and 135 degrees.
    """
    width = angles.shape[2]
    for y in range(start, stop):
        i0, i45 = angles[order[0], y], angles[order[1], y]
        i90, i135 = angles[order[2], y], angles[order[3], y]
        line = wrapped[y]
        for x in range(width):
            cosine = np.float32(i0[x]) - np.float32(i90[x])
            sine = np.float32(i135[x]) - np.float32(i45[x])
            line[x] = arctangent(sine, cosine)


@_kernel
def angle_fringe_rows(
    start: int, stop: int, angles: Any, order: Any,
    wrapped: Rows, amplitude: Rows, quality: Rows,
) -> None:  # fmt: skip
    """Fill rows of wrapped phase, amplitude and quality of ``(4, Y, X)`` images.

    `order` holds the channels of 0, 45, 90 and 135 degrees.
    """
    width = angles.shape[2]
    rows = np.empty((4, width), np.float32)
    for y in range(start, stop):
        for pair in range(2):
            first, second = angles[order[pair], y], angles[order[pair + 2], y]
            sign = np.float32(1 - 2 * pair)
            difference, total = rows[pair], rows[pair + 2]
            for x in range(width):
                difference[x] = sign * (np.float32(first[x]) - np.float32(second[x]))
            for x in range(width):
                total[x] = np.float32(first[x]) + np.float32(second[x])
        _fringe_row(
            rows[0], rows[1], rows[2], rows[3], wrapped[y], amplitude[y], quality[y]
        )


@_kernel
def subtract_phase_rows(start: int, stop: int, phase: Rows, reference: Rows) -> None:
    """Subtract a wrapped phase [rad] from another in place and wrap the difference."""
    width = phase.shape[1]
    for y in range(start, stop):
        line, other = phase[y], reference[y]
        for x in range(width):
            difference = line[x] - other[x]
            line[x] = difference - _TWO_PI * np.rint(difference * _TURNS)
