"""Wrapped phase becomes phase above an empty background."""

import numpy as np
import pytest

from napari_qpm.errors import JobCancelled
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.engine import Background, PhaseParameters, Unwrapping
from napari_qpm.retrieval.finishing import finish_phase


def wrap(phase):
    return (phase - 2 * np.pi * np.rint(phase / (2 * np.pi))).astype(np.float32)


@pytest.fixture
def cell():
    y, x = np.mgrid[-1:1:160j, -1:1:180j]
    return 8 * np.exp(-(((y - 0.2) ** 2 + (x + 0.1) ** 2) ** 2) / 0.02)


@pytest.fixture
def background():
    y, x = np.mgrid[-1:1:160j, -1:1:180j]
    return 2 + 12 * x - 5 * y + 9 * x**2 + 6 * y**2 - 3 * x * y


@pytest.mark.parametrize("sign", [1, -1])
def test_cell_stands_on_zero_whatever_the_sign_of_the_sideband(cell, background, sign):
    wrapped = wrap(sign * (cell + background))[None]
    finished = finish_phase(wrapped, PhaseParameters(), sign=sign, token=CancelToken())
    assert np.abs(finished.phase[0] - cell).max() < 0.05
    assert finished.notes[0]["residues"] == 0
    assert finished.notes[0]["unwrapping"] == "fast"


def test_result_stays_congruent_with_the_measured_phase(cell):
    wrapped = wrap(cell)[None]
    parameters = PhaseParameters(background=Background.NONE)
    phase = finish_phase(wrapped, parameters, token=CancelToken()).phase
    np.testing.assert_allclose(wrap(phase), wrapped, atol=1e-5)


def test_no_unwrapping_leaves_the_phase_within_pi(cell):
    parameters = PhaseParameters(background=Background.NONE, unwrapping=Unwrapping.NONE)
    phase = finish_phase(wrap(cell)[None], parameters, token=CancelToken()).phase
    assert np.abs(phase).max() <= np.pi + 1e-5


def test_lost_frame_is_told_and_does_not_stop_the_others(cell):
    wrapped = np.stack([wrap(cell), np.full(cell.shape, np.nan, np.float32)])
    finished = finish_phase(wrapped, PhaseParameters(), token=CancelToken())
    assert np.abs(finished.phase[0] - cell).max() < 0.05
    assert np.isnan(finished.phase[1]).all()
    assert "no phase" in finished.notes[1]["problem"]


def test_cancel_stops_before_the_next_frame(cell):
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        finish_phase(wrap(cell)[None], PhaseParameters(), token=token)


def test_full_field_says_that_mass_is_doubtful():
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    phase = 3 + 2 * np.sin(9 * x) * np.cos(11 * y)  # nowhere empty
    finished = finish_phase(wrap(phase)[None], PhaseParameters(), token=CancelToken())
    assert "reference frame" in finished.notes[0]["warning"]
