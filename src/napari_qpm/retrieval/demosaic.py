"""Images behind the four analysers of a polarization camera, from its 2x2 mosaic.

Every method is one symmetric kernel, applied along rows and columns to the raw frame
with the other angles set to zero. That is linear, so a difference of two angles costs
one interpolation, not two (`napari_qpm.retrieval.four_step` rests on this). Borders are
mirrored about the edge pixel, which keeps the pattern's parity for odd sizes too.
"""

import functools
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval._demosaic_kernels import interpolate_rows
from napari_qpm.retrieval._threads import run_blocks
from napari_qpm.retrieval.analyser_matrix import AnalyserWeights

__all__ = [
    "ANGLES",
    "SMALLEST_SIDE",
    "Demosaicing",
    "angle_pattern",
    "angle_weights",
    "demosaic",
    "difference_weights",
    "interpolation_reach",
    "interpolation_taps",
    "kernel_input",
]

ANGLES = (0, 45, 90, 135)
"""Order of the channels that `demosaic` returns [deg]."""

SMALLEST_SIDE = 8
"""Pixels; the widest kernel, mirrored at both edges, needs no fewer."""
FOURIER_SIGMA_PX = 1.2
"""Gaussian width that noise and sharpness meet at; wider smooths cells visibly."""
FOURIER_RADIUS_PX = 5
NOTABLE_TAP = 0.05
"""A raw pixel with less weight than this does not spoil its neighbour."""

PERFECT = ((1, 0, -1, 0), (0, -1, 0, 1), (1, 0, 1, 0), (0, 1, 0, 1))
"""Of 0, 45, 90, 135 degrees in I0 - I90, I135 - I45, I0 + I90, I45 + I135."""

Layout = tuple[int, int, int, int]


class Demosaicing(StrEnum):
    """How the angles that a pixel does not measure are filled in."""

    BILINEAR = "bilinear"
    """Mean of the nearest neighbours: robust, slightly soft."""
    BICUBIC = "bicubic"
    """Four neighbours a direction: exact for smooth cells, a little noisier."""
    FOURIER = "fourier"
    """Gaussian low-pass around the mosaic's carriers: least noise, softest edges."""


@functools.cache
def interpolation_taps(method: Demosaicing) -> tuple[np.float32, ...]:
    """Return the symmetric kernel of a method from its centre outwards.

    Taps at even and at odd distance each sum to 1 over both sides, so that a constant
    angle is kept and none leaks into another.

    Notes
    -----
    Bilinear ``[1 2 1] / 2``, bicubic ``[-1 0 9 16 9 0 -1] / 16``. The Gaussian is the
    one of carrier demodulation (Hagen et al., Appl. Opt. 63, 2314, 2024), with even and
    odd taps normalised apart: its response at the carrier is exactly 0.
    """
    match method:
        case Demosaicing.BILINEAR:
            taps = np.array([1, 1 / 2])
        case Demosaicing.BICUBIC:
            taps = np.array([1, 9 / 16, 0, -1 / 16])
        case Demosaicing.FOURIER:
            distance = np.arange(FOURIER_RADIUS_PX + 1)
            taps = np.exp(-(distance**2) / (2 * FOURIER_SIGMA_PX**2))
            taps[0::2] /= taps[0] + 2 * taps[2::2].sum()
            taps[1::2] /= 2 * taps[1::2].sum()
    return tuple(taps.astype(np.float32))


def interpolation_reach(method: Demosaicing) -> int:
    """Return how many pixels away a raw pixel still has a notable weight."""
    taps = np.abs(interpolation_taps(method))
    return int(np.flatnonzero(taps > NOTABLE_TAP).max())


def angle_pattern(layout: Layout, roi_offset: tuple[int, int]) -> NDArray[np.int64]:
    """Return the angles [deg] of a frame's first 2x2 pixels.

    Parameters
    ----------
    layout
        Angles of the sensor's 2x2 cell in reading order.
    roi_offset
        ``(y, x)`` of the frame's first pixel on the sensor.
    """
    cell = np.array(layout).reshape(2, 2)
    return np.roll(cell, (-roi_offset[0] % 2, -roi_offset[1] % 2), axis=(0, 1))


@functools.lru_cache(maxsize=32)
def angle_weights(
    layout: Layout, roi_offset: tuple[int, int], width: int
) -> NDArray[np.float32]:
    """Return where each of `ANGLES` sits, ``(4, 2, width)``: 1 on its pixels, else 0.

    The second axis is for even and odd rows. The array is shared and read-only.
    """
    pattern = angle_pattern(layout, roi_offset)
    # Filled in C order: kernels are four times slower on any other.
    weights = np.zeros((len(ANGLES), 2, width), np.float32)
    for weight, angle in zip(weights, ANGLES, strict=True):
        (row,), (column,) = np.nonzero(pattern == angle)
        weight[row, column::2] = 1
    weights.flags.writeable = False
    return weights


@functools.lru_cache(maxsize=32)
def difference_weights(
    layout: Layout,
    roi_offset: tuple[int, int],
    width: int,
    analysers: AnalyserWeights | None = None,
) -> NDArray[np.float32]:
    """Return the weights of I0 - I90, I135 - I45, I0 + I90, I45 + I135.

    Shape ``(4, 2, width)`` as in `angle_weights`; shared and read-only. `analysers`
    makes them those of perfect analysers.
    """
    rows = np.asarray(PERFECT if analysers is None else analysers, np.float32)
    each = angle_weights(layout, roi_offset, width)
    weights = np.ascontiguousarray(np.tensordot(rows, each, axes=1))
    weights.flags.writeable = False
    return weights


def kernel_input(frame: NDArray[Any]) -> NDArray[Any]:
    """Return the frame as the kernels take it: 8 or 16 bit or float32, contiguous.

    Frames of these types are passed on without a copy; others, and other byte orders,
    become float32.

    Raises
    ------
    LayoutError
        The frame is too small to interpolate.
    """
    if min(frame.shape[-2:]) < SMALLEST_SIDE:
        raise LayoutError(
            f"A polarization frame of {frame.shape[-2]} x {frame.shape[-1]} pixels is "
            f"too small; at least {SMALLEST_SIDE} x {SMALLEST_SIDE} are needed."
        )
    native = frame.dtype.isnative and frame.dtype in (np.uint8, np.uint16, np.float32)
    return np.ascontiguousarray(frame, dtype=None if native else np.float32)


def demosaic(
    mosaic: NDArray[Any],
    layout: Layout,
    roi_offset: tuple[int, int] = (0, 0),
    method: Demosaicing = Demosaicing.BICUBIC,
) -> NDArray[np.float32]:
    """Return the images behind 0, 45, 90 and 135 degrees at full resolution.

    Parameters
    ----------
    mosaic
        ``(Y, X)`` raw frame, any real type.
    layout
        Angles of the sensor's 2x2 cell in reading order; Sony: ``(90, 45, 135, 0)``.
    roi_offset
        ``(y, x)`` of the frame's first pixel on the sensor.
    method
        Interpolation.

    Returns
    -------
    NDArray
        ``(4, Y, X)`` in raw units, channels in the order of `ANGLES`.
    """
    raw = kernel_input(mosaic)
    height, width = raw.shape
    weights = angle_weights(layout, roi_offset, width)
    taps = interpolation_taps(method)
    channels = np.empty((4, height, width), np.float32)
    for weight, channel in zip(weights, channels, strict=True):
        run_blocks(interpolate_rows, height, raw, weight, taps, channel, row_size=width)
    return channels
