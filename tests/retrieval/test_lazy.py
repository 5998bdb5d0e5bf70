"""Whole recordings are retrieved frame by frame, when they are read."""

import pickle

import dask.array as da
import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, ArraySource, Modality
from napari_qpm.errors import ModalityError
from napari_qpm.retrieval import retrieve


class CountingSource(ArraySource):
    """Counts how often each frame is read."""

    def __init__(self, array):
        super().__init__(array)
        self.reads = []

    def read(self, t):
        self.reads.append(t)
        return super().read(t)


@pytest.fixture
def holograms():
    y, x = np.mgrid[:96, :96]
    bump = np.exp(-((y - 48) ** 2 + (x - 48) ** 2) / 200)
    carrier = 2 * np.pi * (0.25 * y + 0.2 * x)
    return np.stack([100 * (1 + np.cos(carrier + t / 4 * bump)) for t in range(1, 13)])


@pytest.fixture
def acquisition(holograms):
    return Acquisition(
        source=CountingSource(holograms), modality=Modality.OFF_AXIS, name="series"
    )


def test_reading_one_frame_reads_one_frame(acquisition):
    result = retrieve(acquisition)
    assert isinstance(result.phase, da.Array)
    assert result.phase.chunks[0] == (1,) * 12
    acquisition.source.reads.clear()
    result.phase[7].compute()
    assert acquisition.source.reads == [7]


def test_companions_share_one_retrieval(acquisition):
    result = retrieve(acquisition)
    acquisition.source.reads.clear()
    result.phase[5].compute()
    result.amplitude[5].compute()
    assert acquisition.source.reads == [5]


def test_all_frames_rise_with_time(acquisition):
    phase = retrieve(acquisition).phase.compute()
    peaks = phase[:, 8:-8, 8:-8].max(axis=(1, 2))  # without the ringing of the rim
    np.testing.assert_allclose(peaks, np.arange(1, 13) / 4, rtol=0.03, atol=0.02)


def test_history_tells_engine_and_parameters(acquisition):
    step = retrieve(acquisition, filter_radius=0.4).history[-1]
    assert (step.name, step.engine) == ("retrieve", "fourier")
    assert step.parameters["filter_radius"] == 0.4


def test_engine_of_another_modality_is_refused(acquisition):
    with pytest.raises(ModalityError, match="takes polarization recordings"):
        retrieve(acquisition, "four-step")


def test_unknown_modality_lists_the_choices(holograms):
    with pytest.raises(ModalityError, match="polarization, off-axis"):
        retrieve(Acquisition.from_array(holograms))


def test_lazy_phase_travels_to_another_process(acquisition):
    result = retrieve(acquisition)
    copy = pickle.loads(pickle.dumps(result.phase))
    np.testing.assert_array_equal(copy[3].compute(), result.phase[3].compute())
