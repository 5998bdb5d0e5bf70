"""The frame to annotate next is the one whose cells are most in doubt."""

import pytest
from tests.viewer.test_cell_selection import N_FRAMES
from tests.viewer.test_label_tools import segmented as segmented

from napari_qpm.pipeline import steps
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.suggesting import MOST_FRAMES, Suggesting, _spread

MOST_DOUBTFUL, SECOND = 4, 1


@pytest.fixture
def asked(monkeypatch):
    """Frames that were looked at; 4 is most in doubt, then 1."""
    frames = []

    def doubt(engine, phase_map, token):
        token.raise_if_cancelled()
        t = phase_map.first_frame
        frames.append(t)
        return {MOST_DOUBTFUL: 0.9, SECOND: 0.5}.get(t, 0.1)

    monkeypatch.setattr(steps, "doubt", doubt)
    return frames


def suggest(suggesting, workflow, mailbox):
    suggesting.suggest()
    mailbox.follow(workflow)
    return workflow.current_frame()


def test_the_slider_goes_to_the_frame_most_in_doubt(segmented, mailbox, asked):
    segmented.show_frame(0)

    assert suggest(Suggesting(segmented), segmented, mailbox) == MOST_DOUBTFUL
    assert "frame 4 are most in doubt (90 %)" in segmented.note
    assert sorted(asked) == [1, 2, 3, 4, 5]


def test_done_frames_are_skipped_and_nothing_is_asked_twice(segmented, mailbox, asked):
    segmented.show_frame(0)
    suggesting = Suggesting(segmented)
    suggest(suggesting, segmented, mailbox)
    segmented.field.annotate([MOST_DOUBTFUL])

    assert suggest(suggesting, segmented, mailbox) == SECOND
    assert sorted(asked) == list(range(N_FRAMES))


def test_other_settings_ask_again(segmented, mailbox, asked):
    segmented.show_frame(0)
    suggesting = Suggesting(segmented)
    suggest(suggesting, segmented, mailbox)
    asked.clear()
    segmented.settings.set_values(
        StepName.SEGMENT, segmented.modality, {"separation": 0.4}
    )

    segmented.show_frame(0)
    suggest(suggesting, segmented, mailbox)

    assert sorted(asked) == [1, 2, 3, 4, 5]


def test_there_is_none_once_all_others_are_done(segmented, mailbox, asked):
    segmented.show_frame(0)
    segmented.field.annotate(range(1, N_FRAMES))
    suggesting = Suggesting(segmented)

    assert suggest(suggesting, segmented, mailbox) == 0
    assert suggesting.obstacle() == "There is no other frame that is not done."
    assert asked == []


def test_a_cancelled_search_leaves_the_slider_where_it_is(
    segmented, mailbox, monkeypatch
):
    def cancel(engine, phase_map, token):
        segmented.job.cancel()
        token.raise_if_cancelled()

    monkeypatch.setattr(steps, "doubt", cancel)
    segmented.show_frame(2)

    assert suggest(Suggesting(segmented), segmented, mailbox) == 2
    assert segmented.job is None


def test_the_phase_comes_first(workflow):
    assert "Select a recording" in Suggesting(workflow).obstacle()


def test_a_long_recording_is_looked_at_here_and_there():
    frames = _spread(range(500))

    assert len(frames) == MOST_FRAMES
    assert (frames[0], frames[-1]) == (0, 499)
    assert _spread({3, 1}) == [1, 3]
