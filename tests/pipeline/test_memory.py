"""A run holds a handful of raw frames, however many there are."""

import threading
import weakref

import numpy as np

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.pipeline import Pipeline
from napari_qpm.pipeline.run import run_pipeline

SHAPE, N_FRAMES = (48, 48), 40
MOST_ALIVE = 12
"""Two a worker and those that wait for the writer; 40 would mean all."""


class CountedSource:
    """Frames that are made when they are read, and counted while they live."""

    shape = (N_FRAMES, 1, *SHAPE)
    dtype = np.dtype(np.float32)

    def __init__(self):
        self._alive, self._lock, self.most = [], threading.Lock(), 0

    def read(self, t):
        frame = np.full((1, *SHAPE), np.float32(t))
        frame[:, :10, :10] += 1
        with self._lock:
            self._alive = [kept for kept in self._alive if kept() is not None]
            self._alive.append(weakref.ref(frame))
            self.most = max(self.most, len(self._alive))
        return frame


def test_frames_are_let_go_of_as_the_series_goes_on(tmp_path):
    source = CountedSource()
    acquisition = Acquisition(source=source, modality=Modality.PHASE).with_instrument(
        phase_unit="rad"
    )
    pipeline = Pipeline(segment=None, measure=None)
    result = run_pipeline(pipeline, acquisition, tmp_path / "out")
    assert result.phase_map.n_frames == N_FRAMES
    assert source.most <= MOST_ALIVE
