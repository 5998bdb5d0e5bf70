"""The same faults for every job of the dock: each must leave it as it was, and usable.

`test_faults.py` has those of single steps; here each step meets each fault.
"""

import errno
import threading

import pytest
import torch
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.errors import OutputError, QPMError
from napari_qpm.jobs import FinishReason
from napari_qpm.viewer import tasks
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Workflow

WAIT_S = 20
WORK = {
    StepName.RETRIEVE: "retrieve_frames",
    StepName.SEGMENT: "segment_frames",
    StepName.MEASURE: "measure_frames",
}
WORKS_ON = {
    StepName.RETRIEVE: Role.RECORDING,
    StepName.SEGMENT: Role.PHASE,
    StepName.MEASURE: Role.CELLS,
}
TITLES = {
    StepName.RETRIEVE: "Retrieve phase",
    StepName.SEGMENT: "Segment cells",
    StepName.MEASURE: "Measure cells",
}
ERRORS = [
    QPMError("The frames are torn. Open the file again."),
    RuntimeError("CUDA error: device-side assert triggered"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    OSError(errno.ENOSPC, "No space left on device"),
    OutputError("The disk is full: free some space."),
]

every_step = pytest.mark.parametrize("step", list(StepName))


class Gate:
    """Holds the work of one step until the test lets it go on, or fail."""

    def __init__(self, work):
        self._work = work
        self.started, self.go_on = threading.Event(), threading.Event()
        self.error = None

    def __call__(self, *arguments, **options):
        self.started.set()
        assert self.go_on.wait(WAIT_S)
        if self.error is not None:
            raise self.error
        return self._work(*arguments, **options)


@pytest.fixture
def gate(step, monkeypatch):
    made = Gate(getattr(tasks, WORK[step]))
    monkeypatch.setattr(tasks, WORK[step], made)
    yield made
    made.go_on.set()


@pytest.fixture
def ready(workflow, viewer, mailbox, step):
    """A workflow in which everything before the step is done."""
    show_recording(viewer, make_recording())
    for earlier in list(StepName)[: list(StepName).index(step)]:
        workflow.run(earlier)
        mailbox.follow(workflow)
    assert workflow.availability(step).is_ready
    return workflow


@pytest.fixture
def heard(ready):
    """Collect how jobs ended and what was said."""
    reasons, told = [], []
    ready.finished.connect(lambda title, status: reasons.append(status.reason))
    ready.failed.connect(told.append)
    return reasons, told


def names(viewer):
    return [layer.name for layer in viewer.layers]


@every_step
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_told_once_and_the_step_runs_again(
    step, gate, ready, heard, viewer, mailbox, error
):
    before = names(viewer)
    gate.error = error
    gate.go_on.set()
    ready.run(step)
    mailbox.follow(ready)

    reasons, told = heard
    assert reasons == [FinishReason.FAILED]
    assert len(told) == 1
    assert names(viewer) == before
    assert f"Failed: {TITLES[step]}" in ready.failure.report()
    gate.error = None
    ready.run(step)
    mailbox.follow(ready)
    assert reasons[-1] is FinishReason.COMPLETED
    assert ready.is_done(step)
    assert ready.failure is None


@every_step
def test_cancel_at_once_changes_nothing(step, gate, ready, heard, viewer, mailbox):
    before = names(viewer)
    ready.run(step)
    ready.cancel()
    gate.go_on.set()
    mailbox.follow(ready)

    assert heard == ([FinishReason.CANCELLED], [])
    assert names(viewer) == before
    assert not ready.is_done(step)
    assert ready.availability(step).is_ready


@every_step
def test_cancel_too_late_keeps_the_result(step, gate, ready, heard, mailbox):
    gate.go_on.set()
    ready.run(step)
    assert ready.job.wait(WAIT_S)
    ready.cancel()
    mailbox.follow(ready)
    ready.cancel()

    assert heard == ([FinishReason.COMPLETED], [])
    assert ready.is_done(step)


@every_step
def test_a_layer_deleted_meanwhile_does_no_harm(
    step, gate, ready, heard, viewer, mailbox
):
    ready.run(step)
    assert gate.started.wait(WAIT_S)
    viewer.layers.remove(ready.field.layer(WORKS_ON[step]))
    gate.go_on.set()
    mailbox.follow(ready)

    reasons, told = heard
    assert reasons == [FinishReason.COMPLETED]
    assert told == []
    assert ready.job is None


@every_step
def test_all_layers_deleted_meanwhile_do_no_harm(
    step, gate, ready, heard, viewer, mailbox
):
    ready.run(step)
    assert gate.started.wait(WAIT_S)
    viewer.layers.clear()
    gate.go_on.set()
    mailbox.follow(ready)

    assert heard == ([FinishReason.COMPLETED], [])
    show_recording(viewer, make_recording())
    assert ready.availability(StepName.RETRIEVE).is_ready


@every_step
def test_a_layer_renamed_meanwhile_still_gets_its_result(
    step, gate, ready, heard, viewer, mailbox
):
    ready.run(step)
    assert gate.started.wait(WAIT_S)
    ready.field.layer(WORKS_ON[step]).name = "something else"
    gate.go_on.set()
    mailbox.follow(ready)

    assert heard == ([FinishReason.COMPLETED], [])
    assert ready.is_done(step)
    assert "something else" in viewer.layers


@every_step
def test_a_viewer_closed_meanwhile_gets_no_result(step, gate, ready, viewer, mailbox):
    """As napari does: the dock goes first, then one layer after the other."""
    before = names(viewer)
    ready.run(step)
    job = ready.job
    assert gate.started.wait(WAIT_S)
    field = ready.field

    ready.close()
    gate.go_on.set()
    assert job.wait(WAIT_S)
    mailbox.deliver()

    assert names(viewer) == before
    assert field.table is None
    viewer.layers.clear()
    mailbox.deliver()
    for emitter in (
        viewer.layers.events.removed,
        viewer.layers.selection.events.active,
        viewer.dims.events.current_step,
    ):
        assert not [c for c in emitter.callbacks if _is_ours(c)]


def _is_ours(callback):
    """Return whether a callback (a weak reference and a name) is one of ours."""
    owner = callback[0]() if isinstance(callback, tuple) else callback
    return type(owner).__module__.startswith("napari_qpm")


@every_step
def test_a_result_that_cannot_be_shown_is_told(
    step, gate, ready, heard, mailbox, monkeypatch
):
    def fail(*_):
        raise ValueError("the canvas is gone")

    for shown in ("show_phase", "show_cells", "show_tracks"):
        monkeypatch.setattr(tasks, shown, fail)
    gate.go_on.set()
    ready.run(step)
    mailbox.follow(ready)

    _, told = heard
    assert len(told) == 1
    assert "the canvas is gone" in told[0]
    assert ready.job is None
    assert ready.availability(StepName.RETRIEVE).is_ready


def test_the_same_viewer_takes_a_new_workflow_after_a_close(viewer, mailbox):
    show_recording(viewer, make_recording())
    for _ in range(3):
        workflow = Workflow(viewer, post=mailbox.post)
        workflow.run_all()
        workflow.close()
    workflow = Workflow(viewer, post=mailbox.post)
    workflow.run_all()
    mailbox.follow(workflow)
    workflow.close()

    assert workflow.field.table is not None
