"""What goes wrong in real life, and what must be left when it did."""

import gc
import threading
import time

import numpy as np
import pytest
import torch
from qtpy.QtWidgets import QApplication
from tests.viewer.conftest import make_recording, show_recording
from tests.viewer.test_workflow import HeldTask

from napari_qpm.jobs import FinishReason
from napari_qpm.retrieval.as_is_engine import AsIsEngine
from napari_qpm.viewer import workflow as workflow_module
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

WAIT_S = 20


@pytest.fixture
def held(monkeypatch):
    made = HeldTask()
    monkeypatch.setattr(workflow_module, "retrieve_task", lambda *_: made.task())
    yield made
    made.go_on.set()


@pytest.fixture
def heard(workflow):
    """Collect how jobs ended and what was said."""
    reasons, told = [], []
    workflow.finished.connect(lambda title, status: reasons.append(status.reason))
    workflow.failed.connect(told.append)
    return reasons, told


def test_cancel_at_once_ends_the_job_before_it_worked(
    workflow, viewer, mailbox, held, heard
):
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    workflow.cancel()
    mailbox.follow(workflow)

    assert heard == ([FinishReason.CANCELLED], [])
    assert held.committed == []
    assert workflow.availability(StepName.RETRIEVE).is_ready


def test_cancel_too_late_changes_nothing(workflow, viewer, mailbox, held, heard):
    show_recording(viewer, make_recording())
    held.go_on.set()
    workflow.run(StepName.RETRIEVE)
    assert workflow.job.wait(WAIT_S)
    workflow.cancel()
    mailbox.follow(workflow)
    workflow.cancel()

    assert heard == ([FinishReason.COMPLETED], [])
    assert held.committed == ["result"]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: device-side assert triggered"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        ZeroDivisionError("float division by zero"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_any_kind_reach_the_user_once(
    workflow, viewer, mailbox, heard, monkeypatch, error
):
    def fail(*_):
        raise error

    show_recording(viewer, make_recording())
    with monkeypatch.context() as patch:
        patch.setattr(AsIsEngine, "retrieve", fail)
        workflow.run_all(Scope.ALL)
        mailbox.follow(workflow)
    reasons, told = heard

    assert reasons == [FinishReason.FAILED]
    assert len(told) == 1
    assert "Retrieve phase" in told[0]
    workflow.run_all(Scope.ALL)
    mailbox.follow(workflow)
    assert workflow.field.table is not None


def test_a_phase_layer_deleted_while_it_fills_comes_back_complete(
    workflow, viewer, mailbox, monkeypatch
):
    go_on, is_open = threading.Event(), threading.Event()
    retrieve = AsIsEngine.retrieve

    def slow(self, *arguments):
        if is_open.is_set():
            assert go_on.wait(WAIT_S)
        is_open.set()
        return retrieve(self, *arguments)

    monkeypatch.setattr(AsIsEngine, "retrieve", slow)
    show_recording(viewer, make_recording(n_frames=5))
    workflow.run(StepName.RETRIEVE, Scope.ALL)
    deadline = time.monotonic() + WAIT_S
    while "dish phase" not in viewer.layers and time.monotonic() < deadline:
        mailbox.deliver()
        time.sleep(0.002)
    viewer.layers.remove("dish phase")
    go_on.set()
    mailbox.follow(workflow)

    assert np.isfinite(np.asarray(viewer.layers["dish phase"].data)).all()
    assert workflow.field.done[Role.PHASE] == frozenset(range(5))


def test_a_recording_deleted_during_its_job_does_no_harm(
    workflow, viewer, mailbox, held, heard
):
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    assert held.started.wait(WAIT_S)
    viewer.layers.clear()
    held.go_on.set()
    mailbox.follow(workflow)

    assert heard[0] == [FinishReason.COMPLETED]
    assert workflow.field is None
    assert not workflow.availability(StepName.RETRIEVE).is_ready


def preview_threads():
    return [
        thread for thread in threading.enumerate() if thread.name.startswith("qpm prev")
    ]


@pytest.mark.gui
def test_closing_the_dock_while_the_preview_works_ends_its_threads(
    make_napari_viewer_proxy, qtbot, monkeypatch
):
    started, go_on = threading.Event(), threading.Event()
    retrieve = AsIsEngine.retrieve

    def slow(self, *arguments):
        started.set()
        assert go_on.wait(WAIT_S)
        return retrieve(self, *arguments)

    monkeypatch.setattr(AsIsEngine, "retrieve", slow)
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording(n_frames=5))
    viewer.dims.set_current_step(0, 0)
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    callbacks = len(viewer.dims.events.current_step.callbacks)
    viewer.dims.set_current_step(0, 3)
    assert started.wait(WAIT_S)

    viewer.window.remove_dock_widget(dock)
    go_on.set()

    qtbot.waitUntil(lambda: not preview_threads(), timeout=10_000)
    qtbot.wait(20)
    assert [layer.name for layer in viewer.layers] == ["dish"]
    assert len(viewer.dims.events.current_step.callbacks) < callbacks


@pytest.mark.gui
def test_reopening_the_dock_often_leaves_nothing_behind(
    make_napari_viewer_proxy, qtbot
):
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording(n_frames=5))

    def open_and_close(t):
        dock = QPMDock(viewer)
        viewer.window.add_dock_widget(dock)
        viewer.dims.set_current_step(0, t)
        qtbot.waitUntil(lambda: dock.preview.is_idle, timeout=10_000)
        qtbot.wait(10)
        viewer.window.remove_dock_widget(dock)
        dock.deleteLater()

    open_and_close(1)
    before = count_leftovers(viewer, qtbot)
    for t in (4, 0, 3):
        open_and_close(t)

    assert count_leftovers(viewer, qtbot) == before


def count_leftovers(viewer, qtbot):
    """Return how many callbacks, threads and top-level widgets there are."""
    qtbot.waitUntil(lambda: not preview_threads(), timeout=10_000)
    qtbot.wait(20)
    gc.collect()
    emitters = (
        viewer.dims.events.current_step,
        viewer.layers.events.removed,
        viewer.layers.selection.events.active,
    )
    return (
        [len(emitter.callbacks) for emitter in emitters],
        len([t for t in threading.enumerate() if t.name.startswith("qpm")]),
        len(QApplication.topLevelWidgets()),
    )


@pytest.mark.gui
def test_two_viewers_keep_to_themselves(make_napari_viewer, qtbot):
    docks = []
    for _ in range(2):
        viewer = make_napari_viewer()
        show_recording(viewer, make_recording(n_frames=5))
        viewer.dims.set_current_step(0, 0)
        dock = QPMDock(viewer)
        viewer.window.add_dock_widget(dock)
        docks.append((viewer, dock))
    first, second = docks
    first[0].dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: "dish preview cells" in first[0].layers, timeout=20_000)

    assert [layer.name for layer in second[0].layers] == ["dish"]
    second[1].preview.is_following = False
    assert first[1].preview.is_following
