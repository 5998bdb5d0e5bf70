"""A small picture of a frame with the outlines of its cells."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["cells_picture"]

LONGEST_PX = 512
QUANTILES = (0.5, 99.5)
"""Percents between which the phase is grey."""
OUTLINE_RGB = (255, 200, 40)


def cells_picture(
    phase: NDArray[np.float32], labels: NDArray[np.integer]
) -> NDArray[np.uint8]:
    """Return ``(y, x, 3)`` grey phase with outlines, made smaller where it is large.

    Parameters
    ----------
    phase, labels
        ``(Y, X)``.
    """
    step = math.ceil(max(phase.shape) / LONGEST_PX)
    small, cells = phase[::step, ::step], labels[::step, ::step]
    seen = small[np.isfinite(small)]
    low, high = np.percentile(seen, QUANTILES) if seen.size else (0.0, 1.0)
    grey = np.clip((np.nan_to_num(small) - low) / max(high - low, 1e-6), 0, 1)
    picture = np.repeat((255 * grey).astype(np.uint8)[..., None], 3, axis=2)
    edge = np.zeros(cells.shape, np.bool_)
    edge[:-1] |= cells[:-1] != cells[1:]
    edge[:, :-1] |= cells[:, :-1] != cells[:, 1:]
    picture[edge] = OUTLINE_RGB
    return picture
