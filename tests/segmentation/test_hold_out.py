import numpy as np
import pytest

from napari_qpm.errors import ParameterError
from napari_qpm.segmentation import annotated_frames
from napari_qpm.segmentation.hold_out import cells_within, hold_out


@pytest.fixture
def make_frames(make_phase_map):
    """Frames ``(40, 160)`` with cells in these columns."""

    def make(*columns, done=None):
        labels = np.zeros((len(columns), 40, 160), np.int32)
        for t, places in enumerate(columns):
            for number, x in enumerate(places, start=1):
                labels[t, 10:20, x : x + 8] = number
        phase = make_phase_map(np.zeros(labels.shape))
        is_done = range(len(columns)) if done is None else done
        return annotated_frames(phase, labels, done=is_done)

    return make


def test_one_of_four_done_frames_judges(make_frames):
    kept = hold_out(make_frames(*[(0, 30, 60, 90, 130)] * 5))
    assert [bool(mask.any()) for mask in kept.judge] == [0, 0, 0, 1, 0]
    assert [bool(mask.all()) for mask in kept.teach] == [1, 1, 1, 0, 1]
    assert kept.described == "1 frame"
    assert kept.is_honest


def test_of_few_frames_the_right_quarter_judges(make_frames):
    kept = hold_out(make_frames((0, 30, 125, 140), (10, 130, 150)))
    for teach, judge in zip(kept.teach, kept.judge, strict=True):
        assert not (teach & judge).any()
        assert (teach | judge).all()
        assert judge[:, 120:].all()
        assert not judge[:, :120].any()
    assert kept.described == "the right quarter of each of 2 frames"
    assert kept.is_honest


def test_too_few_cells_to_keep_any_back_say_so(make_frames):
    kept = hold_out(make_frames((30,)))
    assert not kept.is_honest
    assert kept.teach[0].all()
    assert kept.judge[0].all()


def test_nobody_judged_the_rest_of_a_frame_that_is_not_done(make_frames):
    kept = hold_out(make_frames((0, 30, 60), done=()))
    assert int(kept.teach[0].sum()) == 3 * 80


def test_frames_without_any_cell_teach_nothing(make_frames):
    with pytest.raises(ParameterError, match="No cell is outlined"):
        hold_out(make_frames((), ()))
    with pytest.raises(ParameterError, match="No cell is outlined"):
        hold_out([])


def test_cells_count_where_half_of_them_lies():
    labels = np.zeros((4, 20), np.int32)
    labels[:, 2:6], labels[:, 8:12], labels[:, 14:18] = 1, 2, 5
    mask = np.zeros((4, 20), bool)
    mask[:, 10:] = True
    kept = cells_within(labels, mask)
    assert set(np.unique(kept)) == {0, 2, 5}
    assert int((kept == 2).sum()) == 16
