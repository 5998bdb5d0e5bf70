"""Cells from what a network answers for each pixel."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.segmentation._hills import part_hills

__all__ = ["part_cells"]

SMOOTHING_PX = 1.0
LEAST_AREA_PX = 12.0
SMALL = 0.15
"""Smaller than this share of the median area is no cell."""


def part_cells(
    answers: NDArray[np.float32],
    *,
    threshold: float = 0.5,
    separation: float = 0.1,
    least_area_px: float | None = None,
) -> NDArray[np.int32]:
    """Return labels ``(Y, X)`` of a network's answers.

    Every summit of the nearness to a centre is a cell; where there are no distances,
    of the distance to the mask's edge.

    Parameters
    ----------
    answers
        ``(1, Y, X)`` logits of cell, or ``(3, Y, X)`` with nearness of the centre and
        distance to the boundary, 0 to 1.
    threshold
        Probability from which a pixel belongs to a cell.
    separation
        How far a summit rises above the saddle to a higher one, of 1.
    least_area_px
        Smaller cells join a neighbour or are dropped; None = from the median area.
    """
    mask = answers[0] > math.log(threshold / (1 - threshold))
    labels = np.zeros(mask.shape, np.int32)
    if not mask.any():
        return labels
    landscape = _landscape(answers, mask)
    least = LEAST_AREA_PX if least_area_px is None else least_area_px
    labels = part_hills(landscape, mask, separation, least)
    areas = np.bincount(labels.ravel())[1:]
    if least_area_px is None and areas.size:
        least = SMALL * float(np.median(areas))
        if least > LEAST_AREA_PX and (areas < least).any():
            labels = part_hills(landscape, mask, separation, least)
    return _without_small(labels, least)


def _landscape(
    answers: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    if len(answers) > 1:
        hills = answers[1]
    else:
        depth = ndimage.distance_transform_edt(mask)
        hills = (depth / depth.max()).astype(np.float32)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(hills, SMOOTHING_PX)
    return smooth


def _without_small(labels: NDArray[np.int32], least_area: float) -> NDArray[np.int32]:
    kept = np.bincount(labels.ravel()) >= least_area
    kept[0] = False
    numbers: NDArray[np.int32] = (np.cumsum(kept) * kept).astype(np.int32)
    return numbers[labels]
