import pytest
from tests.viewer.conftest import make_recording, show_recording

import napari_qpm as qpm
from napari_qpm.jobs import CancelToken
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.verdicts import check_shown


def ignore(progress):
    del progress


def check(phase_map, frames, shown):
    return check_shown(phase_map, frames, shown, CancelToken(), ignore)


def test_shown_frame_is_checked_else_the_first_that_has_phase():
    phase_map = qpm.retrieve(make_recording())
    assert check(phase_map, {0, 1, 2}, 1).t == 1
    assert check(phase_map, {1, 2}, 0).t == 1
    assert check(phase_map, {0, 1, 2}, 2).headline.startswith("Frame 2: Checks ")


def test_raw_frames_get_all_three_checks():
    simulation = simulate("off-axis", shape=(192, 192), n_cells=2)
    checked = check(qpm.retrieve(simulation.acquisition), {0}, 0)
    assert checked.headline.startswith("Checks good: residual good")
    assert checked.detail.count("It cannot see") == 3


def test_phase_in_other_units_says_why_it_is_not_checked():
    density = make_recording(phase_unit="pg/um2", wavelength_nm=None)
    checked = check(qpm.retrieve(density), {0, 1, 2}, 0)
    assert checked.headline.startswith("Frame 0: Not checked: ")
    assert "radians" in checked.detail


def test_workflow_keeps_the_checks_with_the_phase(viewer, mailbox):
    from napari_qpm.viewer.workflow import Workflow

    workflow = Workflow(viewer, post=mailbox.post)
    layer = show_recording(viewer, make_recording())
    viewer.layers.selection.active = layer
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    field = workflow.field
    assert field.checked.t == workflow.current_frame()
    assert field.checked.checks.residual is None
    viewer.layers.remove(viewer.layers[-1])
    assert field.checked is None
    workflow.close()


@pytest.mark.gui
def test_phase_step_shows_the_verdict_and_hides_it_when_outdated(qtbot, viewer):
    layer = show_recording(viewer, make_recording(1))
    viewer.layers.selection.active = layer
    dock = QPMDock(viewer)
    qtbot.addWidget(dock)
    box = dock.steps[StepName.RETRIEVE]
    assert box.verdict.isHidden()
    box.button.click()
    qtbot.waitUntil(lambda: dock.workflow.job is None, timeout=30_000)
    assert not box.verdict.isHidden()
    assert box.verdict.text().startswith("Checks ")
    assert "no raw frame" in box.verdict.toolTip()
    assert dock.steps[StepName.SEGMENT].verdict.isHidden()
    dock.workflow.field.is_outdated = True
    dock.workflow.changed.emit()
    assert box.verdict.isHidden()
    dock.workflow.close()
