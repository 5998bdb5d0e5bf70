"""Colour brightfield agrees with the transport of intensity and with Abbe's sum."""

import math

import pytest
import torch

from napari_qpm.errors import ParameterError
from napari_qpm.physics.bayer import bayer_mosaic
from napari_qpm.physics.chromatic import ChromaticBrightfield

DOUBLE = {"dtype": torch.float64}
PIXEL = 0.3
FAST_TOLERANCES = [(0.1, 0.005), (0.3, 0.015), (0.6, 0.05)]
NARROW = {"band_widths_um": (0.003, 0.003, 0.003), "n_wavelengths": 130}


def make(shape=(64, 64), **values):
    values = {"na": 0.8, "pixel_um": PIXEL, "coherence_ratio": 0.01, **DOUBLE, **values}
    return ChromaticBrightfield(shape, **values)


def divergence(intensity, opd):
    """Return ``div(I grad W)`` by Fourier derivatives [1/um]."""
    f = torch.fft.fftfreq(opd.shape[-1], d=PIXEL, **DOUBLE)
    total = 0
    for k in (2j * math.pi * f[:, None], 2j * math.pi * f[None]):
        slope = torch.fft.ifft2(k * torch.fft.fft2(opd)).real
        flow = torch.fft.fft2(intensity * slope)
        total = total + torch.fft.ifft2(k * flow).real
    return total


def relative_rms(result, expected):
    return float((result - expected).square().mean().sqrt() / expected.std())


@pytest.mark.parametrize("absorbs", [False, True])
def test_small_defocus_follows_the_transport_of_intensity(absorbs, bump):
    shape = (128, 128)
    opd = bump(shape, peak=0.02, sd_px=14.0)
    hole = bump(shape, peak=0.15 if absorbs else 0.0, sd_px=12.0, offset=(6, -8))
    amplitude = 1 - hole
    z = 0.2
    near, far = (
        make(shape, focus_curve_um=(sign * z, 0, 0), margin_px=0)(opd, amplitude)
        for sign in (-1.0, 1.0)
    )
    measured = (far - near) / (2 * z)
    expected = -divergence(amplitude**2, opd)
    # Measured 0.06 to 0.1 %: the transport of intensity is paraxial, the model is not.
    for channel in range(3):
        assert relative_rms(measured[:, channel], expected) < 2e-3


def test_contrast_grows_with_the_focus_of_each_colour(bump):
    opd = bump(peak=0.02, sd_px=7.0)
    model = make(focus_curve_um=(0.5, 8.0, 0.0), margin_px=0)
    focus = (model.channel_weights(opd) * model.focus_um(opd)[:, None]).sum(-1)[0]
    assert focus[0] > focus[1] > focus[2]
    expected = -divergence(torch.ones_like(opd), opd)
    for channel in range(3):
        contrast = model(opd)[:, channel] - 1
        assert relative_rms(contrast, focus[channel] * expected) < 0.02


def test_blue_shows_more_phase_than_red():
    # A weak wave of path a: contrast (4 pi a / wavelength) sin(pi wavelength z f^2).
    period_px, a, z = 8, 1e-3, 5.0
    x = torch.arange(64, **DOUBLE)
    opd = (a * torch.cos(2 * math.pi * x / period_px)).expand(1, 64, 64)
    model = make(focus_curve_um=(z, 0, 0), margin_px=0, **NARROW)
    frames = model(opd)
    contrast = (frames.amax((2, 3)) - frames.amin((2, 3)))[0] / 2
    wavelengths = (model.channel_weights(opd)[0] * model.wavelengths_um).sum(-1)
    f = 1 / (period_px * PIXEL)
    phases = 4 * math.pi * a / wavelengths
    expected = phases * torch.sin(math.pi * wavelengths * z * f**2)
    torch.testing.assert_close(contrast, expected, rtol=0.02, atol=0)
    assert contrast[2] / contrast[0] > 1.05
    assert phases[2] / phases[0] == pytest.approx(0.605 / 0.465, rel=0.02)


def test_object_in_focus_of_a_wide_aperture_is_invisible(bump):
    frames = make(na=0.9)(bump(peak=0.3, sd_px=8.0))
    torch.testing.assert_close(frames, torch.ones_like(frames), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("ratio", "tolerance"), FAST_TOLERANCES)
def test_fast_coherence_is_near_the_exact_sum(ratio, tolerance, bump):
    opd = bump(peak=0.1, sd_px=6.0) + bump(peak=0.05, sd_px=3.0, offset=(12, 8))
    values = {"na": 0.5, "focus_curve_um": (3.0, 0.5, 50.0), "coherence_ratio": ratio}
    exact = make(coherence="abbe", **values)(opd)
    fast = make(**values)(opd)
    assert relative_rms(fast, exact) < tolerance
    coherent = make(**{**values, "coherence_ratio": 1e-3})(opd)
    assert relative_rms(coherent, exact) > 3 * relative_rms(fast, exact)


@pytest.mark.parametrize("coherence", ["fast", "abbe"])
def test_empty_field_has_the_stated_light(coherence):
    model = make(
        coherence=coherence,
        brightness_counts=900.0,
        channel_gains=(1.0, 0.8, 0.5),
        coherence_ratio=0.5,
        focus_curve_um=(2.0, 0, 0),
    )
    means = model.reference().mean((2, 3))[0]
    torch.testing.assert_close(means, torch.tensor([900.0, 720.0, 450.0]).double())


def test_nine_wavelengths_stand_for_the_whole_spectrum(bump):
    opd = bump(peak=0.15, sd_px=6.0)
    values = {"na": 0.5, "focus_curve_um": (1.0, 0.5, 100.0), "coherence_ratio": 0.3}
    fine = make(n_wavelengths=80, **values)(opd)
    assert relative_rms(make(**values)(opd), fine) < 5e-3


def test_margin_keeps_light_from_coming_back_on_the_other_side(bump):
    opd = bump(peak=0.1, sd_px=4.0, offset=(0, 28))
    values = {"focus_curve_um": (3.0, 0, 0), "na": 0.5}
    wide = make((64, 128), **values)(
        torch.nn.functional.pad(opd, (64, 0), mode="replicate")
    )[..., 64:]
    errors = [
        (make(margin_px=m, **values)(opd) - wide)[..., :16].abs().max() for m in (0, 32)
    ]
    assert errors[1] < 0.2 * errors[0]


def test_bayer_mosaic_samples_the_three_channels(bump):
    opd = bump(peak=0.1, sd_px=6.0)
    frames = make(bayer="GRBG", focus_curve_um=(1, 0, 0))(opd)
    full = make(focus_curve_um=(1, 0, 0))(opd)
    assert frames.shape == (1, 1, 64, 64)
    torch.testing.assert_close(frames, bayer_mosaic(full, "GRBG"))


def test_one_microscope_a_sample_equals_samples_one_by_one(bump):
    opd = torch.cat([bump((16, 16), peak=0.1, sd_px=s) for s in (2.0, 3.0)])
    values = {
        "na": torch.tensor([0.4, 0.7]),
        "focus_curve_um": torch.tensor([[1.0, 0.2, 10.0], [-1.0, 0.0, 20.0]]),
        "coherence_ratio": torch.tensor([0.2, 0.5]),
        "crosstalk": torch.tensor([0.0, 0.15]),
        "band_centres_um": torch.tensor([[0.6, 0.54, 0.46], [0.61, 0.53, 0.47]]),
    }
    for coherence in ("fast", "abbe"):
        extra = {"coherence": coherence, "n_source_points": 5, "margin_px": 2}
        together = make((16, 16), **values, **extra)(opd)
        for n in range(2):
            one = {name: value[n] for name, value in values.items()}
            alone = make((16, 16), **one, **extra)(opd[n : n + 1])
            torch.testing.assert_close(alone[0], together[n])


@pytest.mark.parametrize("coherence", ["fast", "abbe"])
def test_gradients_reach_path_amplitude_and_optics(coherence):
    model = make(
        (4, 4),
        na=0.55,
        focus_curve_um=(1.1, 0.3, 8.0),
        coherence_ratio=0.33,
        crosstalk=0.1,
        coherence=coherence,
        n_wavelengths=2,
        n_source_points=2,
        margin_px=1,
    )
    names = ("na", "focus_curve_um", "coherence_ratio", "crosstalk", "band_centres_um")
    opd = (torch.rand(1, 4, 4, **DOUBLE) / 5).requires_grad_()
    amplitude = (1 - torch.rand(1, 4, 4, **DOUBLE) / 5).requires_grad_()
    values = tuple(getattr(model, n).detach().requires_grad_() for n in names)

    def run(opd, amplitude, *values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(model, given, (opd, amplitude))

    assert torch.autograd.gradcheck(run, (opd, amplitude, *values))


def test_impossible_sampling_is_refused():
    with pytest.raises(ParameterError, match="n_wavelengths"):
        make(n_wavelengths=0)
