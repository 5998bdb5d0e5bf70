"""Scores of phase maps: as they are, and with the level of each frame put right.

The first are what counts, because a network's absolute level does. The second say how
much of the error is nothing but a level.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_qpm.training.scores import map_scores

__all__ = ["phase_scores"]

PISTON = "piston_corrected_"


def phase_scores(
    answers: Sequence[NDArray[np.float32]],
    truths: Sequence[NDArray[np.float32]],
    range_rad: float,
) -> dict[str, float]:
    """Return scores of the map from 0 to 1 that `range_rad` scales.

    Parameters
    ----------
    answers, truths
        Phase ``(Y, X)`` [rad] of each frame; what is not a number counts as 0.
    range_rad
        Phase of map value 1.

    Returns
    -------
    ``psnr_db`` and ``rms_rad`` of the whole set's squared error, ``mean_psnr_db``,
    ``ssim`` and ``mae`` (of the map) averaged over the frames; the same after taking
    out the mean error of each frame, as ``piston_corrected_…``.
    """
    answer = torch.from_numpy(np.nan_to_num(np.stack(answers)))[:, None]
    truth = torch.from_numpy(np.stack(truths))[:, None]
    level = (answer - truth).mean(dim=(2, 3), keepdim=True)
    scores: dict[str, float] = {}
    for prefix, maps in (("", answer), (PISTON, answer - level)):
        # What lies outside the map's range cannot be right, so it is never counted as
        # further off than the end of the range.
        shares = (maps / range_rad).clamp(0, 1)
        found = map_scores(shares, truth / range_rad, range_rad)
        scores |= {
            f"{prefix}psnr_db": found["psnr_db"],
            f"{prefix}mean_psnr_db": found["mean_psnr_db"],
            f"{prefix}ssim": found["ssim"],
            f"{prefix}mae": found["mae_rad"] / range_rad,
            f"{prefix}rms_rad": found["rms_rad"],
        }
    return scores
