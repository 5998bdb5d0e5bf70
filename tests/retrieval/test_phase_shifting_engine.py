"""Interferograms with wrong, unequal steps give the phase that they were made with."""

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import LayoutError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.phase_steps import find_steps

SHAPE = (128, 160)
STEPS_DEG = (0.0, 49.0, 107.0, 173.0)


def cell():
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    return 3 * np.exp(-(((y - 0.1) ** 2 + (x + 0.2) ** 2) ** 2) / 0.02)


def interferograms(steps_deg=STEPS_DEG, *, tilt=0.5, noise=2.0, gains=None, seed=0):
    """Return ``(N, Y, X)`` under a Gaussian beam, each with its own brightness."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    beam = 400 * np.exp(-((y - 50) ** 2 + (x - 70) ** 2) / 2e4)
    phase = cell() + tilt * y
    gains = np.ones(len(steps_deg)) if gains is None else np.asarray(gains)
    frames = [
        gain * beam * (1 + 0.6 * np.cos(phase + np.deg2rad(step)))
        for gain, step in zip(gains, steps_deg, strict=True)
    ]
    shot = np.random.default_rng(seed).normal(0, noise, (len(frames), *SHAPE))
    return np.stack(frames) + shot


def retrieve(frames, **facts):
    acquisition = Acquisition.from_array(frames[None], "phase-shifting", **facts)
    engine = make_phase_engine("phase-shifting")
    resolved = engine.resolve(acquisition, CancelToken())
    return engine.retrieve(resolved.read(0)[None], resolved, CancelToken())


def inner(image):
    return image[8:-8, 8:-8]


def test_steps_and_gains_are_found():
    gains = np.array([0.82, 0.98, 1.11, 1.09])
    found = find_steps(interferograms(gains=gains))
    assert found.is_trusted
    # Ten fringes under a beam and a cell leave 0.8 degrees.
    np.testing.assert_allclose(np.abs(found.steps_deg), STEPS_DEG, atol=1.0)
    np.testing.assert_allclose(found.gains, gains / gains.mean(), rtol=0.01)


def test_unequal_steps_give_the_true_phase_and_assumed_ones_do_not():
    frames = interferograms(gains=(0.82, 0.98, 1.11, 1.09))
    ours = retrieve(frames)
    assumed = retrieve(frames, phase_steps_deg=(0, 90, 180, 270))
    assert np.std(inner(ours.phase[0] - cell())) < 0.03
    assert np.std(inner(assumed.phase[0] - cell())) > 0.2
    assert any("Phase steps found" in note for note in ours.acquisition.notes)


@pytest.mark.parametrize("steps", [(0, 120, 240), (0, 71, 130, 200, 290)])
def test_stated_steps_of_any_number_are_used(steps):
    result = retrieve(interferograms(steps), phase_steps_deg=steps)
    assert result.acquisition.instrument.phase_steps_deg == tuple(steps)
    assert np.std(inner(result.phase[0] - cell())) < 0.03


def test_reference_takes_out_the_tilt_of_the_reference_wave():
    acquisition = Acquisition.from_array(
        interferograms()[None],
        "phase-shifting",
        reference=_empty(),
    )
    engine = make_phase_engine("phase-shifting", background="none", unwrapping="none")
    resolved = engine.resolve(acquisition, CancelToken())
    result = engine.retrieve(resolved.read(0)[None], resolved, CancelToken())
    difference = np.angle(np.exp(1j * (result.wrapped[0] - cell())))
    assert np.std(inner(difference)) < 0.05


def _empty():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    beam = 400 * np.exp(-((y - 50) ** 2 + (x - 70) ** 2) / 2e4)
    steps = np.deg2rad(STEPS_DEG)[:, None, None]
    return beam * (1 + 0.6 * np.cos(0.5 * y + steps))


def test_too_little_of_a_fringe_is_told():
    result = retrieve(interferograms(tilt=0.0))
    assert any("doubtful" in note for note in result.acquisition.notes)


def test_steps_that_do_not_step_are_refused():
    frames = np.repeat(interferograms((0.0,)), 4, axis=0)
    with pytest.raises(LayoutError, match="hardly differ"):
        retrieve(frames, phase_steps_deg=(0, 0, 0, 0))


def test_three_interferograms_need_stated_steps():
    with pytest.raises(LayoutError, match="phase_steps_deg"):
        retrieve(interferograms((0, 120, 240)))


def test_one_step_for_each_interferogram():
    with pytest.raises(LayoutError, match="3 steps"):
        retrieve(interferograms(), phase_steps_deg=(0, 120, 240))


def test_frame_without_fringes_says_so():
    flat = np.full((4, *SHAPE), 300.0)
    result = retrieve(flat, phase_steps_deg=STEPS_DEG, phase_sign=1)
    assert "no fringes" in result.frame_notes[0]["problem"]
    assert np.isnan(result.phase).all()
