"""What napari tells of an edit: strokes of the brush, and labels set directly."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_qpm.viewer.label_strokes import highest_label, touched_frames


@pytest.fixture
def edited():
    """A layer and the values of its ``paint`` events."""
    layer = Labels(np.zeros((4, 20, 20), np.int32))
    told = []
    layer.events.paint.connect(lambda event: told.append(event.value))
    return layer, told


def test_a_stroke_of_the_brush_tells_its_frame_and_label(edited):
    layer, told = edited

    layer.paint((2, 10, 10), 7)

    assert touched_frames(told[-1], 3) == {2}
    assert highest_label(told[-1]) == 7


def test_labels_set_in_several_frames_tell_all_of_them(edited):
    layer, told = edited
    where = (np.array([0, 3]), np.array([1, 1]), np.array([2, 2]))

    layer.data_setitem(where, np.array([4, 9], np.int32))

    assert touched_frames(told[-1], 3) == {0, 3}
    assert highest_label(told[-1]) == 9


def test_single_images_have_one_frame_and_unknown_edits_say_nothing():
    assert touched_frames([object()], 2) == {0}
    assert touched_frames([object()], 3) is None
    assert highest_label([object()]) == 0
