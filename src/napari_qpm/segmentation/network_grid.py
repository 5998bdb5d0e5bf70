"""The grid on which a network sees a frame: its cells as large as the model knows."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap
from napari_qpm.segmentation._level_kernels import block_means
from napari_qpm.segmentation.watershed_engine import cell_diameter_px

if TYPE_CHECKING:
    from napari_qpm.runtime import ModelSpec

__all__ = ["grid_step", "images_on_grid", "pixel_um", "values_on_grid"]

LARGEST_PX = 56.0
"""Cells that a model knows, where its spec does not say it."""
GOOD_PX = 40.0
"""Diameter that larger cells are brought to."""


def pixel_um(phase_map: PhaseMap) -> float:
    """Return the mean side of a pixel [um]; 1 where it is unknown."""
    pixel = phase_map.pixel_size_um
    return 1.0 if pixel is None else math.sqrt(pixel[0] * pixel[1])


def grid_step(
    phase_map: PhaseMap, t: int, spec: "ModelSpec", cell_diameter: float | None
) -> int:
    """Return how many pixels become one, for cells as large as a model knows.

    Parameters
    ----------
    cell_diameter
        In um where the pixel size is known, else in pixels; None = estimated.
    """
    phase = phase_map.read(t)
    size_px: float | None
    if cell_diameter is None:
        size_px = cell_diameter_px(phase)
    else:
        size_px = cell_diameter / pixel_um(phase_map)
    largest = float((spec.valid.get("size_px") or (0.0, LARGEST_PX))[1])
    if size_px is None or size_px <= largest:
        return 1
    shortest = int(min(phase.shape))
    return max(1, min(round(size_px / GOOD_PX), shortest // 8))


def images_on_grid(images: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return images ``(C, Y, X)``, blocks of pixels averaged; edges are continued."""
    if step == 1:
        return images
    return np.stack([block_means(image, step) for image in _padded(images, step)])


def values_on_grid(values: NDArray[Any], step: int) -> NDArray[Any]:
    """Return ``(…, y, x)`` values of the pixels in the middle of the same blocks."""
    return _padded(values, step)[..., step // 2 :: step, step // 2 :: step]


def _padded(values: NDArray[Any], step: int) -> NDArray[Any]:
    after = [(0, -side % step) for side in values.shape[-2:]]
    return np.pad(values, [(0, 0)] * (values.ndim - 2) + after, mode="edge")
