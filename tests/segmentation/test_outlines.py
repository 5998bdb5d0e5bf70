import numpy as np
import pytest

from napari_qpm.segmentation.outlines import outline_labels


@pytest.fixture
def touching():
    """Two cells that touch, one of them at the border of the frame."""
    labels = np.zeros((14, 16), np.int32)
    labels[2:11, 3:9] = 7
    labels[4:14, 9:15] = 2
    return labels


@pytest.mark.parametrize("width", [1, 2, 3])
def test_rims_are_those_within_reach_of_something_else(touching, width):
    outlines = outline_labels(touching, width)

    rows, columns = np.indices(touching.shape)
    for y, x in np.argwhere(touching):
        distance = abs(rows - y) + abs(columns - x)
        nearest = distance[touching != touching[y, x]].min()
        assert outlines[y, x] == (touching[y, x] if nearest <= width else 0)
    assert not outlines[touching == 0].any()


def test_one_cell_over_the_whole_frame_has_no_rim():
    assert not outline_labels(np.full((6, 7), 3), 2).any()


def test_no_width_is_no_outline(touching):
    assert not outline_labels(touching, 0).any()
