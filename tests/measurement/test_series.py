import dask.array as da
import numpy as np
import pytest

from napari_qpm.errors import JobCancelled, UnknownNameError
from napari_qpm.jobs import CancelToken
from napari_qpm.measurement import measure

OPTICS = {"wavelength_nm": 532, "pixel_size_um": 0.1, "frame_interval_s": 10}


@pytest.fixture
def series(make_phase_map, square):
    phase = np.stack([square[0] * scale for scale in (1, 0, 3)])
    labels = np.stack([square[1], 0 * square[1], square[1]])
    return make_phase_map(phase, **OPTICS), labels


def test_rows_follow_the_frames_and_empty_frames_have_none(series):
    table = measure(*series, alpha_ml_g=0.18)
    assert list(table["frame"]) == [0, 2]
    assert list(table["time_s"]) == [0, 20]
    np.testing.assert_allclose(table["dry_mass_pg"], [0.4704, 1.4111], atol=1e-4)
    assert list(table.index) == [0, 1]
    assert table.attrs["parameters"]["alpha_ml_g"] == 0.18


def test_lazy_and_loaded_series_give_the_same_table(series):
    phase_map, labels = series
    lazy = phase_map.replace(phase=da.from_array(phase_map.phase, chunks=(1, -1, -1)))
    loaded = measure(phase_map, labels)
    measured = measure(lazy, da.from_array(labels, chunks=(1, -1, -1)))
    assert loaded.equals(measured)


def test_progress_counts_frames(series):
    events = []
    measure(*series, report=events.append)
    assert [(e.done, e.total) for e in events] == [(1, 3), (2, 3), (3, 3)]


def test_cancel_stops_before_the_next_frame(series):
    token = CancelToken()
    seen = []

    def stop(progress):
        seen.append(progress.done)
        token.cancel()

    with pytest.raises(JobCancelled):
        measure(*series, token=token, report=stop)
    assert seen == [1]


def test_misspelt_parameter_is_named(series):
    with pytest.raises(UnknownNameError, match="Did you mean 'alpha_ml_g'"):
        measure(*series, alpha_mlg=0.2)
