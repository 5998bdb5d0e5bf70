import gc
import os
import weakref

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QPushButton, QScrollArea
from tests.viewer.conftest import make_recording, show_recording
from tests.viewer.test_workflow import HeldTask

from napari_qpm.acquisition import Modality
from napari_qpm.jobs import FinishReason
from napari_qpm.viewer import workflow as workflow_module
from napari_qpm.viewer.dock import MARGIN, MINIMUM_WIDTH, QPMDock
from napari_qpm.viewer.settings import StepName

pytestmark = pytest.mark.gui

WAIT_MS = 30_000
NARROW_PX = 380


@pytest.fixture
def opened(make_napari_viewer_proxy, plugins):
    """A viewer with a recording and the dock, opened as a user does."""
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording())
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    return viewer, dock


@pytest.fixture
def held(monkeypatch):
    made = HeldTask()
    monkeypatch.setattr(workflow_module, "retrieve_task", lambda *_: made.task())
    yield made
    made.go_on.set()


@pytest.fixture
def errors(monkeypatch):
    """Catch what napari would show as an error."""
    shown = []
    monkeypatch.setattr("napari_qpm.viewer.dock.show_error", shown.append)
    return shown


def press(dock, step):
    dock.steps[step].button.click()


def wait_for_job(qtbot, dock):
    qtbot.waitUntil(lambda: dock.workflow.job is None, timeout=WAIT_MS)


def test_three_clicks_lead_to_picograms(opened, qtbot):
    viewer, dock = opened

    for step in StepName:
        assert dock.steps[step].button.isEnabled()
        press(dock, step)
        wait_for_job(qtbot, dock)

    names = [layer.name for layer in viewer.layers][1:]
    assert names == ["dish phase", "dish cells", "dish tracks"]
    model = dock.table.model
    titles = [model.headerData(i, _horizontal()) for i in range(model.columnCount())]
    assert "Dry mass (pg)" in titles
    mass = model.data(model.index(0, titles.index("Dry mass (pg)")))
    assert "±" in mass
    assert "pg" in dock.table.summary.text()


def test_a_narrow_dock_cuts_nothing_off(make_napari_viewer_proxy, plugins, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    show_recording(viewer, make_recording())
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    for step in StepName:
        press(dock, step)
        wait_for_job(qtbot, dock)
    column = dock.table.colours.column
    column.setCurrentIndex(column.findText("Dry mass (pg)"))

    column.activated.emit(column.currentIndex())

    content, viewport = dock._scroll.widget(), dock._scroll.viewport()
    qtbot.waitUntil(
        lambda: content.minimumSizeHint().width() <= viewport.width(), timeout=WAIT_MS
    )
    assert dock.minimumSizeHint().width() <= NARROW_PX


def _horizontal():
    from qtpy.QtCore import Qt

    return Qt.Orientation.Horizontal


def test_nothing_is_cut_off_where_the_dock_is_narrow(opened):
    _, dock = opened
    scroll = dock.findChild(QScrollArea)
    room = MINIMUM_WIDTH - 2 * MARGIN - scroll.verticalScrollBar().sizeHint().width()
    for modality in Modality:
        dock.workflow.set_modality(modality)
        assert scroll.widget().minimumSizeHint().width() <= room, modality


def test_the_dock_says_what_to_do_next(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert "Open a recording" in dock.recording.summary.text()
    assert not dock.run_all.isEnabled()

    show_recording(viewer, make_recording())

    assert dock.recording.title.text() == "dish"
    assert "retrieve the phase" in dock.job.sentence.text()


def test_progress_and_cancel_show_while_a_job_runs(opened, qtbot, held):
    _, dock = opened
    press(dock, StepName.RETRIEVE)
    qtbot.waitUntil(lambda: dock.job.bar.value() == 1, timeout=WAIT_MS)

    assert not dock.job.cancel.isHidden()
    assert "1 of 4 frames" in dock.job.sentence.text()
    assert not dock.steps[StepName.RETRIEVE].button.isEnabled()
    dock.job.cancel.click()
    assert dock.job.cancel.text() == "Cancelling…"
    wait_for_job(qtbot, dock)

    assert dock.job.cancel.isHidden()
    assert dock.steps[StepName.RETRIEVE].button.isEnabled()
    assert "cancelled" in dock.job.sentence.text()


def test_a_job_that_ended_at_once_is_cancelling_until_it_is_settled(
    opened, qtbot, held
):
    _, dock = opened
    press(dock, StepName.RETRIEVE)
    job = dock.workflow.job
    job.cancel()
    assert job.wait(WAIT_MS / 1000)

    # It has ended on its thread; the dock has not been told yet.
    dock.job.show_status(job.status)

    assert dock.job.cancel.text() == "Cancelling…"
    assert not dock.job.cancel.isEnabled()
    wait_for_job(qtbot, dock)


def test_a_runtime_error_is_shown_and_the_button_is_back(opened, qtbot, held, errors):
    _, dock = opened
    held.error = RuntimeError("device lost")
    held.go_on.set()
    press(dock, StepName.RETRIEVE)
    wait_for_job(qtbot, dock)

    assert len(errors) == 1
    assert "device lost" in errors[0]
    assert dock.steps[StepName.RETRIEVE].button.isEnabled()


def test_closing_the_viewer_during_a_job_ends_it(make_napari_viewer, qtbot, held):
    viewer = make_napari_viewer()
    show_recording(viewer, make_recording())
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    press(dock, StepName.RETRIEVE)
    assert held.started.wait(10)
    job = dock.workflow.job

    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: job.status.reason is not None, timeout=WAIT_MS)
    qtbot.wait(50)

    assert job.status.reason is FinishReason.CANCELLED
    assert held.committed == []


def test_closing_the_dock_lets_go_of_everything(
    make_napari_viewer_proxy, plugins, qtbot
):
    viewer = make_napari_viewer_proxy()
    callbacks = len(viewer.layers.events.removed.callbacks)
    container, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    gone = weakref.ref(dock.workflow)
    assert len(viewer.layers.events.removed.callbacks) > callbacks

    container.destroyOnClose()
    del dock, container
    qtbot.wait(50)
    gc.collect()

    assert len(viewer.layers.events.removed.callbacks) == callbacks
    show_recording(viewer, make_recording())
    assert gone() is None


def test_a_reopened_dock_finds_earlier_results(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording())
    first = QPMDock(viewer)
    viewer.window.add_dock_widget(first, name="first")
    first.run_all.click()
    wait_for_job(qtbot, first)
    viewer.window.remove_dock_widget(first)

    second = QPMDock(viewer)
    viewer.window.add_dock_widget(second, name="second")

    assert second.workflow.field.table is not None
    assert not second.table.isHidden()


def test_missing_values_are_shown_and_filled_in(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    bare = make_recording(wavelength_nm=None, pixel_size_um=None)
    layer = show_recording(viewer, bare)
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert dock.recording.wavelength.text() == "unknown"
    wanted = "For picograms, fill in the wavelength and the pixel size."
    assert wanted in dock.job.sentence.text()
    dock.run_all.click()
    wait_for_job(qtbot, dock)
    assert "fill in" in dock.table.summary.text()

    dock.recording.wavelength.setValue(532)
    dock.recording.pixel_size.setValue(0.5)
    press(dock, StepName.MEASURE)
    wait_for_job(qtbot, dock)

    assert tuple(layer.scale)[-1] == 0.5
    assert "median dry mass" in dock.table.summary.text()


def test_values_of_the_form_reach_the_result(opened, qtbot):
    viewer, dock = opened
    form = dock.steps[StepName.RETRIEVE].form
    form.set_values({"background": "tilt"})
    form.values_changed.emit(form.values())

    press(dock, StepName.RETRIEVE)
    wait_for_job(qtbot, dock)

    history = viewer.layers["dish phase"].metadata["napari-qpm"]["history"]
    assert history[-1]["parameters"]["background"] == "tilt"


def test_the_form_follows_the_kind(opened):
    _, dock = opened
    before = dock.steps[StepName.RETRIEVE].form

    kind = dock.recording.kind
    kind.setCurrentIndex(kind.findText("Off-axis hologram"))
    kind.activated.emit(kind.currentIndex())

    box = dock.steps[StepName.RETRIEVE]
    assert box.form is not before
    engines = [box.engine.itemData(i) for i in range(box.engine.count())]
    assert engines[:2] == ["fourier", "qpretrieve"]


def test_a_clicked_row_shows_its_cell(opened, qtbot):
    viewer, dock = opened
    dock.run_all.click()
    wait_for_job(qtbot, dock)

    dock.table.view.clicked.emit(dock.table.model.index(3, 0))

    row = dock.workflow.field.table.iloc[3]
    assert viewer.layers["dish cells"].selected_label == row["label"]
    assert dock.workflow.current_frame() == row["frame"]
    assert dock.table.view.currentIndex().row() == 3


def test_export_asks_where_and_tells_the_names(opened, qtbot, tmp_path, monkeypatch):
    _, dock = opened
    dock.run_all.click()
    wait_for_job(qtbot, dock)
    target = str(tmp_path / "cells.csv")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (target, ""))

    dock.findChild(QPushButton, "export_button").click()
    wait_for_job(qtbot, dock)

    assert (tmp_path / "cells.csv").exists()
    assert "Saved cells.csv" in dock.job.sentence.text()


@pytest.mark.skipif(
    os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="the administrator may write anywhere",
)
def test_a_read_only_folder_is_told(opened, qtbot, errors, tmp_path, monkeypatch):
    _, dock = opened
    dock.run_all.click()
    wait_for_job(qtbot, dock)
    tmp_path.chmod(0o500)

    dock.workflow.export_table(tmp_path / "cells")
    wait_for_job(qtbot, dock)

    assert "cannot be written" in errors[0]


def test_the_viewer_answers_while_a_job_runs(opened, qtbot, held):
    viewer, dock = opened
    press(dock, StepName.RETRIEVE)
    assert held.started.wait(10)

    viewer.dims.set_point(0, 60.0)
    viewer.scene.camera.zoom = 2.0

    assert dock.workflow.job is not None
    assert np.isclose(viewer.scene.camera.zoom, 2.0)


def test_each_viewer_has_its_own_dock(make_napari_viewer_proxy, plugins, qtbot):
    first, second = make_napari_viewer_proxy(), make_napari_viewer_proxy()
    show_recording(first, make_recording())
    docks = [
        viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")[1]
        for viewer in (first, second)
    ]

    docks[0].run_all.click()
    wait_for_job(qtbot, docks[0])

    assert len(first.layers) == 4
    assert len(second.layers) == 0
    assert docks[1].workflow.field is None
