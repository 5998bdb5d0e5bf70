"""The set keeps its promises: deterministic, covered, high, and without easy ways."""

import numpy as np
import pytest

from napari_qpm.evaluation.held_out import HELD_OUT
from napari_qpm.evaluation.phase_set import (
    HIGH_FROM_RAD,
    MIN_COVER,
    N_FRAMES,
    RANGE_RAD,
    SHAPE,
    cover,
    make_frame,
)

ROUND = 2 * len(HELD_OUT)
"""After so many frames each microscope has had its turn with low and high phase."""


@pytest.fixture(scope="module")
def frames():
    return [make_frame(number) for number in range(N_FRAMES)]


def test_set_is_of_the_stated_size(frames):
    assert len(frames) == 64
    assert {frame.counts.shape for frame in frames} == {SHAPE} == {(256, 256)}


def test_cells_cover_at_least_30_percent_of_every_frame(frames):
    assert min(cover(frame.phase) for frame in frames) >= 0.30
    assert MIN_COVER == 0.30
    # Some background is left in each: it is what phase 0 is.
    assert max(cover(frame.phase) for frame in frames) < 0.8


def test_half_of_the_frames_exceed_6_rad_and_reach_up_to_12(frames):
    peaks = np.array([frame.phase.max() for frame in frames])
    assert HIGH_FROM_RAD == 6.0
    assert np.mean(peaks > 6) == 0.5
    assert 11 < peaks.max() <= RANGE_RAD == 12.0
    assert min(frame.phase.min() for frame in frames) >= 0


def test_each_microscope_has_low_and_high_frames_in_every_round(frames):
    for first in range(0, N_FRAMES, ROUND):
        part = frames[first : first + ROUND]
        for instrument in HELD_OUT:
            own = [f.phase.max() > 6 for f in part if f.instrument is instrument]
            assert sorted(own) == [False, True]


def test_a_frame_is_the_same_whatever_was_made_before(frames):
    again = make_frame(5)
    assert np.array_equal(again.counts, frames[5].counts)
    assert np.array_equal(again.phase, frames[5].phase)
    other = make_frame(5, seed=1)
    assert not np.array_equal(other.phase, frames[5].phase)


def test_no_two_frames_are_alike(frames):
    assert len({frame.phase.tobytes() for frame in frames}) == N_FRAMES


def test_cameras_are_neither_dark_nor_saturated(frames):
    for frame in frames:
        full = 2**frame.instrument.bit_depth - 1
        assert np.mean(frame.counts == full) < 1e-3
        assert np.mean(frame.counts == 0) < 1e-2
        assert frame.counts.mean() > 0.15 * full


def test_recording_knows_the_sign_of_the_side_where_its_fringes_were_found(frames):
    for frame in frames[:ROUND]:
        instrument = frame.acquisition().instrument
        found = np.array(instrument.sideband_cycles_per_px) * instrument.phase_sign
        # Strong aberrations move the peak by some bins of 1/256.
        assert np.abs(found - frame.instrument.carrier).max() < 10 / 256


def test_calibration_frame_shows_the_same_microscope_without_cells(frames):
    from napari_qpm.evaluation.phase_methods import EngineMethod
    from napari_qpm.jobs import CancelToken

    method = EngineMethod("fourier", {"grid": "full", "background": "offset"}, True)
    frame = frames[0]
    error = method(frame, CancelToken()) - frame.phase
    # What the classical filter rings at the rims of cells.
    assert np.sqrt(np.mean(error**2)) < 0.15
    assert frame.acquisition().reference is None
