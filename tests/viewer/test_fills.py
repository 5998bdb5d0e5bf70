"""Series that fill while they are looked at, and go on where they were stopped."""

import errno
import threading
import time

import numpy as np
import pytest
import zarr
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.errors import OutputError
from napari_qpm.jobs import FinishReason
from napari_qpm.pipeline import stages
from napari_qpm.viewer import fills
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.fills import MemoryStore, allocate
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

N_FRAMES = 8
WAIT_S = 20


@pytest.fixture
def opened(viewer, workflow):
    return show_recording(viewer, make_recording(n_frames=N_FRAMES))


@pytest.fixture
def gate(monkeypatch):
    """Let a test stop the retrieval after a number of frames, and count them."""
    made = Gate()
    retrieve = stages._RetrieveOne.__call__

    def held(self, t):
        made.wait(t)
        return retrieve(self, t)

    monkeypatch.setattr(stages._RetrieveOne, "__call__", held)
    yield made
    made.open(N_FRAMES)


class Gate:
    def __init__(self):
        self.frames, self._limit = [], 0
        self._changed = threading.Condition()
        self.error = None

    def open(self, n_more):
        with self._changed:
            self._limit += n_more
            self._changed.notify_all()

    def wait(self, t):
        with self._changed:
            assert self._changed.wait_for(lambda: self._limit > 0, WAIT_S)
            self._limit -= 1
            self.frames.append(t)
            if self.error is not None:
                raise self.error


def wait_until(condition, mailbox):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        mailbox.deliver()
        time.sleep(0.002)


def cancel_after(workflow, mailbox, gate, n_frames):
    """Start the retrieval and cancel it after this many frames (and the first one)."""
    gate.open(n_frames)
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    wait_until(lambda: len(gate.frames) == n_frames, mailbox)
    workflow.cancel()
    gate.open(N_FRAMES)
    mailbox.follow(workflow)


def test_a_series_can_be_looked_at_while_it_fills(
    opened, workflow, viewer, mailbox, gate
):
    gate.open(3)
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    wait_until(lambda: "dish phase" in viewer.layers, mailbox)
    wait_until(lambda: len(workflow.field.done[Role.PHASE]) >= 1, mailbox)
    assert workflow.job is not None

    layer = viewer.layers["dish phase"]
    done = workflow.field.done[Role.PHASE]
    assert all(np.isfinite(layer.data[t]).all() for t in done)
    assert np.isnan(layer.data[N_FRAMES - 1]).all()

    gate.open(N_FRAMES)
    mailbox.follow(workflow)
    assert np.isfinite(np.asarray(layer.data)).all()
    assert workflow.resumable(StepName.RETRIEVE) is None


def test_cancel_keeps_what_is_finished_and_says_so(
    opened, workflow, viewer, mailbox, gate
):
    cancel_after(workflow, mailbox, gate, 3)

    done, wanted = workflow.resumable(StepName.RETRIEVE)
    assert 1 <= done < wanted == N_FRAMES
    assert f"{done} of {N_FRAMES} frames are kept" in workflow.note
    assert np.isfinite(viewer.layers["dish phase"].data[0]).all()
    assert workflow.next_step() is StepName.RETRIEVE


def test_going_on_skips_finished_frames(opened, workflow, viewer, mailbox, gate):
    cancel_after(workflow, mailbox, gate, 3)
    done = set(workflow.field.done[Role.PHASE])
    gate.frames.clear()

    gate.open(N_FRAMES)
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    mailbox.follow(workflow)

    assert not done & set(gate.frames)
    assert workflow.field.done[Role.PHASE] == frozenset(range(N_FRAMES))
    assert workflow.is_done(StepName.RETRIEVE)
    assert np.isfinite(np.asarray(viewer.layers["dish phase"].data)).all()


def test_other_settings_do_not_continue(opened, workflow, viewer, mailbox, gate):
    cancel_after(workflow, mailbox, gate, 3)
    gate.frames.clear()
    workflow.settings.set_values(
        StepName.RETRIEVE, workflow.modality, {"background": "tilt"}
    )
    assert workflow.resumable(StepName.RETRIEVE) is None

    gate.open(2 * N_FRAMES)
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    mailbox.follow(workflow)

    assert set(gate.frames) >= set(range(1, N_FRAMES))


def test_a_cancelled_run_with_other_settings_keeps_the_complete_one(
    opened, workflow, viewer, mailbox, gate
):
    gate.open(N_FRAMES)
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    mailbox.follow(workflow)
    before = np.array(viewer.layers["dish phase"].data)
    gate._limit = 0
    gate.frames.clear()
    workflow.settings.set_values(
        StepName.RETRIEVE, workflow.modality, {"background": "tilt"}
    )
    cancel_after(workflow, mailbox, gate, 2)

    assert np.array_equal(viewer.layers["dish phase"].data, before)
    assert workflow.field.done[Role.PHASE] == frozenset(range(N_FRAMES))
    assert workflow.resumable(StepName.RETRIEVE) is not None


def test_a_deleted_layer_forgets_the_unfinished_series(
    opened, workflow, viewer, mailbox, gate
):
    cancel_after(workflow, mailbox, gate, 3)
    viewer.layers.remove("dish phase")

    assert workflow.resumable(StepName.RETRIEVE) is None


def test_a_full_disk_is_said_plainly_and_finished_frames_stay(
    opened, workflow, viewer, mailbox, monkeypatch
):
    monkeypatch.setattr(fills, "MEMORY_LIMIT_BYTES", 0)
    told = []
    workflow.failed.connect(told.append)
    write = zarr.Array.__setitem__
    written = []

    def fill_up(self, index, value):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(index)
        write(self, index, value)

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__setitem__", fill_up)
        workflow.run(StepName.RETRIEVE, Scope.ALL)
        mailbox.follow(workflow)

    assert len(told) == 1
    assert "disk is full" in told[0]
    assert "Free some space" in told[0]
    assert workflow.resumable(StepName.RETRIEVE) == (3, N_FRAMES)

    workflow.run(StepName.RETRIEVE, Scope.ALL)
    mailbox.follow(workflow)
    assert workflow.is_done(StepName.RETRIEVE)
    assert len(told) == 1


def test_an_unknown_error_keeps_what_is_finished(
    opened, workflow, viewer, mailbox, gate
):
    gate.open(2)
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    wait_until(lambda: len(gate.frames) == 2, mailbox)
    gate.error = RuntimeError("CUDA out of memory")
    ended = []
    workflow.finished.connect(lambda title, status: ended.append(status.reason))
    gate.open(N_FRAMES)
    mailbox.follow(workflow)

    assert ended == [FinishReason.FAILED]
    assert workflow.job is None
    assert workflow.availability(StepName.RETRIEVE).is_ready
    assert workflow.resumable(StepName.RETRIEVE) is not None


def test_cells_fill_and_continue_like_phase(
    opened, workflow, viewer, mailbox, monkeypatch
):
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    mailbox.follow(workflow)
    gate, segment = Gate(), stages._SegmentOne.__call__

    def held(self, item):
        gate.wait(item[0])
        return segment(self, item)

    monkeypatch.setattr(stages._SegmentOne, "__call__", held)
    gate.open(3)
    workflow.run(StepName.SEGMENT, Scope.ALL)
    wait_until(lambda: len(gate.frames) == 3, mailbox)
    wait_until(lambda: "dish cells" in viewer.layers, mailbox)
    assert not viewer.layers["dish cells"].editable
    workflow.cancel()
    gate.open(N_FRAMES)
    mailbox.follow(workflow)
    assert viewer.layers["dish cells"].editable
    done = set(workflow.field.done[Role.CELLS])
    assert 0 < len(done) < N_FRAMES
    gate.frames.clear()

    gate.open(N_FRAMES)
    workflow.run(StepName.SEGMENT, Scope.ALL)
    mailbox.follow(workflow)

    assert not done & set(gate.frames)
    assert workflow.field.done[Role.CELLS] == frozenset(range(N_FRAMES))
    assert set(workflow.field.outlines) == set(range(N_FRAMES))
    assert viewer.layers["dish cells"].data[N_FRAMES - 1].max() == 2


def test_a_chosen_folder_keeps_the_series_for_another_day(
    opened, workflow, viewer, mailbox, gate, tmp_path
):
    workflow.results_folder = tmp_path / "results"
    cancel_after(workflow, mailbox, gate, 3)
    done = set(workflow.field.done[Role.PHASE])
    viewer.layers.clear()
    gate.frames.clear()

    # As after a crash: nothing but the folder is left.
    show_recording(viewer, opened_again(opened))
    gate.open(N_FRAMES)
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    mailbox.follow(workflow)

    assert not done & set(gate.frames)
    phase = viewer.layers["dish phase"].data
    assert all(np.isfinite(phase[t]).all() for t in range(N_FRAMES))
    assert (tmp_path / "results" / "phase.ome.zarr").is_dir()


def opened_again(layer):
    from napari_qpm.viewer.fields import claim_recording

    return claim_recording(layer)


def test_a_folder_with_other_results_is_refused(
    opened, workflow, viewer, mailbox, tmp_path
):
    (tmp_path / "phase.ome.zarr").mkdir()
    (tmp_path / "phase.ome.zarr" / "notes.txt").write_text("mine")
    told = []
    workflow.failed.connect(told.append)
    workflow.results_folder = tmp_path
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    mailbox.follow(workflow)

    assert "not a result of napari-qpm" in told[0]
    assert (tmp_path / "phase.ome.zarr" / "notes.txt").read_text() == "mine"


def test_other_failures_of_the_disk_name_the_frame():
    class Broken:
        def __setitem__(self, index, value):
            raise OSError(errno.EIO, "Input/output error")

    store = MemoryStore(3, range(3), phase=Broken())
    with pytest.raises(OutputError, match="Frame 1 could not be kept"):
        store.write_phase(1, np.zeros((2, 2), np.float32), {})
    assert 1 not in store.finished("phase")


def test_long_series_go_to_disk_and_leave_it(tmp_path, monkeypatch):
    monkeypatch.setattr(fills.tempfile, "mkdtemp", lambda prefix: str(tmp_path / "z"))
    array = allocate((4, 8, 8), np.float32, np.nan, limit=16)
    array[1] = np.ones((8, 8), np.float32)
    assert (tmp_path / "z").is_dir()
    assert np.isnan(array[0]).all()

    del array

    assert not (tmp_path / "z").exists()
