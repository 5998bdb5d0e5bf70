import numpy as np
import pytest
import torch

from napari_qpm.acquisition import Acquisition
from napari_qpm.calibration import fit_instrument
from napari_qpm.errors import SidebandError
from napari_qpm.physics.models import detector_for, model_for
from napari_qpm.physics.pupil import Pupil

from .conftest import SHAPE, cells


def terms(values):
    return {(i, j): value for i, j, value in values}


@pytest.mark.parametrize("sign", [1, -1])
def test_hologram_of_cells_gives_the_microscope_back(
    record, dark_recording, off_axis, sign
):
    truth = off_axis.replace(phase_sign=sign)
    recording = record(truth, "off-axis", phase=cells(SHAPE))
    fit = fit_instrument(recording, dark=dark_recording)
    found = fit.instrument
    carrier = np.array(found.sideband_cycles_per_px)
    # Both signs of the frequency describe the same fringes; fx >= 0 is the search's.
    expected = -np.array(truth.sideband_cycles_per_px)
    turned = -1 if np.dot(carrier, truth.sideband_cycles_per_px) < 0 else 1
    bins = np.abs(carrier + turned * expected) * SHAPE
    assert bins.max() < 0.02
    assert found.phase_sign == sign * turned
    assert found.visibility == pytest.approx(truth.visibility, rel=0.03)
    assert found.brightness_counts == pytest.approx(truth.brightness_counts, rel=0.02)
    assert found.gain_e_per_count == pytest.approx(truth.gain_e_per_count, rel=0.1)
    assert found.read_noise_e == pytest.approx(truth.read_noise_e, rel=0.25)
    assert found.dark_counts == pytest.approx(truth.dark_counts, abs=0.1)
    background = terms(found.background_rad)
    for order, value in terms(truth.background_rad).items():
        assert background.pop(order) == pytest.approx(value, abs=0.1), order
    assert max(map(abs, background.values())) < 0.1


def test_reference_is_preferred_to_a_crowded_frame(record, dark_recording, off_axis):
    crowded = (
        cells(SHAPE).roll((40, 30), (1, 2)) + cells(SHAPE) + 1.5 * cells(SHAPE).flip(1)
    )
    recording = record(off_axis, "off-axis", phase=crowded, reference=True)
    fit = fit_instrument(recording, dark=dark_recording)
    assert "reference" in fit.report["sideband_cycles_per_px"].how
    background = terms(fit.instrument.background_rad)
    for (i, j), value in terms(off_axis.background_rad).items():
        if i + j >= 2:
            assert background[i, j] == pytest.approx(value, abs=0.1)


def test_tilt_of_the_empty_field_belongs_to_the_carrier(record, off_axis):
    tilted = off_axis.replace(background_rad=((1, 0, 1.5), (0, 1, -0.8)))
    found = fit_instrument(record(tilted, "off-axis", reference=True)).instrument
    shift = np.array([1.5, -0.8]) / (np.pi * (np.array(SHAPE) - 1))
    expected = np.array(off_axis.sideband_cycles_per_px) + shift
    carrier = np.array(found.sideband_cycles_per_px)
    turned = np.sign(np.dot(carrier, expected))
    assert (np.abs(turned * carrier - expected) * SHAPE).max() < 0.02
    assert all((i, j) not in ((1, 0), (0, 1)) for i, j, _ in found.background_rad)


def test_fit_simulates_the_same_fringes(record, off_axis):
    from napari_qpm.physics.models import model_for

    recording = record(off_axis, "off-axis", reference=True)
    found = fit_instrument(recording).instrument
    simulated = model_for(found, "off-axis", SHAPE).reference()[0, 0].numpy()
    measured = recording.reference[0].astype(float)
    # Shot noise is sqrt(1400 / 2.4) = 24 counts of fringes with 870.
    assert np.std(simulated - measured) < 30


def test_uneven_light_comes_back(record, dark_recording, off_axis):
    vignetted = off_axis.replace(unevenness=((2, 0, -0.2), (0, 1, 0.1)))
    found = fit_instrument(record(vignetted, "off-axis"), dark=dark_recording)
    light = terms(found.instrument.unevenness)
    assert light[2, 0] == pytest.approx(-0.2, abs=0.01)
    assert light[0, 1] == pytest.approx(0.1, abs=0.01)
    assert found.instrument.brightness_counts == pytest.approx(1400, rel=0.02)
    assert found.instrument.visibility == pytest.approx(0.62, rel=0.03)


def test_empty_field_has_no_sign_and_says_so(record, off_axis):
    fit = fit_instrument(record(off_axis, "off-axis"))
    assert fit.instrument.phase_sign is None
    assert "phase_sign" in fit.unknown


def test_frame_without_fringes_is_refused(record, off_axis):
    from napari_qpm.acquisition import Acquisition

    noise = np.random.default_rng(0).poisson(500, SHAPE).astype(np.uint16)
    with pytest.raises(SidebandError, match="No sideband"):
        fit_instrument(Acquisition.from_array(noise, "off-axis"))


def scattering(shape, cutoff):
    """Return cells with grains finer than an aperture passes, and that aperture."""
    rng = torch.Generator().manual_seed(1)
    grains = torch.randn(1, *shape, generator=rng) * (cells(shape) > 0.3)
    return cells(shape) + 0.5 * grains, Pupil(na=cutoff, wavelength_um=1, pixel_um=1)


def aperture_of(frame, carrier):
    recording = Acquisition.from_array(
        frame.astype(np.uint16),
        "off-axis",
        sideband_cycles_per_px=carrier,
        wavelength_nm=1000,
        pixel_size_um=1,
    )
    return fit_instrument(recording)


@pytest.mark.parametrize("cutoff", [0.06, 0.09])
def test_specimen_that_scatters_shows_the_aperture(off_axis, cutoff):
    specimen, pupil = scattering(SHAPE, cutoff)
    plain = off_axis.replace(background_rad=())
    model = model_for(plain, "off-axis", SHAPE, pupil=pupil)
    frame = detector_for(plain)(model(specimen), torch.Generator().manual_seed(0))
    fit = aperture_of(frame[0, 0].numpy(), off_axis.sideband_cycles_per_px)
    assert fit.instrument.numerical_aperture == pytest.approx(cutoff, abs=1.5 / 256)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("degree", [2, 4])
def test_aberrations_of_an_empty_field_are_no_aperture(off_axis, seed, degree):
    rng = np.random.default_rng(seed)
    strength = 12.0 if degree == 2 else 4.0
    bent = tuple(
        (i, j, rng.normal(0, strength / (i + j - 1)))
        for i, j in np.ndindex(degree + 1, degree + 1)
        if 2 <= i + j <= degree
    )
    curved = off_axis.replace(background_rad=bent)
    model = model_for(curved, "off-axis", SHAPE)
    frame = detector_for(curved)(model.reference(), torch.Generator().manual_seed(0))
    fit = aperture_of(frame[0, 0].numpy(), off_axis.sideband_cycles_per_px)
    assert fit.instrument.numerical_aperture is None
    assert "aperture is not seen" in fit.unknown["numerical_aperture"]
    assert fit.instrument.phase_sign is None
