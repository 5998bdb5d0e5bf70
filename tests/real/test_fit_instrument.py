"""Instruments of real recordings: carriers that are published, values that make sense.

Nobody knows the true values of these microscopes but for the carriers that the READMEs
of the recordings measured; the rest must lie where such instruments do.
"""

import h5py
import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.instrument_file import dump_instrument, load_instrument

HOLOGRAMS = {
    # recording: carrier (fy, fx) of its README
    "oah-hl60-reference/hologram_cell.npz": (0.200, 0.122),
    "oah-glioblastoma/Glioblastoma.jpg": (0.326, 0.250),
    "oah-rbc-nontelecentric/RBCnotele50x.tiff": (0.309, 0.287),
    "oah-star-target/star-target.png": (-0.2925, 0.2861),
}
MOSAICS = ("fruits", "polarizer")


@pytest.fixture(scope="module", params=list(HOLOGRAMS))
def hologram_fit(request, shared_data):
    path = shared_data / request.param
    if not path.is_file():
        pytest.skip(f"no recording {path}")
    return request.param, qpm.fit_instrument(qpm.open(path))


def test_carrier_is_the_published_one(hologram_fit):
    name, fit = hologram_fit
    found = np.array(fit.instrument.sideband_cycles_per_px)
    # A curved background moves the peak of the spectrum by a few bins, not the fit.
    assert np.abs(found - HOLOGRAMS[name]).max() < 0.003


def test_hologram_values_make_sense(hologram_fit):
    _, fit = hologram_fit
    instrument = fit.instrument
    assert 0.05 < instrument.visibility < 1
    assert 20 < instrument.brightness_counts < 200
    gain = fit.report["gain_e_per_count"]
    assert gain.how if gain.value is None else 1 < gain.value < 200
    assert fit.report["background_rad"].uncertainty < 0.1
    for name in ("wavelength_nm", "dark_counts", "read_noise_e"):
        assert getattr(instrument, name) is None
        assert fit.unknown[name]


def test_hologram_instrument_goes_through_its_file(hologram_fit, tmp_path):
    _, fit = hologram_fit
    path = dump_instrument(fit.instrument, tmp_path / "instrument.yaml")
    assert load_instrument(path) == fit.instrument


def test_curved_background_is_found_in_the_non_telecentric_hologram(shared_data):
    path = shared_data / "oah-rbc-nontelecentric" / "RBCnotele50x.tiff"
    if not path.is_file():
        pytest.skip(f"no recording {path}")
    fit = qpm.fit_instrument(qpm.open(path))
    terms = {(i, j): value for i, j, value in fit.instrument.background_rad}
    # A sphere has the same curvature down and across: P2 goes with size squared.
    down, across = abs(terms[2, 0]) / 1024**2, abs(terms[0, 2]) / 1224**2
    assert down == pytest.approx(across, rel=0.1)
    assert abs(terms[2, 0]) > 10
    # Its noise is not that of a raw frame (the spectrum ends before the corners).
    assert "not white" in fit.unknown["gain_e_per_count"]


def test_simulated_reference_matches_the_recorded_one(shared_data):
    from napari_qpm.physics.models import model_for

    path = shared_data / "oah-hl60-reference" / "hologram_cell.npz"
    if not path.is_file():
        pytest.skip(f"no recording {path}")
    recording = qpm.open(path)
    fit = qpm.fit_instrument(recording)
    shape = recording.shape[2:]
    simulated = model_for(fit.instrument, "off-axis", shape).reference()[0, 0].numpy()
    recorded = recording.reference[0].astype(float)
    inner = (slice(20, -20), slice(20, -20))
    match = np.corrcoef(simulated[inner].ravel(), recorded[inner].ravel())[0, 1]
    # Speckle, whose pattern is another one, is the rest.
    assert match > 0.85


def test_stated_aperture_of_the_series_is_not_contradicted(shared_data):
    path = shared_data / "oah-hl60-reference" / "series_oah_2frames.h5"
    if not path.is_file():
        pytest.skip(f"no recording {path}")
    with h5py.File(path) as file:
        frames = np.stack([file[key][:] for key in "01"])
    recording = qpm.Acquisition.from_array(
        frames,
        "off-axis",
        wavelength_nm=532,
        pixel_size_um=0.08475,
        numerical_aperture=1.0,
        medium_index=1.333,
    )
    fit = qpm.fit_instrument(recording)
    carrier = np.array(fit.instrument.sideband_cycles_per_px)
    assert np.abs(carrier - (-0.252, 0.250)).max() < 0.003
    assert 0.05 < fit.instrument.visibility < 1
    assert "does not contradict" in fit.report["sideband_radius_cycles_per_px"].how
    # Its two frames hold the same pixels, so noise is taken from single frames.
    assert "same pixels" in fit.report["gain_e_per_count"].how
    assert fit.instrument.gain_e_per_count > 0


@pytest.mark.parametrize("name", MOSAICS)
def test_photographs_of_a_polarization_camera(shared_data, name):
    path = shared_data / "dofp-imx250mzr" / f"{name}_IMX250MZR.png"
    if not path.is_file():
        pytest.skip(f"no recording {path}")
    fit = qpm.fit_instrument(qpm.open(path))
    instrument = fit.instrument
    assert "holds for it" in fit.report["polarization_layout"].how
    assert 20 < instrument.brightness_counts < 200
    # No interference: neither contrast nor angles can be had, and both say why.
    assert instrument.visibility is None
    assert "place to place" in fit.unknown["visibility"]
    assert instrument.analyser_angle_errors_deg is None
    assert instrument.background_rad == instrument.unevenness == ()
    if name == "fruits":
        # Its README: the sums differ by 3.1 of 141 counts, which gains may cause.
        assert np.allclose(instrument.analyser_gains, 1, atol=0.03)
        assert instrument.gain_e_per_count > 0
    else:
        # An eighth of it is saturated, and what is left is no linear camera.
        assert fit.report["saturated_share"].value == pytest.approx(0.13, abs=0.01)
        assert fit.unknown["gain_e_per_count"]


def test_scattered_light_of_real_holograms_lies_between_their_orders(hologram_fit):
    name, fit = hologram_fit
    share = fit.instrument.scattered_share
    # 0.2 to 0.9 % of the object's light; docs/simulation.md shows the spectra.
    assert 0.001 < share < 0.02, name
    assert 0.1 < fit.instrument.scattered_cycles_per_px < 0.3
    assert fit.report["scattered_share"].uncertainty < 0.25 * share
