"""How well labels agree with a reference: overlap of areas, and of single cells."""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError

__all__ = ["average_precision", "dice", "disagreement", "overlaps"]

Labels = NDArray[np.integer]


def dice(reference: Labels, prediction: Labels) -> float:
    """Return the Dice coefficient of two foregrounds, 2 |A and B| / (|A| + |B|).

    Parameters
    ----------
    reference, prediction
        Masks or labels of one shape; what is above 0 counts as foreground.

    Returns
    -------
    float
        0 (apart) to 1 (equal); 1 when both are empty.
    """
    _check_shapes(reference, prediction)
    truth, found = np.asarray(reference) > 0, np.asarray(prediction) > 0
    total = int(truth.sum()) + int(found.sum())
    return 1.0 if total == 0 else 2 * int((truth & found).sum()) / total


def overlaps(reference: Labels, prediction: Labels) -> NDArray[np.float64]:
    """Return the intersection over union of every pair of cells.

    Labels may have gaps; rows and columns follow the labels that occur, in order.

    Returns
    -------
    NDArray[np.float64]
        ``(cells of reference, cells of prediction)``.
    """
    _check_shapes(reference, prediction)
    truth, truth_areas = _consecutive(reference)
    found, found_areas = _consecutive(prediction)
    rows, columns = truth_areas.size, found_areas.size
    pairs = np.bincount(
        truth * (columns + 1) + found, minlength=(rows + 1) * (columns + 1)
    )
    shared = pairs.reshape(rows + 1, columns + 1)[1:, 1:]
    union = truth_areas[:, None] + found_areas[None] - shared
    ratios: NDArray[np.float64] = shared / np.maximum(union, 1)
    return ratios


def average_precision(
    reference: Labels, prediction: Labels, threshold: float = 0.5
) -> float:
    """Return TP / (TP + FP + FN) of cells matched one to one.

    A predicted cell is a true positive when its intersection over union with a cell of
    the reference reaches `threshold`. (This is what Cellpose and StarDist report as
    average precision; it is not the area under a precision-recall curve.)

    Parameters
    ----------
    reference, prediction
        Labels of one shape, 0 = background.
    threshold
        Least intersection over union of a match, in (0, 1].

    Returns
    -------
    float
        0 to 1; 1 when both are empty.
    """
    from scipy.optimize import linear_sum_assignment

    ratios = overlaps(reference, prediction)
    n_truth, n_found = ratios.shape
    if n_truth + n_found == 0:
        return 1.0
    matches = ratios >= threshold
    rows, columns = linear_sum_assignment(matches.astype(float) + ratios, maximize=True)
    hits = int(matches[rows, columns].sum())
    precision: float = hits / (n_truth + n_found - hits)
    return precision


def disagreement(first: Labels, second: Labels) -> float:
    """Return how differently two labellings outline the same cells, 0 to 1.

    Cells are matched one to one for the largest sum of intersections over union; it is
    1 minus twice that sum over the number of cells in both.

    Parameters
    ----------
    first, second
        Labels of one shape, 0 = background.

    Returns
    -------
    float
        0 (same cells, also when there are none) to 1 (no cell in common).
    """
    from scipy.optimize import linear_sum_assignment

    ratios = overlaps(first, second)
    n_cells = sum(ratios.shape)
    if n_cells == 0:
        return 0.0
    shared = ratios[linear_sum_assignment(ratios, maximize=True)].sum()
    return 1 - 2 * float(shared) / n_cells


def _consecutive(labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    values, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    cells = values > 0
    index = np.where(cells, np.cumsum(cells), 0)
    return index[inverse.ravel()], counts[cells]


def _check_shapes(reference: Labels, prediction: Labels) -> None:
    if np.shape(reference) != np.shape(prediction):
        raise LayoutError(
            f"Labels to compare have one shape, not {np.shape(reference)} and "
            f"{np.shape(prediction)}."
        )
