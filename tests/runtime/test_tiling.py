import numpy as np
import pytest

from napari_qpm.errors import (
    JobCancelled,
    LayoutError,
    OutOfDeviceMemoryError,
    ParameterError,
)
from napari_qpm.jobs import CancelToken
from napari_qpm.runtime import run_tiled


@pytest.fixture
def frames(rng) -> np.ndarray:
    return rng.normal(size=(2, 1, 200, 300)).astype(np.float32)


def unlevelled(images: np.ndarray) -> np.ndarray:
    """A network that takes the mean of what it sees for zero."""
    return images - images.mean(axis=(2, 3), keepdims=True)


def test_frames_that_fit_run_whole_and_keep_their_size(plain_session, frames):
    session = plain_session(lambda images: 3 * images)
    assert np.array_equal(run_tiled(session, frames), 3 * frames)
    assert session.shapes == [(1, 1, 224, 320)] * 2


@pytest.mark.parametrize("overlap", [0, 16, 64])
@pytest.mark.parametrize("tile", [64, 100, 160])
def test_tiles_of_a_local_network_join_without_a_seam(
    plain_session, frames, tile, overlap
):
    session = plain_session(np.tanh)
    found = run_tiled(session, frames, tile_px=tile, overlap_px=overlap)
    np.testing.assert_allclose(found, np.tanh(frames), atol=1e-6)
    assert len(session.shapes) > 4
    sides = {side for shape in session.shapes for side in shape[2:]}
    assert max(sides) <= tile
    assert not any(side % 32 for side in sides)
    assert len(set(session.shapes)) == 1


def test_tiles_are_no_more_than_needed(plain_session):
    session = plain_session(lambda images: images)
    frame = np.zeros((1, 1, 1024, 1024), np.float32)
    run_tiled(session, frame, tile_px=576, overlap_px=128)
    assert session.shapes == [(1, 1, 576, 576)] * 4


def test_edges_of_tiles_do_not_count(plain_session):
    def unsure_at_the_edge(images: np.ndarray) -> np.ndarray:
        output = images.copy()
        output[:, :, :, [*range(8), *range(-8, 0)]] = 99
        return output

    frame = np.zeros((1, 1, 64, 448), np.float32)
    session = plain_session(unsure_at_the_edge)
    found = run_tiled(session, frame, tile_px=192, overlap_px=64)
    assert np.all(found[..., 8:-8] == 0)
    assert np.all(found[..., :8] == 99)


def test_levels_of_tiles_are_matched(plain_session, rng):
    y, x = np.mgrid[:256, :320] / 50
    frame = (np.sin(y) + 0.5 * x + 2 * np.exp(-((y - 2) ** 2) - (x - 3) ** 2))[
        None, None
    ].astype(np.float32)
    session = plain_session(unlevelled)
    settings = {"tile_px": 128, "overlap_px": 64}
    apart = run_tiled(session, frame, **settings) - frame
    matched = run_tiled(session, frame, match_piston=True, **settings) - frame
    assert np.ptp(apart) > 1
    # The overlaps differ by constants only, so the solution is exact.
    assert np.ptp(matched) < 1e-4


def test_one_wild_pixel_does_not_shift_a_tile(plain_session, rng):
    frame = np.zeros((1, 1, 128, 192), np.float32)

    def spoiled(images: np.ndarray) -> np.ndarray:
        output = unlevelled(images)
        output[:, :, ::9, ::9] = 50
        return output

    settings = {"tile_px": 96, "overlap_px": 32, "match_piston": True}
    found = run_tiled(plain_session(spoiled), frame, **settings)
    assert np.median(np.abs(found)) < 1e-5


def test_many_output_channels_are_joined(plain_session, frames):
    session = plain_session(lambda i: np.concatenate([i, -i, 2 * i], axis=1))
    found = run_tiled(session, frames, tile_px=96, overlap_px=32, match_piston=True)
    expected = np.concatenate([frames, -frames, 2 * frames], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_several_inputs_run_at_once_when_asked(plain_session, frames):
    session = plain_session(lambda images: images)
    found = run_tiled(session, frames, tile_px=160, overlap_px=32, batch_size=5)
    assert [shape[0] for shape in session.shapes] == [5, 5, 2]
    np.testing.assert_allclose(found, frames, atol=1e-6)


def test_tiles_are_taken_when_the_frame_does_not_fit(
    plain_session, frames, monkeypatch
):
    session = plain_session(np.tanh)
    free = 2 * session.estimate_bytes((1, 1, 256, 256))
    frame = np.tile(frames, (1, 1, 3, 3))[:1]
    monkeypatch.setattr("napari_qpm.runtime.session.available_bytes", lambda: free)
    found = run_tiled(session, frame, overlap_px=32)
    np.testing.assert_allclose(found, np.tanh(frame), atol=1e-6)
    assert len(session.shapes) > 1


def test_smaller_tiles_are_tried_when_memory_is_short_after_all(plain_session, frames):
    def tight(images: np.ndarray) -> np.ndarray:
        if images.shape[-1] > 300:
            raise MemoryError
        return np.tanh(images)

    frame = np.tile(frames, (1, 1, 3, 3))[:1]
    found = run_tiled(plain_session(tight), frame, overlap_px=32)
    np.testing.assert_allclose(found, np.tanh(frame), atol=1e-6)
    with pytest.raises(OutOfDeviceMemoryError):
        run_tiled(plain_session(tight, name="other"), frame, tile_px=512)


def test_cancel_is_obeyed_at_every_tile(plain_session, frames):
    token = CancelToken()
    seen = []

    def cancels(images: np.ndarray) -> np.ndarray:
        seen.append(1)
        if len(seen) == 3:
            token.cancel()
        return images

    with pytest.raises(JobCancelled):
        run_tiled(plain_session(cancels), frames, tile_px=96, token=token)
    assert len(seen) == 3


def test_progress_counts_tiles(plain_session, frames):
    told = []
    run_tiled(
        plain_session(np.tanh),
        frames,
        tile_px=160,
        overlap_px=32,
        report=told.append,
    )
    assert [p.done for p in told] == list(range(1, 13))
    assert {(p.total, p.unit) for p in told} == {(12, "tiles")}


def test_frames_smaller_than_the_stride_are_padded(plain_session):
    frame = np.arange(20, dtype=np.float32).reshape(1, 1, 4, 5)
    session = plain_session(lambda images: images + 1)
    assert np.array_equal(run_tiled(session, frame), frame + 1)
    assert session.shapes == [(1, 1, 32, 32)]


@pytest.mark.parametrize("shape", [(32, 32), (0, 1, 32, 32)])
def test_wrong_layouts_are_named(plain_session, shape):
    with pytest.raises(LayoutError, match=r"\(N, C, Y, X\)"):
        run_tiled(plain_session(np.tanh), np.zeros(shape))


@pytest.mark.parametrize("setting", [{"tile_px": 16}, {"overlap_px": -1}])
def test_impossible_tiles_are_refused(plain_session, frames, setting):
    with pytest.raises(ParameterError, match="Tiles"):
        run_tiled(plain_session(np.tanh), frames, **setting)


def test_true_model_runs_in_tiles(tiny_model, rng):
    from napari_qpm.runtime import open_session

    frames = rng.normal(size=(1, 3, 130, 70)).astype(np.float32)
    session = open_session(tiny_model, device="cpu")
    assert run_tiled(session, frames).shape == (1, 1, 130, 70)


def test_sliding_window_keeps_the_side_of_tiles_and_hides_their_edges(plain_session):
    def edged(inputs):
        output = inputs.copy()
        output[..., 0] = output[..., -1] = 100
        return output

    session = plain_session(edged, config={"in_channels": 1}, tile={"tile_px": 64})
    inputs = np.zeros((1, 1, 40, 160), np.float32)
    output = run_tiled(session, inputs, overlap_px=32, sliding_window=True)
    assert output.shape == inputs.shape
    assert {shape[2:] for shape in session.shapes} == {(64, 64)}
    # At the frame's own edge there is nothing else to count.
    assert output[..., 0].min() == pytest.approx(100)
    assert output[..., 16:-16].max() < 5


def test_small_frames_are_mirrored_to_a_whole_window(plain_session):
    session = plain_session(
        lambda inputs: 2 * inputs, config={"in_channels": 1}, tile={"tile_px": 96}
    )
    inputs = np.random.default_rng(0).random((1, 1, 20, 33)).astype(np.float32)
    output = run_tiled(session, inputs, sliding_window=True)
    np.testing.assert_allclose(output, 2 * inputs, rtol=1e-6)
    assert session.shapes == [(1, 1, 96, 96)]
