"""The residual: right phases at the noise floor, wrong ones well above it."""

import numpy as np
import pytest
from tests.checks.conftest import smoothed, with_block

import napari_qpm as qpm
from napari_qpm.acquisition import Acquisition, PhaseMap, PhaseUnit
from napari_qpm.checks import residual_frame
from napari_qpm.errors import JobCancelled, LayoutError, ModalityError
from napari_qpm.fringes import find_carrier
from napari_qpm.jobs import CancelToken
from napari_qpm.specimens.samples import simulate

KINDS = ("off-axis", "polarization")
CLASSICAL_FLOOR = {"off-axis": (0.9, 1.2), "polarization": (0.75, 1.05)}
"""Four-step phase follows a part of each pixel's own noise: expected 0.8."""
WRONG = {
    "smoothed": smoothed,
    "half-wave block": lambda phase: with_block(phase, np.pi),
    "empty": np.zeros_like,
}


def score(acquisition, phase):
    return float(qpm.residual(acquisition, phase).score[0])


@pytest.mark.parametrize("kind", KINDS)
def test_truth_and_classical_phase_are_at_the_noise_floor(simulations, classical, kind):
    simulation = simulations[kind]
    assert 0.9 < score(simulation.acquisition, simulation.phase) < 1.1
    low, high = CLASSICAL_FLOOR[kind]
    assert low < score(simulation.acquisition, classical[kind]) < high


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_phase_stands_above_the_floor(simulations, classical, kind, name):
    acquisition = simulations[kind].acquisition
    truth = simulations[kind].phase[0]
    found = classical[kind].read(0)
    spoilt = classical[kind].replace(phase=WRONG[name](found)[None])
    # The goal is 1.3; all of these are far above it.
    assert score(acquisition, WRONG[name](truth)) > 1.5
    assert score(acquisition, spoilt) > 1.5


def test_wrong_carrier_stands_above_the_floor(simulations):
    simulation = simulations["off-axis"]
    y, x = find_carrier(simulation.acquisition.read(0)[0]).frequency
    wrong = simulation.acquisition.with_instrument(sideband_cycles_per_px=(-y, x))
    assert score(wrong, simulation.phase) > 5
    # What is retrieved near the carrier, but clips its sideband, is wrong as well.
    beside = simulation.acquisition.with_instrument(
        sideband_cycles_per_px=(1.3 * y, 1.3 * x)
    )
    assert score(simulation.acquisition, qpm.retrieve(beside)) > 1.3


def test_wrong_angle_layout_stands_above_the_floor(simulations):
    acquisition = simulations["polarization"].acquisition
    swapped = acquisition.with_instrument(polarization_layout=(90, 135, 45, 0))
    assert score(swapped, simulations["polarization"].phase) > 5


@pytest.mark.parametrize("kind", KINDS)
def test_turns_piston_and_tilt_are_invisible(simulations, kind):
    acquisition, truth = simulations[kind].acquisition, simulations[kind].phase[0]
    right = score(acquisition, truth)
    tilt = np.linspace(-1, 1, truth.shape[1], dtype=np.float32)
    for invisible in (with_block(truth, 2 * np.pi), truth + 0.7, truth + tilt):
        assert score(acquisition, invisible) == pytest.approx(right, rel=0.01)


def test_sign_is_invisible_off_axis_and_known_by_handedness(simulations):
    hologram = simulations["off-axis"]
    assert score(hologram.acquisition, -hologram.phase) == pytest.approx(
        score(hologram.acquisition, hologram.phase), rel=0.01
    )
    mosaic = simulations["polarization"]
    assert score(mosaic.acquisition, -mosaic.phase) > 5
    unknown = mosaic.acquisition.with_instrument(handedness=None)
    assert score(unknown, -mosaic.phase) < 1.1


def test_map_shows_where_the_phase_is_wrong(simulations):
    simulation = simulations["polarization"]
    wrong = with_block(simulation.phase[0], np.pi)
    where = with_block(np.zeros_like(wrong), 1) > 0
    found = np.abs(qpm.residual(simulation.acquisition, wrong).map[0].compute())
    assert np.median(found[where]) > 10 * np.median(found[~where])


def test_map_is_lazy_with_one_chunk_a_frame_and_one_score_a_frame():
    simulation = simulate("off-axis", n_frames=3, shape=(128, 128), n_cells=1)
    seen = []
    result = qpm.residual(
        simulation.acquisition, qpm.retrieve(simulation.acquisition), report=seen.append
    )
    assert result.map.shape == (3, 128, 128)
    assert result.map.chunks[0] == (1, 1, 1)
    assert result.map.dtype == np.float32
    assert result.score.shape == result.floor.shape == (3,)
    assert [progress.done for progress in seen] == [1, 2, 3]
    one = residual_frame(
        simulation.acquisition, qpm.retrieve(simulation.acquisition), 2
    )
    np.testing.assert_allclose(result.map[2].compute(), one.map, atol=1e-4)


def test_cancel_stops_between_frames(simulations):
    token = CancelToken()
    token.cancel()
    simulation = simulations["off-axis"]
    with pytest.raises(JobCancelled):
        qpm.residual(simulation.acquisition, simulation.phase, token)


def test_coarser_array_and_lost_pixels_are_judged_where_they_can(simulations):
    simulation = simulations["polarization"]
    coarse = simulation.phase[:, ::2, ::2].copy()
    assert score(simulation.acquisition, coarse) < 1.3
    lost = simulation.phase.copy()
    lost[0, :40] = np.nan
    frame = residual_frame(
        simulation.acquisition,
        PhaseMap(phase=lost, acquisition=simulation.acquisition),
        0,
    )
    assert np.isnan(frame.map[:40]).all()
    assert 0.9 < frame.score < 1.1


def test_frame_without_phase_has_no_score(simulations):
    simulation = simulations["off-axis"]
    result = qpm.residual(
        simulation.acquisition, np.full_like(simulation.phase, np.nan)
    )
    assert np.isnan(result.score).all()
    assert np.isnan(result.map[0].compute()).all()


def test_stated_gain_gives_the_noise(simulations):
    simulation = simulations["off-axis"]
    # 15000 electrons fill 255 counts in this simulation's camera.
    known = simulation.acquisition.with_instrument(
        gain_e_per_count=15_000 / 255, read_noise_e=2.5
    )
    assert 0.9 < score(known, simulation.phase) < 1.1


def test_saturated_pixels_do_not_count(simulations):
    simulation = simulations["polarization"]
    raw = simulation.acquisition.read(0).copy()
    raw[0, 100:120, 100:120] = 4095
    burnt = Acquisition.from_array(
        raw[None], "polarization", **simulation.acquisition.instrument.to_dict()
    )
    frame = residual_frame(
        burnt, PhaseMap(phase=simulation.phase, acquisition=burnt), 0
    )
    assert np.isnan(frame.map[100:120, 100:120]).all()


def test_phase_recordings_have_no_residual():
    simulation = simulate("phase", n_frames=1, shape=(64, 64), n_cells=1)
    with pytest.raises(ModalityError, match="no raw frame"):
        qpm.residual(simulation.acquisition, simulation.phase)


def test_kinds_without_a_model_say_so():
    stack = Acquisition.from_array(np.zeros((1, 5, 32, 32)), "through-focus")
    with pytest.raises(ModalityError, match="through-focus"):
        qpm.residual(stack, np.zeros((32, 32)))


def test_phase_of_another_recording_is_refused(simulations):
    acquisition = simulations["off-axis"].acquisition
    with pytest.raises(LayoutError, match="2 frames"):
        qpm.residual(acquisition, np.zeros((2, *acquisition.shape[2:])))
    with pytest.raises(LayoutError, match="not \\(3,\\)"):
        qpm.residual(acquisition, np.zeros(3))
    lengths = PhaseMap(
        phase=np.zeros((1, 8, 8)), acquisition=acquisition, unit=PhaseUnit.NANOMETRES
    )
    with pytest.raises(LayoutError, match="radians"):
        qpm.residual(acquisition, lengths)
