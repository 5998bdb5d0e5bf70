"""A series keeps one 2 pi level and does not drift."""

import dask.array as da
import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.errors import JobCancelled
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.series import level_offsets, stabilise, thumbnail

TWO_PI = 2 * np.pi


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    return np.stack(
        [
            5 * np.exp(-((y - 0.01 * t) ** 2 + x**2) / 0.1)
            + rng.normal(0, 0.05, y.shape)
            for t in range(20)
        ]
    ).astype(np.float32)


def as_map(frames):
    acquisition = Acquisition.from_array(frames, "phase", phase_unit="rad")
    return PhaseMap(
        phase=da.from_array(frames, chunks=(1, -1, -1)), acquisition=acquisition
    )


def test_consistent_series_is_left_alone(frames):
    assert not level_offsets(frames).any()


def test_frames_on_another_turn_are_brought_back(frames):
    shifted = frames.copy()
    shifted[5:8] += TWO_PI
    shifted[12] -= 2 * TWO_PI
    np.testing.assert_allclose(
        shifted + level_offsets(shifted)[:, None, None], frames, atol=1e-4
    )


def test_a_wrong_first_frame_does_not_move_the_others(frames):
    shifted = frames.copy()
    shifted[0] += TWO_PI
    offsets = level_offsets(shifted)
    assert offsets[0] == pytest.approx(-TWO_PI)
    assert not offsets[1:].any()


def test_lost_frames_are_bridged(frames):
    shifted = frames.copy()
    shifted[4] = np.nan
    shifted[5:] += TWO_PI
    offsets = level_offsets(shifted)
    assert offsets[4] == 0
    assert np.ptp(offsets[5:]) == 0
    assert offsets[3] - offsets[5] == pytest.approx(TWO_PI)


def test_all_frames_lost_gives_no_offsets():
    assert not level_offsets(np.full((3, 8, 8), np.nan, np.float32)).any()


def test_thumbnail_is_small_and_on_the_same_values(frames):
    big = np.arange(1000 * 300, dtype=np.float32).reshape(1000, 300)
    small = thumbnail(big)
    assert max(small.shape) <= 64
    assert np.isin(small, big).all()


def test_stabilise_stays_lazy_and_keeps_its_history(frames):
    shifted = frames.copy()
    shifted[5:8] += TWO_PI
    reports = []
    result = stabilise(as_map(shifted), report=reports.append)
    assert isinstance(result.phase, da.Array)
    np.testing.assert_allclose(result.phase.compute(), frames, atol=1e-4)
    assert result.history[-1].name == "stabilise"
    assert reports[-1].done == reports[-1].total == len(frames)


def test_stabilise_can_be_cancelled(frames):
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        stabilise(as_map(frames), token)
