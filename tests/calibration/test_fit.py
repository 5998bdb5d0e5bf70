import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.acquisition import Acquisition
from napari_qpm.calibration import fit_instrument
from napari_qpm.errors import JobCancelled, LayoutError, ModalityError
from napari_qpm.jobs import CancelToken

from .conftest import SHAPE, cells


def test_everything_unknown_has_a_reason(record, off_axis):
    fit = fit_instrument(record(off_axis, "off-axis", phase=cells(SHAPE)))
    instrument = fit.instrument
    for name in ("wavelength_nm", "pixel_size_um", "dark_counts", "read_noise_e"):
        assert getattr(instrument, name) is None
        assert fit.unknown[name]
    assert instrument.gain_e_per_count is not None
    text = fit.describe()
    assert "wavelength_nm: unknown" in text
    assert "visibility: 0." in text
    assert fit.summary()["instrument"] == instrument.to_dict()


def test_stated_facts_stay_and_those_of_the_recording_go(record, off_axis):
    stated = {"wavelength_nm": 633, "numerical_aperture": 0.4, "pixel_size_um": 0.2}
    recording = record(off_axis, "off-axis", frame_interval_s=60, **stated)
    fit = fit_instrument(recording)
    for name, value in stated.items():
        assert getattr(fit.instrument, name) == value
    assert fit.instrument.frame_interval_s is None


def test_series_takes_noise_from_differences(record, off_axis, dark_recording):
    recording = record(off_axis, "off-axis", phase=cells(SHAPE), n_frames=4)
    gain = fit_instrument(recording, dark=dark_recording).report["gain_e_per_count"]
    assert "differences" in gain.how
    assert gain.value == pytest.approx(off_axis.gain_e_per_count, rel=0.1)


def test_repeated_frame_falls_back_to_single_frames(record, off_axis):
    frame = record(off_axis, "off-axis").read(0)
    recording = Acquisition.from_array(np.stack([frame, frame]), "off-axis")
    gain = fit_instrument(recording).report["gain_e_per_count"]
    assert "same pixels" in gain.how
    assert gain.value == pytest.approx(off_axis.gain_e_per_count, rel=0.1)


def test_several_recordings_are_averaged(record, off_axis):
    many = [record(off_axis, "off-axis", seed=seed) for seed in range(3)]
    alone, together = fit_instrument(many[0]), fit_instrument(many)
    assert "3 recordings" in together.report["gain_e_per_count"].how
    assert (
        together.report["gain_e_per_count"].uncertainty
        < alone.report["gain_e_per_count"].uncertainty * 1.5
    )


def test_other_carrier_in_another_recording_is_said(record, off_axis):
    moved = off_axis.replace(sideband_cycles_per_px=(0.26, -0.2391))
    fit = fit_instrument([record(off_axis, "off-axis"), record(moved, "off-axis")])
    assert "adjusted" in fit.report["sideband_cycles_per_px"].how


def test_dark_frames_that_are_cut_off_at_zero_tell_no_level(record, off_axis):
    dark = Acquisition.from_array(np.zeros((2, 1, *SHAPE), np.uint16))
    fit = fit_instrument(record(off_axis, "off-axis"), dark=dark)
    assert fit.instrument.dark_counts is None
    assert "cuts off" in fit.unknown["dark_counts"]


def test_chromatic_frames_give_the_camera(record):
    rng = np.random.default_rng(0)
    mean = 200 + 800 * np.linspace(0, 1, SHAPE[1]) * np.ones(SHAPE)
    frames = rng.poisson(np.stack([mean] * 3) * 2.5) / 2.5
    recording = Acquisition.from_array(
        np.rint(frames)[None].astype(np.uint16), "chromatic", dark_counts=0
    )
    fit = fit_instrument(recording)
    assert fit.instrument.gain_e_per_count == pytest.approx(2.5, rel=0.1)
    assert fit.instrument.visibility is None


def test_recordings_that_do_not_belong_together_are_refused(record, off_axis):
    first = record(off_axis, "off-axis")
    with pytest.raises(LayoutError, match="one size"):
        fit_instrument([first, record(off_axis, "off-axis", shape=(128, 128))])
    with pytest.raises(LayoutError, match="dark recording"):
        fit_instrument(
            first, dark=Acquisition.from_array(np.zeros((64, 64), np.uint16))
        )
    with pytest.raises(ModalityError, match="one instrument at a time"):
        fit_instrument([first, Acquisition.from_array(np.ones(SHAPE), "polarization")])
    with pytest.raises(ModalityError, match="raw frames"):
        fit_instrument(Acquisition.from_array(np.ones(SHAPE), "phase"))
    with pytest.raises(LayoutError, match="no recording"):
        fit_instrument([])


def test_progress_and_cancel(record, off_axis):
    seen = []
    recording = record(off_axis, "off-axis")
    fit_instrument([recording], report=seen.append)
    assert (seen[-1].done, seen[-1].total) == (1, 1)
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        fit_instrument(recording, token)


def test_it_is_public():
    assert qpm.fit_instrument is fit_instrument
