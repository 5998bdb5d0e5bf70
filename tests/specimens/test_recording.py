"""Samples as a given microscope records them: its light, fringes, noise and bits."""

import numpy as np
import pytest

from napari_qpm.acquisition import Instrument, Modality
from napari_qpm.calibration import fit_instrument
from napari_qpm.errors import UnknownNameError
from napari_qpm.specimens import Simulation, simulate

SMALL = {"shape": (192, 192), "n_cells": 2, "n_frames": 1}
CAMERA = {
    "visibility": 0.7,
    "brightness_counts": 1400.0,
    "gain_e_per_count": 2.4,
    "read_noise_e": 12.0,
    "dark_counts": 100.0,
    "bit_depth": 12,
    "wavelength_nm": 532.0,
}
OFF_AXIS = Instrument(
    sideband_cycles_per_px=(0.2213, -0.2391),
    phase_sign=1,
    background_rad=((2, 0, 3.0), (0, 2, 4.2), (1, 1, -0.7), (3, 0, 0.5)),
    **CAMERA,
)
POLARIZATION = Instrument(
    polarization_layout=(90, 45, 135, 0),
    handedness="positive",
    reference_wave="separate",
    background_rad=((1, 0, 4.0), (0, 1, 3.0), (2, 0, 1.2)),
    **CAMERA,
)


def simulate_with(instrument: Instrument, kind: str, **options: object) -> Simulation:
    return simulate(kind, instrument=instrument, **{**SMALL, **options})


def test_simulation_has_the_fringes_light_and_noise_of_the_instrument():
    simulation = simulate_with(OFF_AXIS, "off-axis")
    recording = simulation.acquisition
    found = fit_instrument(recording).instrument
    turned = np.sign(np.array(found.sideband_cycles_per_px)[1] * -0.2391)
    carrier = turned * np.array(found.sideband_cycles_per_px)
    assert np.abs(carrier - OFF_AXIS.sideband_cycles_per_px).max() * 192 < 0.02
    assert found.visibility == pytest.approx(OFF_AXIS.visibility, rel=0.03)
    assert found.brightness_counts == pytest.approx(1400, rel=0.02)
    assert found.gain_e_per_count == pytest.approx(2.4, rel=0.15)
    assert recording.instrument == OFF_AXIS.replace(
        pixel_size_um=0.19,
        numerical_aperture=0.3,
        medium_index=1.337,
        frame_interval_s=600,
    )
    assert recording.reference is not None
    assumed = next(note for note in recording.notes if "assumed" in note)
    assert "numerical_aperture=0.3" in assumed
    assert "visibility" not in assumed


def test_retrieved_phase_is_that_of_the_simulated_cells():
    from napari_qpm.retrieval import retrieve

    simulation = simulate_with(POLARIZATION, "polarization")
    retrieved = np.asarray(retrieve(simulation.acquisition).phase[0])
    inside = simulation.labels[0] > 0
    error = retrieved - simulation.phase[0]
    # Shot noise is 20 mrad here; the rest is the background fit's.
    assert np.sqrt(np.mean(error[inside] ** 2)) < 0.1


def test_what_the_instrument_does_not_know_is_named():
    simulation = simulate_with(Instrument(visibility=0.5), "polarization")
    notes = " ".join(simulation.acquisition.notes)
    assert "Not in the instrument file, and so assumed" in notes
    assert "gain_e_per_count=2.564" in notes
    assert "wavelength_nm=532" in notes
    assert "visibility=" not in notes
    assert simulation.acquisition.modality is Modality.POLARIZATION


def test_options_beat_the_instrument_and_noise_can_be_off():
    simulation = simulate_with(
        OFF_AXIS, "off-axis", noise=False, background=False, visibility=0.3
    )
    assert simulation.acquisition.instrument.visibility == 0.3
    assert simulation.acquisition.instrument.background_rad == ()
    again = simulate_with(
        OFF_AXIS, "off-axis", noise=False, background=False, visibility=0.3
    )
    frames = (simulation.acquisition.read(0), again.acquisition.read(0))
    assert np.array_equal(*frames)


def test_eight_bit_camera_gives_eight_bits():
    camera = OFF_AXIS.replace(bit_depth=8, brightness_counts=90, dark_counts=2)
    recording = simulate_with(camera, "off-axis").acquisition
    assert recording.dtype == np.uint8


def test_phase_has_no_camera():
    simulation = simulate_with(OFF_AXIS, "phase")
    assert simulation.acquisition.modality is Modality.PHASE
    with pytest.raises(UnknownNameError):
        simulate_with(OFF_AXIS, "hologram")
