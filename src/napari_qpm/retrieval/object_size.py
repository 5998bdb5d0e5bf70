"""How large the cells of a recording are, to choose the grid of a network by."""

import weakref

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import Acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.off_axis_engine import FourierEngine

__all__ = ["large_diameter", "object_size_px"]

INSIDE_SIGMAS, LEAST_INSIDE_RAD = 4.0, 0.3
SMALLEST_OBJECT_PX = 12
"""On the grid of the sideband."""
LARGE_SHARE = 0.5
"""Of the covered area; a few cells that touch must not set the grid."""

# Of the first frame, once a recording: every frame of it must get the same grid.
_known: "weakref.WeakKeyDictionary[Acquisition, float]" = weakref.WeakKeyDictionary()


def object_size_px(acquisition: Acquisition) -> float:
    """Return the diameter [px of the camera] of large cells in the first frame.

    From the classical phase; 0 where it shows none. Sideband and sign must be known.
    """
    if acquisition not in _known:
        _known[acquisition] = _measure(acquisition)
    return _known[acquisition]


def large_diameter(diameters: NDArray[np.floating]) -> float:
    """Return the diameter above which half of the covered area lies.

    Specks are many and cover little, so they do not count; 0 without any object.
    """
    ordered = np.sort(diameters)
    if not ordered.size:
        return 0.0
    covered = np.cumsum(ordered.astype(np.float64) ** 2)
    position = int(np.searchsorted(covered, LARGE_SHARE * covered[-1]))
    return float(ordered[min(position, ordered.size - 1)])


def _measure(acquisition: Acquisition) -> float:
    frame = acquisition.read(0)[None]
    made = FourierEngine().retrieve(frame, acquisition, CancelToken())
    noise = float(made.frame_notes[0].get("background_noise_rad", 0.0))
    height = np.nan_to_num(made.read(0))
    inside = height > max(LEAST_INSIDE_RAD, INSIDE_SIGMAS * noise)
    regions = ndimage.label(ndimage.binary_opening(inside))[0]
    areas = np.bincount(regions.ravel())[1:]
    areas = areas[areas >= SMALLEST_OBJECT_PX]
    scale = float(np.sqrt(made.grid_scale[0] * made.grid_scale[1]))
    return scale * large_diameter(2 * np.sqrt(areas / np.pi))
