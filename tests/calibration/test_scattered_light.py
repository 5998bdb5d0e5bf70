"""Scattered light comes back from the spectrum between the orders."""

import numpy as np
import pytest
import torch

from napari_qpm.calibration import fit_instrument
from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.calibration.scattered_light import fit_scattered_light
from napari_qpm.physics.models import detector_for, model_for

from .conftest import SHAPE, cells

DARK = Finding(100.0)


def hologram(instrument, phase=None, seed=1):
    model = model_for(instrument, "off-axis", SHAPE)
    light = model.reference() if phase is None else model(phase)
    camera = detector_for(instrument)
    return camera(light, torch.Generator().manual_seed(seed))[0, 0].numpy()


def fit(frame, instrument):
    visibility = Finding(instrument.visibility)
    carrier = instrument.sideband_cycles_per_px
    return fit_scattered_light(frame, carrier, visibility, DARK)


@pytest.mark.parametrize("share", [0.001, 0.003, 0.01, 0.03])
@pytest.mark.parametrize("band", [0.1, 0.2])
def test_share_and_band_come_back(off_axis, share, band):
    truth = off_axis.replace(scattered_share=share, scattered_cycles_per_px=band)
    for phase in (None, cells(SHAPE)):
        found = fit(hologram(truth, phase), truth)
        assert found["scattered_share"].value == pytest.approx(share, rel=0.2)
        assert found["scattered_cycles_per_px"].value == pytest.approx(band, rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_clean_microscope_shows_none(off_axis, seed):
    found = fit(hologram(off_axis, seed=seed), off_axis)
    assert found["scattered_share"].value is None
    assert "as flat as white noise" in found["scattered_share"].how


def test_contrast_is_needed(off_axis):
    frame = hologram(off_axis)
    carrier = off_axis.sideband_cycles_per_px
    found = fit_scattered_light(frame, carrier, unknown("No fringes."), DARK)
    assert found["scattered_share"].value is None


def test_coarse_fringes_leave_no_room_between_orders():
    frame = np.random.default_rng(0).normal(100, 5, (64, 64))
    found = fit_scattered_light(frame, (0.45, 0.45), Finding(0.5), DARK)
    assert "fill the spectrum" in found["scattered_share"].how


def test_fit_takes_it_from_the_reference_and_keeps_it(record, dark_recording, off_axis):
    truth = off_axis.replace(scattered_share=0.005, scattered_cycles_per_px=0.12)
    recording = record(truth, "off-axis", phase=cells(SHAPE), reference=True)
    found = fit_instrument(recording, dark=dark_recording).instrument
    assert found.scattered_share == pytest.approx(0.005, rel=0.2)
    assert found.scattered_cycles_per_px == pytest.approx(0.12, rel=0.1)
    # A simulation of the fitted microscope shows it again.
    again = fit(hologram(found), found)["scattered_share"]
    assert again.value == pytest.approx(0.005, rel=0.3)
