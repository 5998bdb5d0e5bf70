"""What a known bead or step measures, against what it must."""

import numpy as np
import pytest
import scipy.ndimage
import torch

import napari_qpm as qpm
from napari_qpm.acquisition import Instrument
from napari_qpm.calibration import Bead, Step, check_scale
from napari_qpm.checks.verdict import Verdict
from napari_qpm.errors import MissingMetadataError, ParameterError
from napari_qpm.jobs import CancelToken, JobCancelled

SIDE, PIXEL_UM, WAVELENGTH_NM, MEDIUM = 192, 0.2, 532.0, 1.337
BEAD = Bead(diameter_um=8.0, index=MEDIUM + 0.03)
STEP = Step(height_nm=250.0, index=MEDIUM + 0.12)
MIDDLES_UM = ((12.3, 12.0), (26.1, 14.2), (20.0, 27.3))


def beads_nm(middles=MIDDLES_UM):
    """Return the optical path ``(Y, X)`` of beads, averaged over each pixel."""
    fine = 4
    y, x = (np.indices((SIDE * fine, SIDE * fine)) + 0.5) / fine * PIXEL_UM
    path = np.zeros(y.shape)
    radius = BEAD.diameter_um / 2
    for row, column in middles:
        square = radius**2 - (y - row) ** 2 - (x - column) ** 2
        path += 2000 * (BEAD.index - MEDIUM) * np.sqrt(np.maximum(square, 0))
    return path.reshape(SIDE, fine, SIDE, fine).mean(axis=(1, 3))


def step_nm(raised):
    """Return the optical path ``(Y, X)`` of a raised place, somewhat blurred."""
    height = STEP.height_nm * (STEP.index - MEDIUM)
    return scipy.ndimage.gaussian_filter(height * raised.astype(float), 1.5)


def phase_map(path_nm, noise_rad=0.03, **stated):
    """Return the phase of an optical path, with what a recording states."""
    rng = np.random.default_rng(1)
    phase = 2 * np.pi * path_nm / WAVELENGTH_NM
    noisy = (phase + rng.normal(0, noise_rad, phase.shape)).astype(np.float32)
    facts = {
        "wavelength_nm": WAVELENGTH_NM,
        "pixel_size_um": PIXEL_UM,
        "medium_index": MEDIUM,
        "phase_unit": "rad",
    } | stated
    known = {name: value for name, value in facts.items() if value is not None}
    return qpm.retrieve(qpm.Acquisition.from_array(noisy, "phase", **known), "as-is")


# --- Beads -------------------------------------------------------------------------


def test_bead_of_a_right_scale_is_good():
    check = check_scale(phase_map(beads_nm()), BEAD)
    assert check.verdict is Verdict.GOOD
    assert "3 beads" in check.finding
    for name in ("height", "diameter", "opd_sum"):
        # 0.03 rad of noise in every pixel; the fit of some 1200 pixels finds 0.1 %.
        assert check.values[f"{name}_off"] == pytest.approx(0, abs=0.004)
        assert check.values[f"{name}_off_sd"] < 0.004
    assert check.values["height_expected_nm"] == pytest.approx(240)
    assert check.values["opd_sum_expected_um3"] == pytest.approx(np.pi / 6 * 512 * 0.03)


def test_wrong_wavelength_shows_in_the_height_alone():
    check = check_scale(phase_map(beads_nm(), wavelength_nm=633), BEAD)
    assert check.verdict is Verdict.BAD
    assert check.values["height_off"] == pytest.approx(633 / 532 - 1, abs=0.005)
    assert check.values["diameter_off"] == pytest.approx(0, abs=0.005)
    assert "wavelength" in check.finding
    assert "pixel size" not in check.finding


def test_wrong_pixel_size_shows_in_the_diameter_and_squared_in_the_sum():
    check = check_scale(phase_map(beads_nm(), pixel_size_um=0.9 * PIXEL_UM), BEAD)
    assert check.verdict is Verdict.BAD
    assert check.values["height_off"] == pytest.approx(0, abs=0.005)
    assert check.values["diameter_off"] == pytest.approx(-0.1, abs=0.005)
    assert check.values["opd_sum_off"] == pytest.approx(0.81 - 1, abs=0.008)
    assert "pixel size" in check.finding


def test_what_the_maker_does_not_know_makes_the_verdict_doubtful():
    vague = Bead(BEAD.diameter_um, BEAD.index, diameter_sd_um=0.8)
    check = check_scale(phase_map(beads_nm()), vague)
    assert check.verdict is Verdict.DOUBTFUL
    assert check.values["diameter_off_sd"] == pytest.approx(0.1, rel=0.05)
    assert "too uncertain" in check.finding


def test_stated_error_covers_the_scatter_of_noise():
    offs, errors = [], []
    path = beads_nm(MIDDLES_UM[:1])
    for seed in range(8):
        shaken = path + np.random.default_rng(seed).normal(0, 15, path.shape)
        values = check_scale(phase_map(shaken, 0.0), BEAD, tolerance=0.5).values
        offs.append(values["height_off"])
        errors.append(values["height_off_sd"])
    # 8 of them tell a standard deviation to a quarter; the jackknife errs upwards.
    assert 0.5 < np.mean(errors) / np.std(offs) < 2.5


def test_beads_that_touch_or_leave_the_field_do_not_count():
    touching = (*MIDDLES_UM, (20.0, 34.0), (3.0, 30.0))
    check = check_scale(phase_map(beads_nm(touching)), BEAD)
    assert "2 beads" in check.finding
    assert check.verdict is Verdict.GOOD


def test_what_is_no_ball_is_doubtful():
    y, x = np.indices((SIDE, SIDE)) * PIXEL_UM
    disk = (np.hypot(y - 19, x - 19) < 4) * 160.0
    check = check_scale(phase_map(disk), BEAD, tolerance=0.9)
    assert check.verdict is Verdict.DOUBTFUL
    assert "does not look as it should" in check.finding


def test_no_bead_is_told():
    with pytest.raises(ParameterError, match="No single bead"):
        check_scale(phase_map(np.zeros((SIDE, SIDE))), BEAD)


# --- Steps -------------------------------------------------------------------------

Y, X = np.indices((SIDE, SIDE))
SHAPES = {
    "edge in the middle": X > SIDE / 2,
    "edge off the middle": X + 0.3 * Y > 0.8 * SIDE,
    "pillars": (X // 48 % 2 == 1) & (Y // 48 % 2 == 1),
}


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("leaning", [False, True])
def test_step_has_its_height_on_any_surface(shape, leaning):
    path = step_nm(SHAPES[shape])
    if leaning:
        path = path + 0.05 * (X - 96) + 0.0005 * (Y - 96) ** 2
    check = check_scale(phase_map(path), STEP)
    assert check.verdict is Verdict.GOOD
    # 2.5 nm of noise on 30 nm; tilt and an edge across the field are told apart less
    # surely than pillars.
    assert check.values["height_off"] == pytest.approx(0, abs=0.012)
    assert abs(check.values["height_off"]) < 4 * check.values["height_off_sd"] + 1e-3


def test_step_under_a_wrong_wavelength_is_off():
    check = check_scale(phase_map(step_nm(SHAPES["pillars"]), wavelength_nm=488), STEP)
    assert check.verdict is Verdict.BAD
    assert check.values["height_off"] == pytest.approx(488 / 532 - 1, abs=0.01)


def test_step_needs_no_pixel_size():
    given = phase_map(step_nm(SHAPES["pillars"]), pixel_size_um=None)
    assert check_scale(given, STEP).verdict is Verdict.GOOD


@pytest.mark.parametrize("path", [np.zeros((SIDE, SIDE)), 0.5 * (X - 96.0)])
def test_field_without_a_step_is_told(path):
    with pytest.raises(ParameterError, match="No step is found"):
        check_scale(phase_map(path), STEP)


# --- From raw recordings -----------------------------------------------------------


def hologram(path_nm):
    """Return a noisy off-axis hologram with its reference."""
    from napari_qpm.physics.models import detector_for, model_for

    instrument = Instrument(
        sideband_cycles_per_px=(0.23, -0.22),
        phase_sign=1,
        visibility=0.7,
        background_rad=((1, 0, 0.5), (2, 0, 2.0), (0, 2, 1.5)),
        wavelength_nm=WAVELENGTH_NM,
        brightness_counts=1400.0,
        gain_e_per_count=2.4,
        read_noise_e=12.0,
        dark_counts=100.0,
        bit_depth=12,
    )
    model = model_for(instrument, "off-axis", (SIDE, SIDE))
    phase = torch.tensor(2 * np.pi * path_nm / WAVELENGTH_NM, dtype=torch.float32)
    camera, rng = detector_for(instrument), torch.Generator().manual_seed(0)
    frame, empty = (
        camera(light, rng).numpy() for light in (model(phase[None]), model.reference())
    )
    return qpm.Acquisition.from_array(
        frame,
        "off-axis",
        reference=empty[0],
        wavelength_nm=WAVELENGTH_NM,
        pixel_size_um=PIXEL_UM,
        medium_index=MEDIUM,
    )


def test_bead_in_a_hologram_is_good_and_a_wrong_wavelength_is_found():
    recording = hologram(beads_nm())
    check = check_scale(qpm.retrieve(recording), BEAD)
    assert check.verdict is Verdict.GOOD, check.describe()
    wrong = recording.with_instrument(wavelength_nm=633, pixel_size_um=0.25)
    check = check_scale(qpm.retrieve(wrong), BEAD)
    assert check.verdict is Verdict.BAD
    assert check.values["height_off"] == pytest.approx(633 / 532 - 1, abs=0.03)
    assert check.values["diameter_off"] == pytest.approx(0.25, abs=0.03)


def test_step_in_a_hologram_is_good_with_a_reference():
    check = check_scale(qpm.retrieve(hologram(step_nm(SHAPES["pillars"]))), STEP)
    assert check.verdict is Verdict.GOOD, check.describe()


# --- What is wrong is told ---------------------------------------------------------


@pytest.mark.parametrize("name", ["wavelength_nm", "pixel_size_um", "medium_index"])
def test_what_is_missing_is_named(name):
    with pytest.raises(MissingMetadataError, match=name):
        check_scale(phase_map(beads_nm(), **{name: None}), BEAD)


def test_objects_are_denser_than_the_medium():
    with pytest.raises(ParameterError, match=r"1\.3, must exceed"):
        check_scale(phase_map(beads_nm()), Bead(8, 1.3))


@pytest.mark.parametrize("tolerance", [0.0, 1.0, float("nan")])
def test_tolerance_is_a_share(tolerance):
    with pytest.raises(ParameterError, match="tolerance"):
        check_scale(phase_map(beads_nm()), BEAD, tolerance=tolerance)


@pytest.mark.parametrize("numbers", [(0, 1.4), (8, 1.4, -1), (float("nan"), 1.4)])
def test_sizes_are_numbers(numbers):
    for kind in (Bead, Step):
        with pytest.raises(ParameterError, match="positive size"):
            kind(*numbers)


def test_cancel_stops_it():
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        check_scale(phase_map(beads_nm()), BEAD, token=token)
