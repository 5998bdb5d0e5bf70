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


def test_colour_pictures_have_the_light_of_the_instrument():
    bench = Instrument(numerical_aperture=0.4, **CAMERA)
    recording = simulate_with(bench, "chromatic", specimen="empty").acquisition
    assert recording.shape == (1, 3, 192, 192)
    assert recording.instrument.numerical_aperture == 0.4
    # 1400 counts of light over a dark level of 100.
    assert recording.read(0).mean() == pytest.approx(1500, rel=2e-3)


def test_level_of_the_empty_field_drifts_and_can_be_kept_still():
    drifting = simulate("phase", n_frames=4, specimen="empty", noise=False, seed=3)
    levels = [drifting.acquisition.read(t).mean() for t in range(4)]
    assert np.ptp(levels) > 1e-3
    still = simulate("phase", n_frames=2, specimen="empty", background=False)
    # 15 mrad of noise over 384 x 384 pixels, some of it correlated.
    assert abs(still.acquisition.read(1).mean()) < 2e-3


def test_unknown_gain_is_assumed_aloud_and_never_without_noise():
    facts = Instrument(sideband_cycles_per_px=(0.2, 0.17), bit_depth=8)
    noisy, clean = (
        simulate_with(facts, "off-axis", noise=noise).acquisition
        for noise in (True, False)
    )
    assert any("gain_e_per_count=58.82" in note for note in noisy.notes)
    difference = noisy.read(0).astype(float) - clean.read(0)
    # 15000 electrons in 255 counts: the shot noise of the light, and rounding twice.
    light = float(clean.read(0).mean())
    expected = np.sqrt(light / 58.82 + 2 / 12)
    assert np.std(difference) == pytest.approx(expected, rel=0.15)


def test_scattered_light_of_the_instrument_is_in_the_frames():
    facts = OFF_AXIS.replace(scattered_share=0.01, scattered_cycles_per_px=0.12)
    found = fit_instrument(simulate_with(facts, "off-axis").acquisition).instrument
    assert found.scattered_share == pytest.approx(0.01, rel=0.3)
