"""Buttons to correct cells, in the dock."""

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog
from tests.viewer.conftest import make_recording, show_recording
from tests.viewer.test_dock import wait_for_job

from napari_qpm.io.label_files import write_labels
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.label_tools import Tool
from napari_qpm.viewer.settings import StepName

pytestmark = pytest.mark.gui


def test_edit_tools_come_with_the_cells_and_one_is_chosen_at_a_time(
    make_napari_viewer_proxy, qtbot
):
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording())
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert dock.labels.isHidden()
    for step in (StepName.RETRIEVE, StepName.SEGMENT):
        dock.steps[step].button.click()
        wait_for_job(qtbot, dock)

    assert not dock.labels.isHidden()
    merge, split = (dock.labels.buttons[tool] for tool in (Tool.MERGE, Tool.SPLIT))
    assert "Shift+M" in merge.toolTip()
    merge.click()
    split.click()
    assert (merge.isChecked(), split.isChecked()) == (False, True)
    assert "drag a line" in dock.labels.hint.text()

    split.click()
    assert dock.label_tools.tool is None
    assert dock.labels.hint.isHidden()
    dock.labels.new.click()
    cells = viewer.layers["dish cells"]
    assert str(cells.mode) == "paint"
    assert f"Paint cell {cells.selected_label}" in dock.labels.hint.text()


def test_a_done_frame_shows_it_is_done(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording())
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    box = dock.annotation
    assert box.isHidden()
    for step in (StepName.RETRIEVE, StepName.SEGMENT):
        dock.steps[step].button.click()
        wait_for_job(qtbot, dock)
    assert not box.isHidden()
    assert "Shift+E" in box.done.toolTip()

    dock.workflow.show_frame(1)
    box.done.click()
    assert (box.done.text(), box.done.isChecked()) == ("✓  Frame is done", True)
    assert box.count.text() == "1 of 3 frames done"

    box.no_cell.click()
    assert box.no_cell.isChecked()
    assert "Paint where there is no cell" in box.hint.text()
    box.no_cell.click()
    assert (box.no_cell.isChecked(), box.hint.isHidden()) == (False, True)

    dock.workflow.show_frame(2)
    assert (box.done.text(), box.done.isChecked()) == ("Mark frame as done", False)


def test_the_next_frame_is_suggested_by_a_button(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording())
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    for step in (StepName.RETRIEVE, StepName.SEGMENT):
        dock.steps[step].button.click()
        wait_for_job(qtbot, dock)
    box = dock.annotation
    dock.workflow.show_frame(1)
    box.done.click()
    dock.workflow.show_frame(0)
    assert "Shift+G" in box.suggest.toolTip()

    box.suggest.click()
    assert not box.suggest.isEnabled()
    wait_for_job(qtbot, dock)

    assert dock.workflow.current_frame() == 2
    assert "frame 2 are most in doubt" in dock.job.sentence.text()
    box.done.click()
    dock.workflow.show_frame(0)
    box.done.click()
    assert "no other frame" in box.suggest.toolTip()


def test_cells_are_imported_and_exported_by_buttons(
    make_napari_viewer_proxy, qtbot, tmp_path, monkeypatch
):
    labels = np.zeros((3, 48, 64), np.int32)
    labels[:, 8:20, 10:22] = 4
    (path,) = write_labels(labels, tmp_path / "mine.tif")
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording())
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    box = dock.cell_files_box
    assert not box.load.isEnabled()
    dock.steps[StepName.RETRIEVE].button.click()
    wait_for_job(qtbot, dock)
    assert (box.load.isEnabled(), box.save.isEnabled()) == (True, False)

    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    box.load.click()
    wait_for_job(qtbot, dock)
    assert np.array_equal(viewer.layers["dish cells"].data, labels)

    answer = (str(tmp_path / "out"), "Cellpose (*_seg.npy)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    box.save.click()
    wait_for_job(qtbot, dock)
    made = sorted(tmp_path.glob("out_*_seg.npy"))
    assert len(made) == 3

    dock.open_recordings(made)
    wait_for_job(qtbot, dock)
    made_by = viewer.layers["dish cells"].metadata["napari-qpm"]["history"][-1]
    assert made_by["parameters"] == {"path": str(tmp_path)}
