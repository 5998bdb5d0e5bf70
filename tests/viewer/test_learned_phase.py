import numpy as np
import pytest
from tests.viewer.conftest import show_recording

from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.fields import Role, field_of
from napari_qpm.viewer.learned_phase import LearnedPhase
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

ENGINE = "nas-prnet"


@pytest.fixture(scope="module")
def holograms():
    return simulate("off-axis", n_frames=2, shape=(160, 192)).acquisition


@pytest.fixture
def learned(workflow, viewer, holograms, tiny_models):
    """A dock's state with the tiny model chosen for a recording of two frames."""
    show_recording(viewer, holograms)
    choose(workflow, ENGINE)
    tiny = {"model": "tiny", "runtime": "torch"}
    workflow.settings.set_values(StepName.RETRIEVE, workflow.modality, tiny)
    return LearnedPhase(workflow)


def choose(workflow, engine):
    workflow.settings.choose(StepName.RETRIEVE, workflow.modality, engine)


def retrieve(workflow, mailbox, scope=Scope.ALL):
    workflow.run(StepName.RETRIEVE, scope)
    mailbox.follow(workflow)


def test_is_offered_for_learned_methods_after_their_phase(learned, workflow, mailbox):
    assert learned.is_chosen
    assert learned.classical_title == "Fourier demodulation"
    assert "Retrieve the phase first" in learned.comparing().reason
    retrieve(workflow, mailbox)
    assert learned.comparing().is_ready
    choose(workflow, "fourier")
    assert not learned.is_chosen


def test_classical_phase_is_not_compared_with_itself(learned, workflow, mailbox):
    choose(workflow, "fourier")
    retrieve(workflow, mailbox)
    choose(workflow, ENGINE)
    assert "classical" in learned.comparing().reason
    learned.compare()
    assert workflow.job is None


def test_comparison_shows_both_phases_and_tells_the_figures(
    learned, workflow, viewer, mailbox, holograms
):
    retrieve(workflow, mailbox)
    viewer.dims.set_point(0, viewer.dims.range[0].stop)
    assert workflow.current_frame() == 1
    learned.compare()
    mailbox.follow(workflow)

    assert learned.compared is not None
    sentence = learned.compared.sentence
    assert sentence.startswith("Frame 1, compared with Fourier demodulation: They")
    assert "rad rms" in sentence
    phase = viewer.layers[f"{holograms.name} phase"]
    classical = viewer.layers[f"{holograms.name} Fourier demodulation of frame 1"]
    difference = viewer.layers[f"{holograms.name} difference of frame 1"]
    assert classical.data.shape == (1, *phase.data.shape[1:])
    offset = phase.data[1] - classical.data[0] - difference.data[0]
    assert np.ptp(offset) < 1e-4  # one level was taken out, nothing else
    for layer in (classical, difference):
        assert layer.extent.world[0][0] == pytest.approx(1 * phase.scale[0])
        assert tuple(layer.scale) == tuple(phase.scale)
        assert field_of(layer) is workflow.field
    low, high = difference.contrast_limits
    assert low == -high


def test_comparing_again_updates_the_layers(learned, workflow, viewer, mailbox):
    retrieve(workflow, mailbox)
    learned.compare()
    mailbox.follow(workflow)
    count = len(viewer.layers)
    viewer.dims.set_point(0, viewer.dims.range[0].stop)
    learned.compare()
    mailbox.follow(workflow)
    assert len(viewer.layers) == count
    assert learned.compared.t == 1
    assert workflow.field.layer(Role.DIFFERENCE).name.endswith("frame 1")


def test_a_comparison_of_another_phase_is_not_shown(learned, workflow, mailbox):
    retrieve(workflow, mailbox)
    learned.compare()
    mailbox.follow(workflow)
    assert learned.compared is not None
    workflow.settings.set_values(
        StepName.RETRIEVE,
        workflow.modality,
        {"model": "tiny", "runtime": "torch", "scale": 2},
    )
    retrieve(workflow, mailbox)
    assert learned.compared is None


def test_a_frame_without_phase_is_not_compared(learned, workflow, viewer, mailbox):
    retrieve(workflow, mailbox, Scope.CURRENT)
    other = 1 - next(iter(workflow.field.done[Role.PHASE]))
    viewer.dims.set_point(0, float(other) * viewer.dims.range[0].step)
    assert workflow.current_frame() == other
    assert "this frame first" in learned.comparing().reason


def test_checks_judge_learned_phase(learned, workflow, mailbox):
    retrieve(workflow, mailbox)
    checks = workflow.field.checked.checks
    # Untrained, it explains nothing, and the residual says so.
    assert checks.residual.verdict.value == "bad"
