"""An instrument gives its forward model, and says what it lacks."""

import pytest
import torch

from napari_qpm.acquisition import Handedness, Instrument, ReferenceWave
from napari_qpm.errors import MissingMetadataError, ModalityError, UnknownNameError
from napari_qpm.physics.chromatic import ChromaticBrightfield
from napari_qpm.physics.models import assume_gain, detector_for, model_for
from napari_qpm.physics.off_axis import OffAxisInterferometer
from napari_qpm.physics.polarization import PolarizationCamera

SHAPE = (8, 6)


def test_off_axis_instrument():
    instrument = Instrument(
        sideband_cycles_per_px=(0.1, -0.2),
        phase_sign=-1,
        visibility=0.7,
        brightness_counts=90,
        unevenness=[(1, 0, 0.5)],
        background_rad=[(0, 2, 4.0), (1, 0, 1.0)],
    )
    model = model_for(instrument, "off-axis", SHAPE)
    assert isinstance(model, OffAxisInterferometer)
    assert model.phase_sign == -1
    assert float(model.visibility) == pytest.approx(0.7)
    assert model.background_rad.tolist() == [[0, 0, 4.0], [1.0, 0, 0]]
    assert model.unevenness.tolist() == [[0], [0.5]]
    assert model.reference().shape == (1, 1, *SHAPE)


def test_polarization_instrument():
    instrument = Instrument(
        polarization_layout=(0, 45, 135, 90),
        roi_offset_px=(1, 0),
        handedness="negative",
        extinction_ratio=0.01,
        analyser_gains=(1, 1.1, 1, 0.9),
        analyser_angle_errors_deg=(0, 1, 0, 0),
    )
    model = model_for(instrument, "polarization", SHAPE, visibility=0.5)
    assert isinstance(model, PolarizationCamera)
    assert model.handedness is Handedness.NEGATIVE
    assert model.reference_wave is ReferenceWave.SEPARATE
    assert model.gains.tolist() == pytest.approx([1, 1.1, 1, 0.9])
    assert float(model.visibility) == 0.5
    expected = PolarizationCamera(
        SHAPE,
        visibility=0.5,
        extinction_ratio=0.01,
        gains=(1, 1.1, 1, 0.9),
        angle_errors_deg=(0, 1, 0, 0),
        handedness=Handedness.NEGATIVE,
        layout=(0, 45, 135, 90),
        roi_offset_px=(1, 0),
    )
    phase = torch.rand(1, *SHAPE)
    torch.testing.assert_close(model(phase), expected(phase))


@pytest.mark.parametrize("handedness", [None, *Handedness])
def test_phase_sign_turns_the_handedness(handedness):
    plain = Instrument(handedness=handedness)
    turned = Instrument(handedness=handedness, phase_sign=-1)
    models = [
        model_for(i, "polarization", SHAPE, mosaic=False) for i in (plain, turned)
    ]
    phase = torch.rand(1, *SHAPE)
    torch.testing.assert_close(models[0](phase), models[1](-phase))


def test_chromatic_instrument():
    instrument = Instrument(numerical_aperture=0.4, pixel_size_um=0.3)
    model = model_for(instrument, "chromatic", SHAPE, focus_curve_um=(1, 0, 50))
    assert isinstance(model, ChromaticBrightfield)
    assert float(model.na) == pytest.approx(0.4)
    assert model.reference().shape == (1, 3, *SHAPE)


@pytest.mark.parametrize(
    ("modality", "field"),
    [
        ("off-axis", "sideband_cycles_per_px"),
        ("polarization", "polarization_layout"),
        ("chromatic", "numerical_aperture"),
    ],
)
def test_what_is_indispensable_is_named(modality, field):
    with pytest.raises(MissingMetadataError) as caught:
        model_for(Instrument(), modality, SHAPE)
    assert caught.value.field == field


def test_other_modalities_have_no_camera():
    with pytest.raises(ModalityError, match="no forward model of phase"):
        model_for(Instrument(), "phase", SHAPE)
    with pytest.raises(UnknownNameError):
        model_for(Instrument(), "holo", SHAPE)


def test_detector_takes_what_is_known():
    instrument = Instrument(gain_e_per_count=3.5, read_noise_e=2, bit_depth=12)
    detector = detector_for(instrument, prnu=0.01)
    assert float(detector.gain_e_per_count) == 3.5
    assert float(detector.read_noise_e) == 2
    assert float(detector.dark_counts) == 0
    assert detector.saturation_counts == 4095
    with pytest.raises(MissingMetadataError, match="gain_e_per_count"):
        detector_for(Instrument())


def test_scattered_light_of_the_instrument_is_simulated():
    instrument = Instrument(
        sideband_cycles_per_px=(0.1, -0.2),
        scattered_share=0.02,
        scattered_cycles_per_px=0.1,
    )
    model = model_for(instrument, "off-axis", SHAPE)
    assert float(model.scattered_share) == pytest.approx(0.02)
    assert float(model.scattered_cycles_per_px) == pytest.approx(0.1)


@pytest.mark.parametrize(("bits", "saturation"), [(8, 255), (12, 4095), (None, 4095)])
def test_unknown_gain_is_assumed_aloud_and_never_noiseless(bits, saturation):
    assumed, note = assume_gain(Instrument(bit_depth=bits, brightness_counts=66))
    assert assumed.gain_e_per_count == pytest.approx(15_000 / saturation)
    assert "is unknown: assumed" in note
    counts = detector_for(assumed)(
        torch.full((1, 1, 64, 64), 66.0), torch.Generator().manual_seed(0)
    )
    # Shot noise alone, and rounding where there are bits.
    expected = 66 * saturation / 15_000 + (0 if bits is None else 1 / 12)
    assert float(counts.var()) == pytest.approx(expected, rel=0.1)


def test_known_gain_is_kept_without_a_note():
    known = Instrument(gain_e_per_count=2.0)
    assert assume_gain(known) == (known, "")
