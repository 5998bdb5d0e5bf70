"""Methods that answer a field with cells: engines of segmentation, and Otsu."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_qpm.evaluation.cell_set import CellField
from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation import make_segmentation_engine
from napari_qpm.segmentation.scores import average_precision, dice

__all__ = ["CellMethod", "OtsuMethod", "SegmentationMethod", "cell_scores"]

SMOOTHING_PX = 1.3
LEAST_AREA_PX = 30


class CellMethod(Protocol):
    """Answers a field with cells."""

    def __call__(self, field: CellField, token: CancelToken) -> NDArray[np.int32]:
        """Return labels ``(Y, X)``."""
        ...


@dataclass(frozen=True)
class SegmentationMethod:
    """One of the segmentation engines, used as the rest of napari-qpm uses it.

    Parameters
    ----------
    engine, parameters
        Its name, and what is set of it.
    """

    engine: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def __call__(self, field: CellField, token: CancelToken) -> NDArray[np.int32]:
        """Return labels ``(Y, X)``."""
        engine = make_segmentation_engine(self.engine, **self.parameters)
        return np.asarray(engine.segment(field.phase_map, token)[0], np.int32)


class OtsuMethod:
    """Otsu's threshold of the smoothed phase; what hangs together is one cell."""

    def __call__(self, field: CellField, token: CancelToken) -> NDArray[np.int32]:
        """Return labels ``(Y, X)``."""
        phase = np.nan_to_num(field.phase_map.read(0))
        smooth = ndimage.gaussian_filter(phase, SMOOTHING_PX)
        pieces, _ = ndimage.label(smooth > threshold_otsu(smooth))
        kept = np.bincount(pieces.ravel()) >= LEAST_AREA_PX
        kept[0] = False
        numbers = (np.cumsum(kept) * kept).astype(np.int32)
        return np.asarray(numbers[pieces], np.int32)


def cell_scores(
    answers: list[NDArray[np.int32]], truths: list[NDArray[np.int32]]
) -> dict[str, float]:
    """Return means and standard deviations over frames.

    Returns
    -------
    ``dice`` of the masks, ``ap50`` of the cells (true positives over all, at an overlap
    of one half), their ``…_sd``, and ``count_error``: wrong number of cells over their
    number, all frames together.
    """
    pairs = list(zip(truths, answers, strict=True))
    overlap = np.array([dice(truth, found) for truth, found in pairs])
    precision = np.array([average_precision(truth, found) for truth, found in pairs])
    counts = np.array([[int(truth.max()), int(found.max())] for truth, found in pairs])
    n_wrong = np.abs(counts[:, 1] - counts[:, 0]).sum()
    return {
        "dice": float(overlap.mean()),
        "dice_sd": float(overlap.std()),
        "ap50": float(precision.mean()),
        "ap50_sd": float(precision.std()),
        "count_error": float(n_wrong / max(int(counts[:, 0].sum()), 1)),
    }
