"""Corrected cells are on disk by themselves, and come back after a crash."""

import time

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.viewer.conftest import make_recording, paint, show_recording

from napari_qpm.errors import OutputError
from napari_qpm.viewer.autosave import Autosave
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.recovery import Corrections, corrections_of
from napari_qpm.viewer.results import show_no_cells
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Workflow

WAIT_S = 20.0
SETTLE_S = 0.02


class Session:
    """A viewer without Qt with segmented cells and autosave."""

    def __init__(self, root, mailbox, **recording):
        self.viewer = ViewerModel()
        self.workflow = Workflow(self.viewer, post=mailbox.post)
        show_recording(self.viewer, make_recording(**recording))
        self.autosave = Autosave(self.workflow, root, SETTLE_S)
        self._mailbox = mailbox

    def segment(self):
        for step in (StepName.RETRIEVE, StepName.SEGMENT):
            self.workflow.run(step)
            self._mailbox.follow(self.workflow)
        return self

    @property
    def cells(self):
        return self.workflow.field.layer(Role.CELLS)

    def draw(self, t, label=50, at=0):
        self.cells.data_setitem(
            (np.full(4, t), np.arange(at, at + 4), np.arange(4)), label
        )

    def close(self):
        self.autosave.close()
        self.workflow.close()


@pytest.fixture
def session(tmp_path, mailbox):
    made = Session(tmp_path, mailbox).segment()
    yield made
    made.close()


@pytest.fixture
def reopened(tmp_path, mailbox):
    """Make a session after a crash of the first."""
    made = []

    def start(**recording):
        made.append(Session(tmp_path, mailbox, **recording))
        return made[-1]

    yield start
    for one in made:
        one.close()


def wait_for(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def kept(root, **recording):
    """Return the frames on disk by their number."""
    found = corrections_of(make_recording(**recording), root)
    is_complete = bool(found) and (found[0].folder / "about.json").exists()
    return dict(found[0].read()) if is_complete else {}


def test_only_corrected_frames_are_saved(session, tmp_path):
    assert list(tmp_path.iterdir()) == []

    session.draw(1)
    wait_for(lambda: 1 in kept(tmp_path))

    frames = kept(tmp_path)
    assert list(frames) == [1]
    assert np.array_equal(frames[1], session.cells.data[1])


def test_it_is_told_that_corrections_are_saved(session, tmp_path):
    told = []
    session.autosave.changed.connect(lambda: told.append(session.autosave.sentence()))
    assert session.autosave.sentence() == ""

    session.draw(1)
    session.draw(2)
    wait_for(lambda: "are saved" in session.autosave.sentence())

    assert told[0] == "Saving your corrections…"
    assert session.autosave.sentence().startswith("Your corrections of 2 frames are")


def test_an_undone_edit_is_undone_on_disk_too(session, tmp_path):
    before = np.array(session.cells.data[1])
    session.draw(1)
    wait_for(lambda: 1 in kept(tmp_path))

    session.cells.undo()

    wait_for(lambda: np.array_equal(kept(tmp_path)[1], before))


def test_after_a_crash_the_corrections_are_offered_and_come_back(
    session, reopened, tmp_path, mailbox
):
    session.draw(0)
    session.draw(2, label=51, at=6)
    wait_for(lambda: set(kept(tmp_path)) == {0, 2})
    edited = np.array(session.cells.data)

    after = reopened()
    assert "corrections of 2 frames" in after.autosave.sentence()
    assert "Segment the cells" in after.autosave.obstacle()
    after.segment()
    plain = np.array(after.cells.data)
    assert not np.array_equal(plain, edited)
    after.autosave.restore()
    mailbox.follow(after.workflow)

    assert np.array_equal(after.cells.data, edited)
    assert after.workflow.field.is_corrected
    assert after.autosave.offer is None or after.autosave.offer.frames == [0, 2]
    after.cells.undo()
    assert np.array_equal(after.cells.data, plain)


def test_restored_corrections_are_saved_under_the_new_session(
    session, reopened, tmp_path, mailbox
):
    session.draw(0)
    session.close()
    after = reopened().segment()
    after.autosave.restore()
    mailbox.follow(after.workflow)

    (found,) = corrections_of(make_recording(), tmp_path)

    assert found.frames == [0]
    assert "of a frame are saved" in after.autosave.sentence()


def test_closing_saves_what_was_not_saved_yet(session, tmp_path):
    session.draw(1)

    session.autosave.close()

    assert list(kept(tmp_path)) == [1]


def test_new_edits_leave_what_was_not_restored_alone(session, reopened, tmp_path):
    session.draw(0)
    session.close()
    after = reopened().segment()
    offered = after.autosave.offer

    after.draw(0, label=99)
    after.close()

    assert 50 in dict(offered.read())[0]
    assert len(corrections_of(make_recording(), tmp_path)) == 2


def test_dismissed_corrections_are_gone(session, reopened, tmp_path):
    session.draw(0)
    session.close()
    after = reopened()

    after.autosave.dismiss()

    assert after.autosave.sentence() == ""
    assert corrections_of(make_recording(), tmp_path) == []


def test_exported_corrections_are_not_kept_twice(session, tmp_path, mailbox):
    session.draw(0)
    wait_for(lambda: 0 in kept(tmp_path))
    session.workflow.run(StepName.MEASURE)
    mailbox.follow(session.workflow)

    session.workflow.export_table(tmp_path / "out" / "cells")
    mailbox.follow(session.workflow)
    assert corrections_of(make_recording(), tmp_path) == []

    session.draw(1)
    wait_for(lambda: set(kept(tmp_path)) == {0, 1})


def test_cells_of_another_size_are_not_overwritten(session, reopened, tmp_path):
    session.draw(0)
    wait_for(lambda: 0 in kept(tmp_path))
    (found,) = corrections_of(make_recording(), tmp_path)
    found.describe(make_recording(), (3, 8, 8), frozenset())
    session.close()
    found.describe(make_recording(), (3, 8, 8), frozenset())

    after = reopened().segment()
    before = np.array(after.cells.data)
    after.autosave.restore()

    assert "shape (3, 8, 8)" in after.autosave.obstacle()
    assert np.array_equal(after.cells.data, before)


def test_a_damaged_file_is_told_and_nothing_is_lost(
    session, reopened, tmp_path, mailbox
):
    session.draw(0)
    session.close()
    (found,) = corrections_of(make_recording(), tmp_path)
    (found.folder / "000000.npz").write_bytes(b"half")
    after = reopened().segment()
    before, told = np.array(after.cells.data), []
    after.workflow.failed.connect(told.append)

    after.autosave.restore()
    mailbox.follow(after.workflow)

    assert "frame 0 cannot be read" in told[0]
    assert np.array_equal(after.cells.data, before)
    assert found.frames == [0]


def test_a_foreign_folder_is_told_and_left(session, reopened, tmp_path):
    session.draw(0)
    session.close()
    (found,) = corrections_of(make_recording(), tmp_path)
    (found.folder / "about.json").write_text("something else")

    after = reopened()

    assert "cannot be read" in after.autosave.sentence()
    assert after.autosave.offer is None
    assert found.frames == [0]


def test_a_full_disk_is_told_and_painting_goes_on(session, tmp_path, monkeypatch):
    def fail(*_):
        raise OutputError("The disk is full.")

    monkeypatch.setattr(Corrections, "save", fail)
    session.draw(0)

    wait_for(lambda: "disk is full" in session.autosave.sentence())
    session.draw(1)
    assert session.cells.data[1, 0, 0] == 50


def test_closed_autosave_leaves_nothing_behind(session):
    strokes = len(session.cells.events.paint.callbacks)
    drawn = len(session.cells.events.set_data.callbacks)

    session.autosave.close()

    assert len(session.cells.events.paint.callbacks) == strokes - 1
    assert len(session.cells.events.set_data.callbacks) == drawn - 1


def test_done_frames_are_kept_with_their_cells_and_come_back(
    session, reopened, tmp_path, mailbox
):
    session.workflow.field.annotate([1])
    session.workflow.changed.emit()
    wait_for(lambda: 1 in kept(tmp_path))
    assert np.array_equal(kept(tmp_path)[1], session.cells.data[1])

    after = reopened()
    assert "1 of them marked as done" in after.autosave.sentence()
    after.segment()
    after.autosave.restore()
    mailbox.follow(after.workflow)

    assert after.workflow.field.annotated_frames == {1}
    (found,) = [
        one for one in corrections_of(make_recording(), tmp_path) if one.about()["done"]
    ]
    assert found.frames == [1]


def test_a_mark_that_was_taken_back_is_so_on_disk(session, tmp_path):
    session.workflow.field.annotate([1, 2])
    session.workflow.changed.emit()
    wait_for(lambda: set(kept(tmp_path)) == {1, 2})

    session.workflow.field.annotated_frames -= {2}
    session.workflow.changed.emit()

    (found,) = corrections_of(make_recording(), tmp_path)
    wait_for(lambda: found.about()["done"] == {1})


def test_an_export_keeps_which_frames_are_done(session, tmp_path, mailbox):
    session.workflow.field.annotate([0])
    session.workflow.changed.emit()
    wait_for(lambda: 0 in kept(tmp_path))
    session.workflow.run(StepName.MEASURE)
    mailbox.follow(session.workflow)

    session.workflow.export_table(tmp_path / "out" / "cells")
    mailbox.follow(session.workflow)

    (found,) = corrections_of(make_recording(), tmp_path)
    assert found.about()["done"] == {0}


def test_where_there_is_no_cell_is_kept_and_comes_back(
    session, reopened, tmp_path, mailbox
):
    layer = show_no_cells(
        session.viewer, session.workflow.field, session.cells.data.shape
    )
    paint(layer, 1, slice(0, 3), slice(0, 3), 1)
    wait_for(lambda: 1 in kept(tmp_path))

    after = reopened().segment()
    after.autosave.restore()
    mailbox.follow(after.workflow)

    restored = after.workflow.field.layer(Role.NO_CELLS)
    assert np.array_equal(restored.data, layer.data)
    (new,) = [
        one
        for one in corrections_of(make_recording(), tmp_path)
        if dict(one.read_no_cells())
    ]
    assert np.array_equal(dict(new.read_no_cells())[1], layer.data[1])


def test_closed_autosave_leaves_the_layer_of_no_cells_alone(session):
    shape = session.cells.data.shape
    layer = show_no_cells(session.viewer, session.workflow.field, shape)
    strokes = len(layer.events.paint.callbacks)

    session.autosave.close()

    assert len(layer.events.paint.callbacks) == strokes - 1
