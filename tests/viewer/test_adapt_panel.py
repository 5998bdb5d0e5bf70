import pytest
from tests.viewer.conftest import show_recording
from tests.viewer.test_adapting import Child

from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.settings import StepName

pytestmark = pytest.mark.gui

WAIT_MS = 60_000


@pytest.fixture
def dock(viewer, qtbot, tiny_models):
    show_recording(viewer, simulate("off-axis", shape=(96, 96)).acquisition)
    made = QPMDock(viewer)
    qtbot.addWidget(made)
    child = made.adapting._make_command = Child()
    made.child = child
    box = made.steps[StepName.RETRIEVE]
    box.engine.setCurrentIndex(box.engine.findData("nas-prnet"))
    box.engine.activated.emit(box.engine.currentIndex())
    yield made
    child.go_on.set()
    made.adapting.close()
    made.workflow.close()


def test_panel_opens_with_a_free_name_and_folds_again(dock):
    panel = dock.learned.panel
    assert panel.isHidden()
    dock.learned.adapt.click()
    assert not panel.isHidden()
    assert panel.name.text() == "my-scope"
    assert panel.minutes.value() == 10
    assert panel.stop.isHidden()
    dock.learned.adapt.click()
    assert panel.isHidden()


def test_progress_stop_and_the_table_show_in_turn(dock, qtbot):
    panel = dock.learned.panel
    dock.learned.adapt.click()
    dock.child.go_on.clear()
    panel.start.click()
    qtbot.waitUntil(lambda: panel.bar.maximum() == 4, timeout=WAIT_MS)
    assert panel.start.isHidden()
    assert not panel.stop.isHidden()
    assert "Learning: 1 of 4 steps" in panel.message.text()
    assert dock.steps[StepName.RETRIEVE].button.isEnabled()
    panel.stop.click()
    assert dock.adapting.job is None or panel.stop.text() == "Stopping…"
    qtbot.waitUntil(lambda: dock.adapting.job is None, timeout=WAIT_MS)

    assert "Saved as model my-scope" in panel.message.text()
    assert "0.80" in panel.table.text()
    assert "0.20" in panel.table.text()
    assert "dish (which taught nothing)" in panel.table.text()
    assert not panel.start.isHidden()


def test_new_model_is_in_the_form(dock, qtbot, tiny_models, monkeypatch, tmp_path):
    import shutil

    from qtpy.QtWidgets import QComboBox

    from napari_qpm.runtime import ModelStore

    monkeypatch.setenv("NAPARI_QPM_MODELS", str(tmp_path))
    shutil.copytree(tiny_models / "tiny", tmp_path / "tiny")
    ModelStore().install(tiny_models / "tiny", "my-scope")
    dock.adapting.start("my-scope", 1)
    qtbot.waitUntil(lambda: dock.adapting.job is None, timeout=WAIT_MS)
    box = dock.steps[StepName.RETRIEVE].form.findChild(QComboBox, "model")
    assert box.currentData() == "my-scope"
    assert "not found" not in box.currentText()
