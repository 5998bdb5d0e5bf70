import pytest
from qtpy.QtCore import Qt
from tests.viewer.conftest import Mailbox, show_recording
from tests.viewer.test_adapting import Child, follow, wait_for_checkpoint

from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.adapting import Adapting
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.train_panel import HEIGHT, TrainPanel

pytestmark = pytest.mark.gui
WIDTH = 1250


@pytest.fixture
def panel(workflow, viewer, qtbot, tiny_models):
    recording = simulate("off-axis", n_frames=2, shape=(96, 96)).acquisition
    show_recording(viewer, recording)
    workflow.settings.choose(StepName.RETRIEVE, workflow.modality, "nas-prnet")
    mailbox, child = Mailbox(), Child()
    adapting = Adapting(workflow, post=mailbox.post, make_command=child)
    adapting.mailbox = mailbox
    made = TrainPanel(viewer, adapting)
    qtbot.addWidget(made)
    made.box, made.child, made.adapting = made.boxes["microscope"], child, adapting
    yield made
    child.go_on.set()
    adapting.close()
    made.close_connections()


def test_panel_opens_with_frames_models_and_a_free_name(panel):
    box = panel.box
    assert [box.frames.item(n).checkState() for n in range(2)] == [
        Qt.CheckState.Checked
    ] * 2
    assert box.name.text() == "my-scope"
    assert box.minutes.value() == 10
    assert box.model.findData("tiny") >= 0
    assert not box.start.isHidden()
    assert all(b.isHidden() for b in (box.stop, box.pause, box.resume, box.discard))


def test_an_unticked_frame_stays_out(panel):
    item = panel.box.frames.item(0)
    item.setCheckState(Qt.CheckState.Unchecked)
    assert [row.is_chosen for row in panel.adapting.rows()] == [False, True]


def test_progress_stop_and_the_table_show_in_turn(panel):
    box, adapting = panel.box, panel.adapting
    panel.child.go_on.clear()
    box.start.click()
    adapting.mailbox.run_until(lambda: box.bar.maximum() == 4)
    assert box.start.isHidden()
    assert not box.stop.isHidden()
    assert not box.name.isEnabled()
    assert "Learning: 1 of 4 steps" in box.message.text()
    box.stop.click()
    assert not box.stop.isEnabled()
    assert "Stopping…" in box.message.text()
    follow(adapting)

    assert "Saved as model my-scope" in box.message.text()
    assert "0.80" in box.table.text()
    assert "0.20" in box.table.text()
    assert "dish (which taught nothing)" in box.table.text()
    assert not box.start.isHidden()
    assert box.name.isEnabled()


def test_the_whole_table_is_seen_in_a_window_of_1280_pixels(panel, qtbot):
    box = panel.box
    panel.resize(WIDTH, HEIGHT)
    panel.show()
    qtbot.waitExposed(panel)
    assert not box.shown.isTabVisible(1)
    box.start.click()
    follow(panel.adapting)

    assert box.shown.tabText(box.shown.currentIndex()) == "Before and after"
    qtbot.waitUntil(box.table.isVisible)
    area = box.table.parentWidget()
    assert box.table.heightForWidth(area.width()) <= area.height()
    assert box.table.height() <= area.height()
    assert (panel.width(), panel.height()) == (WIDTH, HEIGHT)
    box.shown.setCurrentIndex(0)
    box.refresh()
    assert box.loss.isVisible()


def test_curves_and_picture_show_while_it_learns(panel):
    box, adapting = panel.box, panel.adapting
    panel.child.checkpoint = True
    panel.child.go_on.clear()
    box.start.click()
    wait_for_checkpoint(adapting)
    box.show_status(adapting.job.status)
    (loss,) = box.loss.plot.listDataItems()
    assert list(loss.xData) == [5, 10, 15]
    score, star = box.score.plot.listDataItems()
    assert list(score.yData) == [20.5, 24.0, 23.0]
    assert (list(star.xData), list(star.yData)) == ([5], [24.0])
    assert box.picture.isHidden()
    panel.child.go_on.set()
    follow(adapting)
    assert len(box.score.plot.listDataItems()) == 2


def test_a_paused_training_can_be_resumed_or_discarded(panel):
    box, adapting = panel.box, panel.adapting
    panel.child.checkpoint = True
    panel.child.go_on.clear()
    box.start.click()
    wait_for_checkpoint(adapting)
    box.pause.click()
    assert "Pausing…" in box.message.text()
    follow(adapting)
    assert "my-scope has learned 15 steps and waits" in box.message.text()
    assert box.start.isHidden()
    assert not box.resume.isHidden()
    box.discard.click()
    assert box.resume.isHidden()
    assert not box.start.isHidden()


def test_a_reason_shows_where_nothing_can_be_learned(panel, viewer):
    viewer.layers.clear()
    panel.box.refresh()
    assert not panel.box.start.isEnabled()
    assert "Select a recording" in panel.box.message.text()
