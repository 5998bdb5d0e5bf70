"""The offer to restore corrections, in the dock."""

import numpy as np
import pytest
from tests.viewer.conftest import make_recording, show_recording
from tests.viewer.test_dock import wait_for_job

from napari_qpm.viewer import autosave
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.recovery import new_corrections
from napari_qpm.viewer.settings import StepName

pytestmark = pytest.mark.gui


def test_kept_corrections_are_offered_and_restored_by_a_button(
    make_napari_viewer_proxy, qtbot
):
    recording = make_recording()
    kept = new_corrections(recording, autosave.recovery_folder())
    labels = np.zeros(recording.shape[-2:], np.int32)
    labels[2:6, 2:6] = 33
    kept.save(1, labels)
    kept.describe(recording, (3, *labels.shape), frozenset({1}))
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, recording)
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)

    assert "corrections of a frame" in dock.recovery.sentence.text()
    assert not dock.recovery.restore.isEnabled()
    for step in (StepName.RETRIEVE, StepName.SEGMENT):
        dock.steps[step].button.click()
        wait_for_job(qtbot, dock)
    dock.recovery.restore.click()
    wait_for_job(qtbot, dock)

    assert np.array_equal(viewer.layers["dish cells"].data[1], labels)
    assert dock.recovery.restore.isHidden()
    assert "corrections of a frame are saved" in dock.recovery.sentence.text()
    assert "corrections are back" in dock.job.sentence.text()
