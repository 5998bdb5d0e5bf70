import gc
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from tests.viewer.conftest import cells_phase, make_recording

from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.pipeline import Pipeline
from napari_qpm.viewer.frames import allocate, retrieve_frames, segment_frames


def ignore(progress):
    pass


def test_a_series_is_retrieved_whole(recording):
    result = retrieve_frames(Pipeline(), recording, range(3), CancelToken(), ignore)

    assert result.frames == {0, 1, 2}
    assert result.phase_map.shape == (3, 48, 64)
    assert result.phase_map.phase.dtype == np.float32
    assert [step.name for step in result.phase_map.history][-1] == "retrieve"


def test_one_frame_leaves_the_others_unknown(recording):
    result = retrieve_frames(Pipeline(), recording, [1], CancelToken(), ignore)

    assert result.frames == {1}
    assert np.isfinite(result.phase_map.read(1)).all()
    assert np.isnan(result.phase_map.read(0)).all()


def test_one_frame_looks_as_it_does_in_the_series(recording):
    series = retrieve_frames(Pipeline(), recording, range(3), CancelToken(), ignore)
    single = retrieve_frames(Pipeline(), recording, [2], CancelToken(), ignore)

    assert np.array_equal(single.phase_map.read(2), series.phase_map.read(2))


def test_a_frame_that_fails_is_named_and_the_rest_goes_on(recording):
    class Broken:
        shape, dtype = recording.shape, recording.dtype

        def read(self, t):
            if t == 1:
                raise QPMError("frame 1 is torn")
            return recording.read(t)

    broken = recording.replace(source=Broken())
    result = retrieve_frames(Pipeline(), broken, range(3), CancelToken(), ignore)

    assert result.problems == {1: "frame 1 is torn"}
    assert result.frames == {0, 2}


def test_cells_are_outlined_in_the_wanted_frames_only(recording):
    phase = retrieve_frames(Pipeline(), recording, range(3), CancelToken(), ignore)

    found = segment_frames(Pipeline(), phase.phase_map, [0, 2], CancelToken(), ignore)

    assert found.labels.dtype == np.int32
    assert len(np.unique(found.labels[0])) == 3
    assert not found.labels[1].any()


def test_cancel_stops_the_work(recording):
    token = CancelToken()
    token.cancel()

    with pytest.raises(JobCancelled):
        retrieve_frames(Pipeline(), recording, range(3), token, ignore)


def test_large_series_go_to_a_temporary_zarr_that_ends_with_its_array():
    array = allocate((2, 8, 8), np.float32, np.nan, limit=16)
    folder = Path(str(array.store.root))

    assert isinstance(array, zarr.Array)
    assert np.isnan(array[0]).all()
    assert folder.exists()
    del array
    gc.collect()
    assert not folder.exists()


def test_small_series_stay_in_memory():
    assert isinstance(allocate((2, 8, 8), np.int32, 0), np.ndarray)


def test_work_on_disk_equals_work_in_memory(recording, monkeypatch):
    from napari_qpm.viewer import fills

    in_memory = retrieve_frames(Pipeline(), recording, range(3), CancelToken(), ignore)
    monkeypatch.setattr(fills, "MEMORY_LIMIT_BYTES", 0)
    on_disk = retrieve_frames(Pipeline(), recording, range(3), CancelToken(), ignore)

    assert isinstance(on_disk.phase_map.phase, zarr.Array)
    assert np.array_equal(on_disk.phase_map.phase[:], in_memory.phase_map.phase)


def test_progress_counts_frames(recording):
    seen = []

    retrieve_frames(Pipeline(), recording, range(3), CancelToken(), seen.append)

    assert (seen[-1].total, seen[-1].unit) == (3, "frames")


def test_levels_are_made_consistent_over_a_series():
    phase = cells_phase(5)
    phase[3] += 2 * np.pi
    jumping = make_recording(5).replace(source=type(make_recording(5).source)(phase))
    start = time.monotonic()

    result = retrieve_frames(Pipeline(), jumping, range(5), CancelToken(), ignore)

    background = result.phase_map.phase[:, :4, -8:].mean(axis=(1, 2))
    # A 2 pi jump is 6.28; what is left is the fit of an almost empty corner.
    assert np.abs(background - background[0]).max() < 0.1
    assert time.monotonic() - start < 60
