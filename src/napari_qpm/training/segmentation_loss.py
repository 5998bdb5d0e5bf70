"""What is minimised when a network learns cells: nnU-Net's loss, and distances.

Pixels of class `IGNORED` count nowhere, so that a half-annotated image can teach.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["IGNORED", "level_weights", "segmentation_losses", "soft_dice"]

IGNORED = -1
"""Class of a pixel that nobody has judged."""
SMOOTH = 1e-5
N_CLASSES = 2


def level_weights(n_levels: int) -> list[float]:
    """Return the weight of each answer, finest first: halved by level, the last 0."""
    if n_levels == 1:
        return [1.0]
    weights = [0.5**level for level in range(n_levels - 1)]
    return [weight / sum(weights) for weight in weights] + [0.0]


def segmentation_losses(
    answers: Sequence[Tensor], target: Tensor, distance_weight: float = 1.0
) -> dict[str, Tensor]:
    """Return the terms ``dice``, ``entropy`` and, with distances, ``distance``.

    Parameters
    ----------
    answers
        ``(N, 2 or 4, y, x)`` logits of each level, finest first.
    target
        ``(N, 3, Y, X)``: class (0, 1 or `IGNORED`), centre, boundary.
    distance_weight
        Of the mean absolute error of the distances inside cells.
    """
    terms: dict[str, Tensor] = {}
    for answer, weight in zip(answers, level_weights(len(answers)), strict=True):
        if not weight:
            continue
        step = target.shape[-1] // answer.shape[-1]
        # The pixel in the middle of each block, as nearest-neighbour sampling takes it.
        here = target[:, :, step // 2 :: step, step // 2 :: step]
        for name, term in _losses(answer.float(), here, distance_weight).items():
            terms[name] = terms.get(name, 0.0) + weight * term
    return terms


def _losses(
    answer: Tensor, target: Tensor, distance_weight: float
) -> dict[str, Tensor]:
    classes = target[:, 0].long()
    logits = answer[:, :N_CLASSES]
    is_judged = classes != IGNORED
    entropy = functional.cross_entropy(
        logits, classes, ignore_index=IGNORED, reduction="sum"
    )
    terms = {
        "dice": 1 - soft_dice(logits, classes),
        "entropy": entropy / is_judged.sum().clamp(min=1),
    }
    if answer.shape[1] > N_CLASSES:
        inside = (classes == 1)[:, None]
        error = (torch.sigmoid(answer[:, N_CLASSES:]) - target[:, 1:]).abs()
        count = error.shape[1] * inside.sum().clamp(min=1)
        terms["distance"] = distance_weight * (error * inside).sum() / count
    return terms


def soft_dice(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the overlap of the cells of a whole batch, 0 to 1.

    ``(2 I + s) / (P + G + s)`` of probabilities and truth, background left out.

    Parameters
    ----------
    logits
        ``(N, 2, y, x)``.
    classes
        ``(N, y, x)``.
    """
    is_judged = classes != IGNORED
    share = torch.softmax(logits, dim=1)[:, 1] * is_judged
    truth = (classes == 1).to(share.dtype)
    both = (share * truth).sum()
    return (2 * both + SMOOTH) / (share.sum() + truth.sum() + SMOOTH)
