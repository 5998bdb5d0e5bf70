import numpy as np
import pytest

from napari_qpm.calibration import fit_instrument

from .conftest import SHAPE, cells

# Piston and contrast are shared between values that no camera can tell apart.
CONTRAST_OF_LEAK = (1 - 0.012) / (1 + 0.012)


@pytest.mark.parametrize("handedness", ["positive", "negative"])
def test_mosaic_of_cells_gives_the_microscope_back(
    record, dark_recording, polarization, handedness
):
    truth = polarization.replace(handedness=handedness)
    recording = record(truth, "polarization", phase=cells(SHAPE))
    fit = fit_instrument(recording, dark=dark_recording)
    found = fit.instrument
    assert np.allclose(found.analyser_gains, truth.analyser_gains, atol=0.005)
    assert np.allclose(
        found.analyser_angle_errors_deg, truth.analyser_angle_errors_deg, atol=0.3
    )
    seen = truth.visibility * CONTRAST_OF_LEAK
    assert found.visibility == pytest.approx(seen, rel=0.01)
    assert found.visibility == pytest.approx(truth.visibility, rel=0.03)
    assert found.brightness_counts == pytest.approx(truth.brightness_counts, rel=0.02)
    assert found.gain_e_per_count == pytest.approx(truth.gain_e_per_count, rel=0.1)
    assert found.read_noise_e == pytest.approx(truth.read_noise_e, rel=0.25)
    background = {(i, j): value for i, j, value in found.background_rad}
    for i, j, value in truth.background_rad:
        assert background[i, j] == pytest.approx(value, abs=0.1)


def test_known_visibility_gives_the_extinction_ratio(
    record, dark_recording, polarization
):
    recording = record(polarization, "polarization", visibility=0.75)
    fit = fit_instrument(recording, dark=dark_recording)
    # Fringe contrast to 0.1 % is a leak to 0.0005 of 0.012.
    assert fit.instrument.extinction_ratio == pytest.approx(0.012, abs=0.002)
    assert fit.instrument.visibility == 0.75


def test_extinction_ratio_is_bounded_without_the_visibility(record, polarization):
    fit = fit_instrument(record(polarization, "polarization"))
    assert fit.instrument.extinction_ratio is None
    assert "at most" in fit.unknown["extinction_ratio"]


def test_flat_empty_field_leaves_the_analysers_unknown(
    record, dark_recording, polarization
):
    flat = polarization.replace(background_rad=((0, 0, 0.5),))
    fit = fit_instrument(record(flat, "polarization"), dark=dark_recording)
    assert fit.instrument.analyser_gains is None
    assert fit.instrument.analyser_angle_errors_deg is None
    assert "whole fringe" in fit.unknown["analyser_angle_errors_deg"]
    assert fit.instrument.visibility == pytest.approx(0.74, rel=0.06)


@pytest.mark.parametrize(
    ("layout", "verdict"),
    [((90, 45, 135, 0), "As stated"), ((0, 45, 90, 135), "Doubtful")],
)
def test_layout_is_checked_by_the_light(record, polarization, layout, verdict):
    recording = record(polarization, "polarization", polarization_layout=layout)
    fit = fit_instrument(recording)
    assert fit.report["polarization_layout"].how.startswith(verdict)


def test_ready_angle_images_work_like_a_mosaic(record, polarization):
    from napari_qpm.acquisition import Acquisition
    from napari_qpm.retrieval.demosaic import demosaic

    mosaic = record(polarization, "polarization").read(0)[0] - np.float32(100)
    channels = demosaic(mosaic, polarization.polarization_layout)
    recording = Acquisition.from_array(channels[None], "polarization", dark_counts=0)
    found = fit_instrument(recording).instrument
    assert np.allclose(found.analyser_gains, polarization.analyser_gains, atol=0.005)


def test_unscattered_reference_has_no_fringes_in_an_empty_field(record, polarization):
    recording = record(
        polarization, "polarization", reference_wave="unscattered", phase=cells(SHAPE)
    )
    fit = fit_instrument(recording)
    assert fit.instrument.visibility is None
    assert "unscattered" in fit.unknown["visibility"]
    assert fit.instrument.brightness_counts > 0


@pytest.mark.parametrize("error", [6.0, -10.0])
def test_quarter_wave_plate_that_is_off_comes_back(
    record, dark_recording, polarization, error
):
    truth = polarization.replace(retardance_error_deg=error)
    recording = record(truth, "polarization", phase=cells(SHAPE))
    fit = fit_instrument(recording, dark=dark_recording)
    found = fit.instrument
    assert found.retardance_error_deg == pytest.approx(abs(error), abs=1.0)
    assert "sign is not seen" in fit.report["retardance_error_deg"].how
    assert np.allclose(found.analyser_gains, truth.analyser_gains, atol=0.005)


def test_good_quarter_wave_plate_is_only_bounded(record, dark_recording, polarization):
    fit = fit_instrument(record(polarization, "polarization"), dark=dark_recording)
    assert fit.instrument.retardance_error_deg is None
    assert "it is below" in fit.unknown["retardance_error_deg"]
