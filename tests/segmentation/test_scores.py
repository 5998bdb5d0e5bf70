import numpy as np
import pytest

from napari_qpm.errors import LayoutError
from napari_qpm.segmentation.scores import (
    average_precision,
    dice,
    disagreement,
    overlaps,
)


def strip(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


def test_dice_follows_its_definition():
    assert dice(strip(1, 1, 2, 0), strip(0, 3, 3, 3)) == pytest.approx(2 * 2 / 6)


def test_equal_labels_score_one_whatever_their_numbers():
    truth, found = strip(0, 1, 1, 2), strip(0, 9, 9, 4)
    assert dice(truth, found) == 1
    assert average_precision(truth, found) == 1


def test_empty_images_agree_and_a_false_cell_scores_zero():
    assert dice(strip(0, 0), strip(0, 0)) == 1
    assert average_precision(strip(0, 0), strip(0, 0)) == 1
    assert dice(strip(0, 0), strip(0, 1)) == 0
    assert average_precision(strip(0, 0), strip(0, 1)) == 0
    assert average_precision(strip(0, 1), strip(0, 0)) == 0


def test_overlap_is_intersection_over_union_of_each_pair():
    ratios = overlaps(strip(5, 5, 7, 0), strip(0, 2, 2, 3))
    np.testing.assert_allclose(ratios, [[1 / 3, 0], [1 / 2, 0]])


def test_average_precision_counts_hits_misses_and_false_cells():
    truth = strip(1, 1, 1, 0, 2, 2, 0, 3)
    found = strip(1, 1, 0, 0, 2, 2, 4, 0)
    # Cells 1 (2/3) and 2 (1) are found, 3 is missed, 4 is false.
    assert average_precision(truth, found) == pytest.approx(2 / 4)
    assert average_precision(truth, found, threshold=0.9) == pytest.approx(1 / 5)


def test_each_cell_is_matched_once():
    # Both halves overlap the one true cell by exactly half of it.
    assert average_precision(strip(1, 1), strip(1, 2)) == pytest.approx(1 / 2)


def test_different_shapes_are_refused():
    with pytest.raises(LayoutError, match="one shape"):
        dice(strip(1, 1), strip(1))


def test_disagreement_counts_lost_cells_and_shifted_outlines():
    first = np.zeros((8, 8), np.int32)
    first[1:4, 1:4], first[5:7, 5:7] = 1, 2
    second = np.where(first == 1, 7, 0)

    assert disagreement(first, first) == 0
    assert disagreement(first, second) == pytest.approx(1 - 2 / 3)
    assert disagreement(second, np.zeros_like(first)) == 1
    assert disagreement(np.zeros_like(first), np.zeros_like(first)) == 0
