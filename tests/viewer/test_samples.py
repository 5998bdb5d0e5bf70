import threading

import numpy as np
import pytest
from tests.viewer.conftest import make_recording

from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer import samples
from napari_qpm.viewer.fields import field_of

WAIT_MS = 30_000


@pytest.mark.parametrize("kind", ["polarization", "off-axis", "chromatic", "phase"])
def test_a_sample_opens_calibrated_and_live(viewer, plugins, kind):
    [layer] = viewer.open_sample("napari-qpm", kind)

    acquisition = field_of(layer).acquisition
    assert acquisition.modality == kind
    assert acquisition.instrument.pixel_size_um is not None
    assert str(layer.units[-1]) == "micrometer"


# One with a reference frame, and one with several channels.
@pytest.mark.parametrize("kind", ["off-axis", "chromatic"])
def test_a_child_process_simulates_the_very_same_recording(kind):
    options = {"n_frames": 2, "shape": (64, 80)}

    apart = samples.simulate_apart(
        kind, CancelToken(), lambda progress: None, **options
    )

    here = simulate(kind, **options).acquisition
    for t in range(2):
        np.testing.assert_array_equal(apart.read(t), here.read(t))
    np.testing.assert_array_equal(apart.reference, here.reference)
    assert apart.dtype == here.dtype
    facts, expected = apart.record(), here.record()
    for record in (facts, expected):
        for step in record["history"]:
            step.pop("date")
    assert facts == expected
    assert apart.history[0].parameters == here.history[0].parameters


def test_a_cancel_ends_the_child_process():
    token = CancelToken()
    token.cancel()

    with pytest.raises(JobCancelled):
        samples.simulate_apart("phase", token, lambda progress: None)


@pytest.fixture
def held(monkeypatch):
    """Let simulating wait for the test, and take no time of its own."""
    go_on = threading.Event()

    def wait_and_simulate(kind, token, report):
        assert go_on.wait(WAIT_MS / 1000)
        return make_recording()

    monkeypatch.setattr(samples, "simulate_apart", wait_and_simulate)
    yield go_on
    go_on.set()


@pytest.mark.gui
def test_in_a_window_a_sample_comes_while_the_viewer_answers(
    make_napari_viewer, plugins, qtbot, held
):
    viewer = make_napari_viewer()

    [waiting] = viewer.open_sample("napari-qpm", "phase")

    assert "Simulating cells" in waiting.name
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    qtbot.waitUntil(
        lambda: "Simulating cells" in dock.job.sentence.text(), timeout=WAIT_MS
    )
    assert not dock.job.cancel.isHidden()
    with pytest.raises(QPMError, match="Open sample"):
        viewer.open_sample("napari-qpm", "phase")
    held.set()
    qtbot.waitUntil(lambda: dock.workflow.job is None, timeout=WAIT_MS)
    [layer] = viewer.layers
    assert layer.name == "dish"
    assert "retrieve the phase" in dock.job.sentence.text()


@pytest.mark.gui
def test_a_sample_that_is_cancelled_adds_nothing(
    make_napari_viewer, plugins, qtbot, held
):
    viewer = make_napari_viewer()
    viewer.open_sample("napari-qpm", "phase")
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")

    dock.job.cancel.click()
    held.set()

    qtbot.waitUntil(lambda: dock.workflow.job is None, timeout=WAIT_MS)
    assert len(viewer.layers) == 0
    assert "cancelled" in dock.job.sentence.text()
