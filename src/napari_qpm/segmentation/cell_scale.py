"""Typical diameter of the cells in a phase image, from its blobs at every scale."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops

from napari_qpm.segmentation._level_kernels import block_means

__all__ = ["blob_response", "typical_diameter"]

_SMALLEST_SIGMA_PX = 1.5
_LARGEST_SIGMA_SHARE = 1 / 6
_N_SCALES = 18
_FINE_SIGMA_PX = 4.0
"""Pixels of any grid that a blob's sigma has at least, but for those of the finest."""
_REACH = 4.0
_DIAMETER_PER_SIGMA = 2 * math.sqrt(2)
_LEAST_SOLIDITY = 0.9
_MOST_CONTACT = 0.1
_DISK_RESPONSE = 2 / math.e
"""Response in the middle of a flat disk of height 1 at its own scale."""
_CELL_RESPONSE = 0.5
"""Of a cell in a sheet over that of the sheet as a disk; granules have 0.1 to 0.3."""
_LARGEST_SIDE_PX = 1024


def blob_response(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return -sigma^2 times the Laplacian of the image smoothed by `sigma` pixels.

    It is largest in the middle of bright blobs of diameter ``2 sqrt(2) sigma``, and
    comparable between scales.
    """
    return next(iter(_responses(image, np.array([sigma]))))


def typical_diameter(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Return the typical diameter [pixels] of the bright blobs inside a mask.

    The maxima of the scale-normalised Laplacian over position and scale are blobs of
    known diameter. Their median is weighted by the cubed response, so that granules
    inside cells, many but weak, do not count; and a response counts at most like that
    of typical cells, so that a few dividing balls, far higher than spread cells, do not
    outweigh them. A round piece of the mask beyond the largest scale counts as one
    blob, and those inside it do not: a single cell may fill most of a small frame. Two
    clear blobs inside tell that it is a sheet of cells. Frames above 1024 pixels are
    binned first; cells below about ten pixels are then too small to be sized.

    Parameters
    ----------
    image
        ``(Y, X)``, background 0.
    mask
        Where cells are.

    Returns
    -------
    float
        Diameter; that of a disk with the mean area of the mask's components when there
        is no maximum (a frame that one cell fills).
    """
    step = math.ceil(max(image.shape) / _LARGEST_SIDE_PX)
    if step > 1 and min(image.shape) >= step:
        inside = block_means(mask, step) >= 0.5
        return float(step) * typical_diameter(block_means(image, step), inside)
    sigmas = _scales(image.shape)
    blobs = _blobs(image, mask, sigmas)
    large = _large_cells(image, mask, blobs, _DIAMETER_PER_SIGMA * sigmas[-1])
    outside = ~large.mask[blobs.rows, blobs.columns]
    diameters = np.concatenate([blobs.diameters[outside], large.diameters])
    responses = np.concatenate([blobs.responses[outside], large.responses])
    if diameters.size == 0:
        n_components = max(ndimage.label(mask)[1], 1)
        return float(2 * np.sqrt(max(mask.sum(), 1) / n_components / np.pi))
    weights = np.minimum(responses, _typical_response(diameters, responses)) ** 3
    order = np.argsort(diameters)
    share = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(0.5, share / weights.sum(), diameters[order]))


def _typical_response(
    diameters: NDArray[np.float64], responses: NDArray[np.float64]
) -> float:
    """Return the response of the blob in which the middle of all the volume lies."""
    order = np.argsort(responses)
    volume = np.cumsum((responses * diameters**2)[order])
    return float(responses[order][np.searchsorted(volume, volume[-1] / 2)])


@dataclass(frozen=True)
class _Blobs:
    """Maxima over space and scale: where, of what diameter, how clear."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    diameters: NDArray[np.float64]
    responses: NDArray[np.float64]


@dataclass(frozen=True)
class _LargeCells:
    """Round pieces of a mask that are one cell each, beyond the largest scale."""

    mask: NDArray[np.bool_]
    diameters: NDArray[np.float64]
    responses: NDArray[np.float64]


def _large_cells(
    image: NDArray[np.float32],
    mask: NDArray[np.bool_],
    blobs: _Blobs,
    larger_than: float,
) -> _LargeCells:
    pieces, _ = ndimage.label(mask)
    found, responses = [], []
    for piece in regionprops(pieces, intensity_image=image):
        is_large = piece.equivalent_diameter_area > larger_than
        if not is_large or piece.solidity <= _LEAST_SOLIDITY:
            continue
        if _contact(pieces == piece.label) >= _MOST_CONTACT * piece.perimeter:
            continue
        response = _DISK_RESPONSE * piece.intensity_mean
        inside = pieces[blobs.rows, blobs.columns] == piece.label
        if (blobs.responses[inside] > _CELL_RESPONSE * response).sum() < 2:
            found.append(piece)
            responses.append(response)
    return _LargeCells(
        np.isin(pieces, [piece.label for piece in found]),
        np.array([piece.equivalent_diameter_area for piece in found]),
        np.array(responses),
    )


def _contact(piece: NDArray[np.bool_]) -> int:
    """Return how many pixels of a piece lie on the frame's border; a layer has many."""
    sides = (piece[0], piece[-1], piece[:, 0], piece[:, -1])
    return int(sum(side.sum() for side in sides))


def _scales(shape: tuple[int, ...]) -> NDArray[np.float64]:
    largest = max(min(shape) * _LARGEST_SIGMA_SHARE, 2 * _SMALLEST_SIGMA_PX)
    return np.geomspace(_SMALLEST_SIGMA_PX, largest, _N_SCALES)


def _blobs(
    image: NDArray[np.float32], mask: NDArray[np.bool_], sigmas: NDArray[np.float64]
) -> _Blobs:
    """Return every maximum over space and scale inside a mask.

    Wide blobs are looked for on coarser grids.
    """
    steps = 2 ** np.maximum(np.log2(sigmas[1:-1] / _FINE_SIGMA_PX), 0).astype(int)
    parts = []
    for step in np.unique(steps):
        here = np.flatnonzero(steps == step)
        scales = sigmas[here[0] : here[-1] + 3] / step
        share = block_means(mask, step)
        parts.append(
            _blobs_on(block_means(image, step), share >= 0.5, scales, int(step))
        )
    return _Blobs(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _blobs_on(
    image: NDArray[np.float32],
    mask: NDArray[np.bool_],
    sigmas: NDArray[np.float64],
    step: int,
) -> tuple[NDArray[Any], ...]:
    """Return rows, columns, diameters and responses, the first three on a finer grid.

    The first and the last scale only tell where maxima of the others are.
    """
    ratio = np.log(sigmas[1] / sigmas[0])
    places, diameters, heights = [], [], []
    responses = list(_responses(image, sigmas))
    for k in range(1, len(sigmas) - 1):
        finer, here, coarser = responses[k - 1 : k + 2]
        peak = (ndimage.maximum_filter(here, 3) == here) & mask & (here > 0)
        peak &= (here > finer) & (here > coarser)
        a, b, c = (level[peak].astype(float) for level in (finer, here, coarser))
        vertex = (a - c) / (2 * (a - 2 * b + c))
        places.append(np.argwhere(peak) * step + step // 2)
        diameter = _DIAMETER_PER_SIGMA * sigmas[k] * np.exp(vertex * ratio)
        diameters.append(diameter * step)
        heights.append(b)
    rows, columns = np.concatenate(places).T
    return rows, columns, np.concatenate(diameters), np.concatenate(heights)


def _responses(
    image: NDArray[np.float32], sigmas: NDArray[np.float64]
) -> Iterator[NDArray[np.float32]]:
    """Yield the response at each scale, by Fourier transform of a mirrored image."""
    reach = min(int(np.ceil(_REACH * sigmas.max())), *image.shape)
    fast = [scipy.fft.next_fast_len(n + 2 * reach, real=True) for n in image.shape]
    pads = [
        (reach, size - n - reach) for n, size in zip(image.shape, fast, strict=True)
    ]
    padded = np.pad(image, pads, mode="symmetric")
    spectrum = scipy.fft.rfft2(padded)
    ky = 2 * np.pi * scipy.fft.fftfreq(fast[0]).astype(np.float32)[:, None]
    kx = 2 * np.pi * scipy.fft.rfftfreq(fast[1]).astype(np.float32)[None]
    squared = ky**2 + kx**2
    window = tuple(slice(reach, reach + n) for n in image.shape)
    for sigma in sigmas:
        scaled = np.float32(sigma**2) * squared
        response = scipy.fft.irfft2(spectrum * (scaled * np.exp(-scaled / 2)), s=fast)
        yield np.ascontiguousarray(response[window])
