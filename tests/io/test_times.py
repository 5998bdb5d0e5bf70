import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, ArraySource, Instrument
from napari_qpm.errors import LayoutError
from napari_qpm.io.field import RawField
from napari_qpm.io.times import keep_times, times_from


def kept(times, n_frames, sources=None, **instrument):
    source = ArraySource(np.zeros((n_frames, 1, 4, 4)))
    raw = RawField(source=source, reader="test", times_s=times)
    notes = []
    sources = {} if sources is None else sources
    found, changed = keep_times(raw, source, Instrument(**instrument), sources, notes)
    return found, changed.frame_interval_s, notes


def test_even_times_tell_the_interval():
    assert kept((100.0, 160.0, 220.0), 3) == ((0, 60, 120), 60, [])


def test_uneven_times_are_kept_and_told():
    times, interval, notes = kept((0.0, 60.0, 120.0, 300.0), 4)
    assert times == (0, 60, 120, 300)
    assert interval == 60
    assert "60 to 180 s apart" in notes[0]


def test_frames_made_of_several_images_take_the_time_of_the_first():
    assert kept((0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0), 2)[0] == (0, 10)


def test_a_stated_interval_beats_the_file():
    said = {"frame_interval_s": "you"}
    assert kept((0.0, 60.0), 2, said, frame_interval_s=30)[:2] == (None, 30)


@pytest.mark.parametrize(
    "values", [(), (1.0,), (0.0, None), (0.0, float("nan")), (5.0, 5.0), (2.0, 1.0)]
)
def test_times_that_make_no_sense_are_none(values):
    assert times_from(values) == ()


def test_correcting_the_interval_replaces_the_times():
    frames = np.zeros((3, 1, 4, 4))
    recording = Acquisition(source=ArraySource(frames), times_s=(0.0, 1.0, 5.0))
    assert recording.time_s(2) == 5
    assert recording.with_instrument(wavelength_nm=532).time_s(2) == 5
    assert recording.with_instrument(frame_interval_s=2).time_s(2) == 4
    assert Acquisition(source=ArraySource(frames)).time_s(1) is None


def test_times_have_to_be_as_many_as_frames():
    with pytest.raises(LayoutError, match="3 frames, but 1 times"):
        Acquisition(source=ArraySource(np.zeros((3, 1, 4, 4))), times_s=(0.0,))
