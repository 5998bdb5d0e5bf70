import dask.array as da
import numpy as np
import pytest

from napari_qpm.errors import UnknownNameError
from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation import lazy, make_segmentation_engine, segment
from napari_qpm.segmentation.watershed_engine import WatershedEngine


@pytest.fixture
def frames(make_field):
    return np.stack([make_field(seed, 10, size=128)[0] for seed in range(3)])


def test_lazy_labels_equal_those_of_the_engine(make_phase_map, frames):
    phase_map = make_phase_map(frames, pixel_size_um=0.5)
    labels = segment(phase_map)
    assert labels.shape == frames.shape
    assert labels.dtype == np.int32
    assert labels.chunks == ((1, 1, 1), (128,), (128,))
    direct = make_segmentation_engine("watershed").segment(phase_map, CancelToken())
    np.testing.assert_array_equal(labels.compute(scheduler="synchronous"), direct)


def test_frames_are_computed_only_when_asked_for(make_phase_map, frames):
    read: list[int] = []

    def load(block_id):
        read.append(block_id[0])
        return frames[block_id[0]][None]

    lazy = da.map_blocks(
        load, chunks=((1, 1, 1), (128,), (128,)), dtype=np.float32, meta=frames[:0]
    )
    phase_map = make_phase_map(frames).replace(phase=lazy, amplitude=lazy)
    labels = segment(phase_map)
    assert read == []
    assert labels[1].compute(scheduler="synchronous").max() > 0
    # Once: this engine reads no companion of the phase.
    assert read == [1]


def test_parameters_reach_the_engine(make_phase_map, frames):
    labels = segment(make_phase_map(frames), minimum_area=1e6)
    assert labels.max().compute(scheduler="synchronous") == 0
    with pytest.raises(UnknownNameError):
        segment(make_phase_map(frames), engine="no such engine")


class NumberEngine(WatershedEngine):
    """Labels every pixel by the frame's number and the raw value there."""

    def segment(self, phase_map, token):
        raw = phase_map.read_raw(0)
        return np.asarray(100 * phase_map.first_frame + raw, np.int32)


def test_each_frame_knows_its_number_in_the_recording(make_phase_map, monkeypatch):
    monkeypatch.setattr(lazy, "make_segmentation_engine", lambda _: NumberEngine())
    values = np.arange(1, 4, dtype=np.float32)[:, None, None] * np.ones((8, 8))
    labels = segment(make_phase_map(values)).compute(scheduler="synchronous")
    assert labels[:, 0, 0].tolist() == [1, 102, 203]
