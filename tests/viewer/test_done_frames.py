"""Frames that the user marked as done."""

import numpy as np
import pytest
from tests.viewer.test_label_tools import cells_of
from tests.viewer.test_label_tools import segmented as segmented
from tests.viewer.test_label_tools import tools as tools

from napari_qpm.viewer.done_frames import DoneFrames
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope


@pytest.fixture
def done(segmented, tools):
    made = DoneFrames(segmented, tools)
    yield made
    made.close()


def test_frames_are_marked_and_counted(done, segmented):
    segmented.show_frame(2)
    assert (done.is_shown_done, done.sentence()) == (False, "0 of 6 frames done")

    done.toggle()
    segmented.show_frame(4)
    done.toggle()

    assert done.frames == {2, 4}
    assert (done.is_shown_done, done.sentence()) == (True, "2 of 6 frames done")
    segmented.show_frame(3)
    assert not done.is_shown_done


def test_a_mark_is_taken_back(done, segmented):
    done.toggle()
    done.toggle()

    assert done.frames == frozenset()


def test_the_slider_and_marks_are_told(done, segmented):
    told = []
    done.changed.connect(lambda: told.append(done.is_shown_done))

    done.toggle()
    segmented.show_frame(1)

    assert True in told
    assert told[-1] is False


def test_nothing_is_marked_before_there_are_cells(workflow, viewer):
    from napari_qpm.viewer.label_tools import LabelTools

    tools = LabelTools(workflow)
    done = DoneFrames(workflow, tools)

    done.toggle()

    assert done.obstacle() == "Segment the cells first."
    assert not done.is_offered
    assert done.frames == frozenset()
    done.close()
    tools.close()


def test_cells_of_done_frames_are_kept_beside_new_ones(done, segmented, mailbox):
    first, before = cells_of(segmented), np.array(cells_of(segmented).data)
    done.toggle()

    segmented.run(StepName.SEGMENT)
    mailbox.follow(segmented)

    assert cells_of(segmented) is not first
    assert np.array_equal(first.data, before)
    assert done.frames == frozenset()


def test_a_frame_that_is_segmented_again_is_not_done_any_more(done, segmented, mailbox):
    segmented.show_frame(0)
    done.toggle()
    segmented.show_frame(1)
    done.toggle()

    segmented.run(StepName.SEGMENT, Scope.CURRENT)
    mailbox.follow(segmented)

    assert done.frames == {0}


def test_all_frames_are_marked_at_once(done):
    done.mark_all()

    assert done.sentence() == "6 of 6 frames done"
