import numpy as np
import pytest

from napari_qpm.acquisition import ArraySource
from napari_qpm.errors import LayoutError
from napari_qpm.io.field import ChannelSource, GroupedSource, UngroupedSource

FRAMES = np.arange(8 * 2 * 3).reshape(8, 1, 2, 3)


def test_groups_of_frames_become_channels():
    source = GroupedSource(ArraySource(FRAMES), 4)
    assert source.shape == (2, 4, 2, 3)
    assert source.dtype == FRAMES.dtype
    np.testing.assert_array_equal(source.read(1), FRAMES[4:, 0])


def test_incomplete_groups_are_refused():
    with pytest.raises(LayoutError, match="8 frames of 1 channels"):
        GroupedSource(ArraySource(FRAMES), 3)


def test_channels_become_frames():
    source = UngroupedSource(GroupedSource(ArraySource(FRAMES), 4))
    assert source.shape == FRAMES.shape
    assert source.dtype == FRAMES.dtype
    np.testing.assert_array_equal(source.read(6), FRAMES[6])


def test_channels_are_picked():
    source = ChannelSource(GroupedSource(ArraySource(FRAMES), 4), (2, 0))
    assert source.shape == (2, 2, 2, 3)
    assert source.dtype == FRAMES.dtype
    np.testing.assert_array_equal(source.read(0), FRAMES[[2, 0], 0])
