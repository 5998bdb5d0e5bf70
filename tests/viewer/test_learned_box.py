import pytest
from tests.viewer.conftest import show_recording

from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.settings import StepName

pytestmark = pytest.mark.gui

WAIT_MS = 60_000


@pytest.fixture
def dock(viewer, qtbot, tiny_models):
    show_recording(viewer, simulate("off-axis", shape=(160, 160)).acquisition)
    made = QPMDock(viewer)
    qtbot.addWidget(made)
    yield made
    made.workflow.close()


def choose_learned(dock):
    box = dock.steps[StepName.RETRIEVE]
    box.engine.setCurrentIndex(box.engine.findData("nas-prnet"))
    box.engine.activated.emit(box.engine.currentIndex())
    settings, modality = dock.workflow.settings, dock.workflow.modality
    tiny = {"model": "tiny", "runtime": "torch"}
    settings.set_values(StepName.RETRIEVE, modality, tiny)
    return box


def wait_for_job(qtbot, dock):
    qtbot.waitUntil(lambda: dock.workflow.job is None, timeout=WAIT_MS)


def test_learned_methods_are_in_the_list_and_classical_is_the_default(dock):
    box = dock.steps[StepName.RETRIEVE]
    assert box.engine.currentText() == "Fourier demodulation"
    titles = [box.engine.itemText(i) for i in range(box.engine.count())]
    assert "NAS-PRNet (learned)" in titles
    assert dock.learned.isHidden()


def test_a_click_compares_and_says_how_far_they_differ(dock, qtbot):
    box = choose_learned(dock)
    button = dock.learned.compare
    assert not dock.learned.isHidden()
    assert button.text() == "Compare with Fourier"
    assert not button.isEnabled()
    assert "Retrieve" in button.toolTip()

    box.button.click()
    wait_for_job(qtbot, dock)
    assert box.verdict.text().startswith("Checks bad: residual bad")
    assert button.isEnabled()
    button.click()
    wait_for_job(qtbot, dock)

    assert not dock.learned.compared.isHidden()
    assert "rad rms" in dock.learned.compared.text()
