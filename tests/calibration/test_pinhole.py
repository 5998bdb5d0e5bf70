"""The pinhole of a point-diffraction reference shows in the light without fringes."""

import pytest
import torch

from napari_qpm.acquisition import Acquisition, Instrument
from napari_qpm.calibration import fit_instrument
from napari_qpm.physics.models import detector_for, model_for
from napari_qpm.specimens import simulate_cells

from .conftest import CAMERA, SHAPE

LAYOUT = (90, 45, 135, 0)


@pytest.fixture(scope="module")
def colony():
    cells = simulate_cells(1, seed=3, shape=SHAPE, kinds="colony", confluence=0.4)
    return cells.phase(532.0)


def fit(phase, cutoff, absorption=0.0, **stated):
    """Return the fit to a mosaic of a transparent, or absorbing, object."""
    facts = {"polarization_layout": LAYOUT, "handedness": "positive"}
    facts["reference_wave"] = "point-diffraction"
    truth = Instrument(visibility=0.8, pinhole_cycles_per_px=cutoff, **facts, **CAMERA)
    model = model_for(truth, "polarization", SHAPE)
    light = model(phase, torch.exp(-absorption * phase))
    frame = detector_for(truth)(light, torch.Generator().manual_seed(0))
    recording = Acquisition.from_array(
        frame[0].numpy().astype("uint16"), "polarization", **facts, **stated
    )
    return fit_instrument(recording.with_instrument(dark_counts=100.0))


@pytest.mark.parametrize("cutoff", [0.01, 0.02, 0.04])
def test_cutoff_comes_back_from_a_transparent_specimen(colony, cutoff):
    found = fit(colony, cutoff)
    # Rings of the spectrum are 1/256 cycles/px wide; the cut-off is half their place.
    value = found.instrument.pinhole_cycles_per_px
    assert value == pytest.approx(cutoff, abs=1 / 256)
    assert "twice the cut-off" in found.report["pinhole_cycles_per_px"].how


def test_absorbing_specimen_hides_the_cutoff(colony):
    found = fit(colony, 0.01, absorption=0.05)
    assert found.instrument.pinhole_cycles_per_px is None
    assert "absorbs" in found.unknown["pinhole_cycles_per_px"]


def test_fine_pinhole_leaves_the_light_even(colony):
    found = fit(colony, 0.002)
    assert found.instrument.pinhole_cycles_per_px is None
    assert "Not identifiable" in found.unknown["pinhole_cycles_per_px"]


def test_empty_field_says_nothing():
    found = fit(torch.zeros(1, *SHAPE), 0.02)
    assert found.instrument.pinhole_cycles_per_px is None
    assert "the field is empty" in found.unknown["pinhole_cycles_per_px"]


def test_stated_cutoff_stays(colony):
    found = fit(colony, 0.02, pinhole_cycles_per_px=0.03)
    assert found.instrument.pinhole_cycles_per_px == 0.03


@pytest.mark.parametrize("cutoff", [0.01, 0.03])
def test_contrast_that_follows_the_object_is_no_error_of_the_analysers(colony, cutoff):
    found = fit(colony, cutoff)
    # A fit of one smooth contrast said gains 10 % and a plate 27 degrees off.
    assert found.instrument.analyser_gains == pytest.approx((1, 1, 1, 1), abs=0.02)
    for name in ("analyser_angle_errors_deg", "retardance_error_deg"):
        assert getattr(found.instrument, name) is None
        assert "made of the object wave" in found.unknown[name]
