"""The three checks together: what one is blind to, another one sees."""

import numpy as np
import pytest
from tests.checks.conftest import with_block

from napari_qpm.checks import Verdict, check_frame
from napari_qpm.specimens.samples import simulate

KINDS = ("off-axis", "polarization")
INVISIBLE = {
    "missed turn": (lambda phase: with_block(phase, 2 * np.pi), "unwrapping"),
    "piston": (lambda phase: phase + np.float32(0.5), "background"),
    "wrong sign": (np.negative, "background"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_truth_and_classical_phase_are_good(simulations, classical, kind):
    simulation = simulations[kind]
    labels = simulation.labels[0]
    assert (
        check_frame(simulation.acquisition, simulation.phase, labels=labels).verdict
        is Verdict.GOOD
    )
    found = check_frame(simulation.acquisition, classical[kind])
    assert found.verdict is Verdict.GOOD, found.describe()


@pytest.mark.parametrize("name", list(INVISIBLE))
def test_what_the_residual_cannot_see_another_check_sees(simulations, name):
    spoil, seer = INVISIBLE[name]
    simulation = simulations["off-axis"]
    checks = check_frame(simulation.acquisition, spoil(simulation.phase[0]))
    assert checks.residual.verdict is Verdict.GOOD
    assert getattr(checks, seer).verdict is Verdict.BAD
    assert checks.verdict is Verdict.BAD


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_phase_is_incongruent_and_leaves_a_residual(simulations, kind):
    simulation = simulations[kind]
    checks = check_frame(simulation.acquisition, np.zeros_like(simulation.phase))
    assert checks.residual.verdict is Verdict.BAD
    assert checks.unwrapping.verdict is Verdict.BAD


def test_every_check_says_what_it_cannot_see(simulations):
    simulation = simulations["polarization"]
    checks = check_frame(simulation.acquisition, simulation.phase)
    assert [check.title for check in checks] == ["Residual", "Unwrapping", "Background"]
    for check in checks:
        assert "cannot see" in check.sentence
    assert "thinner" not in checks.residual.blind_to  # the handedness is stated
    hologram = simulations["off-axis"]
    blind = check_frame(hologram.acquisition, hologram.phase).residual.blind_to
    assert "thinner" in blind


def test_retrieved_elsewhere_has_two_checks_and_says_why():
    simulation = simulate("phase", n_frames=2, shape=(96, 96), n_cells=2)
    checks = check_frame(simulation.acquisition, simulation.phase, 1)
    assert checks.residual is None
    assert "no raw frame" in checks.describe()
    assert checks.unwrapping.values["jump_px"] == 0


def test_frame_without_phase_is_bad(simulations):
    simulation = simulations["polarization"]
    lost = np.full_like(simulation.phase, np.nan)
    assert check_frame(simulation.acquisition, lost).verdict is Verdict.BAD


def test_record_holds_plain_values(simulations):
    simulation = simulations["polarization"]
    record = check_frame(simulation.acquisition, simulation.phase).to_dict()
    assert record["verdict"] == "good"
    assert record["residual"]["score"] == pytest.approx(1, abs=0.1)
    assert record["unwrapping"]["jump_px"] is None
