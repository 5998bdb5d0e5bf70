import numpy as np
import pytest

from napari_qpm.acquisition import Instrument, Modality
from napari_qpm.calibration import fit_instrument, simulate_with
from napari_qpm.errors import UnknownNameError

SMALL = {"shape": (192, 192), "n_cells": 2, "n_frames": 1}


def test_simulation_has_the_fringes_light_and_noise_of_the_instrument(off_axis):
    simulation = simulate_with(off_axis, "off-axis", **SMALL)
    recording = simulation.acquisition
    found = fit_instrument(recording).instrument
    turned = np.sign(np.array(found.sideband_cycles_per_px)[1] * -0.2391)
    carrier = turned * np.array(found.sideband_cycles_per_px)
    assert np.abs(carrier - off_axis.sideband_cycles_per_px).max() * 192 < 0.02
    assert found.visibility == pytest.approx(off_axis.visibility, rel=0.03)
    assert found.brightness_counts == pytest.approx(1400, rel=0.02)
    assert found.gain_e_per_count == pytest.approx(2.4, rel=0.15)
    assert recording.instrument == off_axis.replace(
        pixel_size_um=0.19,
        numerical_aperture=0.3,
        medium_index=1.337,
        frame_interval_s=600,
    )
    assert recording.reference is not None
    assumed = next(note for note in recording.notes if "assumed" in note)
    assert "numerical_aperture=0.3" in assumed
    assert "visibility" not in assumed


def test_retrieved_phase_is_that_of_the_simulated_cells(polarization):
    from napari_qpm.retrieval import retrieve

    perfect = polarization.replace(
        analyser_gains=None, analyser_angle_errors_deg=None, extinction_ratio=None
    )
    simulation = simulate_with(perfect, "polarization", **SMALL)
    retrieved = np.asarray(retrieve(simulation.acquisition).phase[0])
    inside = simulation.labels[0] > 0
    error = retrieved - simulation.phase[0]
    # Shot noise is 20 mrad here; the rest is the background fit's.
    assert np.sqrt(np.mean(error[inside] ** 2)) < 0.1


def test_what_the_instrument_does_not_know_is_named():
    simulation = simulate_with(Instrument(visibility=0.5), "polarization", **SMALL)
    notes = " ".join(simulation.acquisition.notes)
    assert "Not in the instrument file, and so assumed" in notes
    assert "gain_e_per_count=2.564" in notes
    assert "wavelength_nm=532" in notes
    assert "visibility=" not in notes
    assert simulation.acquisition.modality is Modality.POLARIZATION


def test_options_beat_the_instrument_and_noise_can_be_off(off_axis):
    simulation = simulate_with(
        off_axis, "off-axis", noise=False, background=False, visibility=0.3, **SMALL
    )
    assert simulation.acquisition.instrument.visibility == 0.3
    assert simulation.acquisition.instrument.background_rad == ()
    again = simulate_with(
        off_axis, "off-axis", noise=False, background=False, visibility=0.3, **SMALL
    )
    frames = (simulation.acquisition.read(0), again.acquisition.read(0))
    assert np.array_equal(*frames)


def test_eight_bit_camera_gives_eight_bits(off_axis):
    camera = off_axis.replace(bit_depth=8, brightness_counts=90, dark_counts=2)
    recording = simulate_with(camera, "off-axis", **SMALL).acquisition
    assert recording.dtype == np.uint8


def test_phase_has_no_camera(off_axis):
    simulation = simulate_with(off_axis, "phase", **SMALL)
    assert simulation.acquisition.modality is Modality.PHASE
    with pytest.raises(UnknownNameError):
        simulate_with(off_axis, "hologram")
