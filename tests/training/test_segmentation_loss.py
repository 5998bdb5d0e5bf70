import math

import pytest
import torch

from napari_qpm.training.segmentation_loss import (
    IGNORED,
    level_weights,
    segmentation_losses,
    soft_dice,
)


def logits_of(share: torch.Tensor) -> torch.Tensor:
    """Return two-class logits ``(N, 2, y, x)`` of probabilities of a cell."""
    return torch.stack([torch.zeros_like(share), torch.logit(share)], dim=1)


def test_finer_answers_weigh_more_and_the_coarsest_nothing():
    assert level_weights(5) == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15, 0])
    assert level_weights(1) == [1]


def test_dice_is_of_the_whole_batch_and_of_cells_only():
    share = torch.tensor([[[0.8, 0.2]], [[0.5, 0.5]]])
    classes = torch.tensor([[[1, 0]], [[0, 0]]])
    # 2 * 0.8 over 0.8 + 0.2 + 0.5 + 0.5 + 1.
    found = float(soft_dice(logits_of(share), classes))
    assert found == pytest.approx(1.6 / 3, abs=1e-4)


def test_ignored_pixels_change_nothing():
    share = torch.full((1, 4, 4), 0.7)
    target = torch.zeros(1, 3, 4, 4)
    target[:, 0, :2] = 1
    target[:, 0, 3] = IGNORED
    before = segmentation_losses([logits_of(share)], target)
    share[:, 3] = 0.01
    after = segmentation_losses([logits_of(share)], target)
    assert float(before["dice"]) == pytest.approx(float(after["dice"]))
    assert float(before["entropy"]) == pytest.approx(float(after["entropy"]))
    expected = -(2 * math.log(0.7) + math.log(0.3)) / 3
    assert float(after["entropy"]) == pytest.approx(expected, abs=1e-5)


def test_nothing_annotated_is_no_loss():
    target = torch.full((1, 3, 4, 4), float(IGNORED))
    losses = segmentation_losses([torch.randn(1, 4, 4, 4)], target)
    assert float(losses["entropy"]) == 0
    assert float(losses["distance"]) == 0


def test_distances_count_inside_cells_only():
    target = torch.zeros(1, 3, 2, 2)
    target[0, :, 0, 0] = torch.tensor([1.0, 0.9, 0.3])
    answer = torch.zeros(1, 4, 2, 2)
    answer[0, 2:, 1, 1] = 50
    losses = segmentation_losses([answer], target, distance_weight=2.0)
    # Logits of 0 answer one half.
    assert float(losses["distance"]) == pytest.approx(2 * (0.4 + 0.2) / 2)


def test_coarse_answers_are_compared_with_a_coarse_target():
    target = torch.zeros(1, 3, 8, 8)
    target[:, 0, 4:] = 1
    answers = [
        logits_of(target[:, 0, ::s, ::s].clamp(1e-4, 1 - 1e-4)) for s in (1, 2, 4)
    ]
    losses = segmentation_losses(answers, target)
    assert float(losses["dice"]) < 1e-3
    assert float(losses["entropy"]) < 1e-3
