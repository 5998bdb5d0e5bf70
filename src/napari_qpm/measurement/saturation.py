"""Which pixels of a phase map come from saturated raw pixels."""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap

__all__ = ["saturated_pixels"]


def saturated_pixels(phase_map: PhaseMap, t: int) -> NDArray[np.bool_] | None:
    """Return where frame `t` saturates, ``(Y, X)`` on the grid of the phase map.

    A pixel counts when any raw pixel (of any channel) inside it is saturated. `None`
    when the saturated value is not known.
    """
    acquisition = phase_map.acquisition
    level = acquisition.saturation_level
    if level is None or t >= acquisition.n_frames:
        return None
    raw = (acquisition.read(t) >= level).any(axis=0)
    scale, shape = phase_map.grid_scale, phase_map.shape[1:]
    if scale == (1.0, 1.0) and raw.shape == shape:
        return np.asarray(raw)
    marked = np.zeros(shape, bool)
    y, x = np.nonzero(raw)
    rows = np.minimum((y / scale[0]).astype(int), shape[0] - 1)
    columns = np.minimum((x / scale[1]).astype(int), shape[1] - 1)
    marked[rows, columns] = True
    return marked
