import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.evaluation.cell_methods import (
    OtsuMethod,
    SegmentationMethod,
    cell_scores,
)
from napari_qpm.evaluation.cell_set import CellField
from napari_qpm.jobs import CancelToken


@pytest.fixture
def field() -> CellField:
    y, x = np.indices((64, 64))
    labels = np.zeros((64, 64), np.int32)
    phase = np.random.default_rng(0).normal(0, 0.02, (64, 64)).astype(np.float32)
    for number, (cy, cx) in enumerate(((20, 20), (44, 42)), start=1):
        squared = ((y - cy) ** 2 + (x - cx) ** 2) / 81
        labels[squared < 1] = number
        phase += 2 * np.sqrt(np.clip(1 - squared, 0, None)).astype(np.float32)
    recording = Acquisition.from_array(phase, "phase")
    return CellField(
        "two", "ball", PhaseMap(phase=phase[None], acquisition=recording), labels
    )


@pytest.mark.parametrize("method", [SegmentationMethod("watershed"), OtsuMethod()])
def test_classical_methods_find_two_clear_cells(field, method):
    scores = cell_scores([method(field, CancelToken())], [field.labels])
    assert scores["ap50"] == 1
    # Both draw a ball of this size a pixel too large.
    assert scores["dice"] > 0.8
    assert scores["count_error"] == 0


def test_scores_are_means_over_frames():
    truth = np.zeros((8, 8), np.int32)
    truth[1:4, 1:4], truth[5:8, 5:8] = 1, 2
    half = np.where(truth == 1, 1, 0).astype(np.int32)
    scores = cell_scores([truth, half], [truth, truth])
    assert scores["dice"] == pytest.approx((1 + 2 / 3) / 2)
    assert scores["dice_sd"] == pytest.approx(1 / 6)
    assert scores["ap50"] == pytest.approx(0.75)
    assert scores["count_error"] == pytest.approx(1 / 4)
