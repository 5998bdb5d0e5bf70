"""The fit that belongs to the background model which a user chose."""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.retrieval.background import BackgroundFit, Surface, fit_background
from napari_qpm.retrieval.crowded_background import fit_crowded_background
from napari_qpm.retrieval.engine import Background

__all__ = ["fit_chosen_background"]


def fit_chosen_background(
    phase: NDArray[np.float32],
    kind: Background,
    order: int,
    *,
    removed: Surface | None = None,
) -> BackgroundFit:
    """Return the background of an unwrapped phase ``(Y, X)`` [rad].

    Parameters
    ----------
    phase, kind, order, removed
        As of `fit_background`.
    """
    if kind is Background.CROWDED:
        return fit_crowded_background(phase, order)
    return fit_background(phase, kind, order, removed=removed)
