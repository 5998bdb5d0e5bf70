"""Holograms hold the phase on their sideband, and noise does what theory says."""

import math

import pytest
import torch

from napari_qpm.errors import ParameterError
from napari_qpm.physics.off_axis import OffAxisInterferometer
from napari_qpm.physics.pupil import Pupil

CARRIER = (0.2, 0.15)


def demodulate(frames, carrier=CARRIER, radius=0.12):
    """Return the complex sideband ``(N, Y, X)``: shift by the carrier, low-pass."""
    height, width = frames.shape[-2:]
    y = torch.arange(height, dtype=torch.float64)[:, None]
    x = torch.arange(width, dtype=torch.float64)[None, :]
    shift = torch.exp(-2j * math.pi * (carrier[0] * y + carrier[1] * x))
    spectrum = torch.fft.fft2(frames[:, 0] * shift)
    fy, fx = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None, :]
    return torch.fft.ifft2(spectrum * (torch.hypot(fy, fx) < radius))


def make(shape=(80, 80), **values):
    values = {"carrier_cycles_per_px": CARRIER, "dtype": torch.float64, **values}
    return OffAxisInterferometer(shape, **values)


def test_fringes_follow_the_formula(bump):
    phase = bump((12, 10), peak=2.0)
    model = make((12, 10), visibility=0.7, brightness_counts=500.0)
    frame = model(phase)
    assert frame.shape == (1, 1, 12, 10)
    for y, x in ((0, 0), (3, 7), (11, 9)):
        turns = 2 * math.pi * (CARRIER[0] * y + CARRIER[1] * x)
        expected = 500 * (1 + 0.7 * math.cos(turns + float(phase[0, y, x])))
        assert float(frame[0, 0, y, x]) == pytest.approx(expected, rel=1e-12)


def test_sideband_gives_the_phase_back(bump, wrapped_difference):
    phase = bump((80, 80), peak=4.0, sd_px=12.0)
    amplitude = 1 - bump((80, 80), peak=0.2, sd_px=12.0)
    field = demodulate(make(visibility=0.8, brightness_counts=100.0)(phase, amplitude))
    # 0.2, 0.15 make whole numbers of fringes; the rest is what the disk cuts off.
    error = wrapped_difference(field.angle(), phase)
    assert error.square().mean().sqrt() < 2e-3
    torch.testing.assert_close(field.abs() / 40, amplitude, rtol=0, atol=0.01)


def test_reversed_sideband_holds_the_reversed_phase(bump, wrapped_difference):
    phase = bump((80, 80), peak=3.0, sd_px=12.0)
    field = demodulate(make(phase_sign=-1)(phase))
    assert wrapped_difference(field.angle(), -phase).square().mean().sqrt() < 2e-3


def test_reference_takes_the_background_away(bump, wrapped_difference):
    phase = bump((80, 80), peak=2.0, sd_px=10.0)
    background = torch.zeros(4, 4, dtype=torch.float64)
    background[2, 0], background[0, 2], background[1, 2] = 2.0, 1.5, 0.4
    model = make(background_rad=background)
    ratio = demodulate(model(phase)) / demodulate(model.reference())
    # A background does not fit whole fringes: the border rings, the middle does not.
    error = wrapped_difference(ratio.angle(), phase)[:, 16:-16, 16:-16]
    assert error.square().mean().sqrt() < 0.01


def test_noise_of_the_phase_is_as_in_theory(rng):
    # sd(phi) = 1 / (V sqrt(2 N)) for N electrons in the area of one resolved point:
    # a disk of radius r keeps pi r^2 of the noise, 2 / (V^2 n) pi r^2 of variance.
    electrons, visibility, radius = 2000.0, 0.8, 0.09
    model = make((160, 160), visibility=visibility, brightness_counts=electrons)
    clean = model(torch.zeros(8, 160, 160, dtype=torch.float64))
    noisy = torch.poisson(clean, generator=rng)
    ratio = demodulate(noisy, radius=radius) / demodulate(clean, radius=radius)
    expected = math.sqrt(2 * math.pi * radius**2 / electrons) / visibility
    assert float(ratio.angle().std()) == pytest.approx(expected, rel=0.03)


def test_parasitic_fringes_appear_at_their_frequency():
    model = make(
        parasitic_visibility=[0.1],
        parasitic_cycles_per_px=[(0.05, -0.1)],
        parasitic_phase_rad=[0.4],
    )
    spectrum = torch.fft.fft2(model.reference()[0, 0]) / 80**2
    value = spectrum[4, -8]
    assert float(value.abs()) == pytest.approx(0.05, rel=1e-6)
    assert float(value.angle()) == pytest.approx(0.4, abs=1e-6)


def test_uneven_light_scales_background_and_fringes():
    tilt = torch.tensor([[0.0, 0.25]], dtype=torch.float64)
    frame, even = make(unevenness=tilt).reference(), make().reference()
    ratio = (frame / even)[0, 0]
    torch.testing.assert_close(ratio[:, 0], torch.full_like(ratio[:, 0], 0.75))
    torch.testing.assert_close(ratio[:, -1], torch.full_like(ratio[:, 0], 1.25))


def test_open_pupil_changes_nothing(bump):
    phase, amplitude = bump((32, 32), sd_px=5.0), 1 - bump((32, 32), peak=0.1)
    pupil = Pupil(1.0, 0.5, 0.6, dtype=torch.float64)
    for sign in (1, -1):
        plain = make((32, 32), phase_sign=sign, visibility=0.6)
        imaged = make((32, 32), phase_sign=sign, visibility=0.6, pupil=pupil)
        torch.testing.assert_close(imaged(phase, amplitude), plain(phase, amplitude))


def test_carrier_stays_exact_in_single_precision_far_from_the_origin():
    shape, carrier = (4, 8192), (0.0, 0.21234567)
    exact = make(shape, carrier_cycles_per_px=carrier).reference()
    rough = make(shape, carrier_cycles_per_px=carrier, dtype=torch.float32)
    rough.carrier_cycles_per_px.data = torch.tensor(carrier, dtype=torch.float64)
    difference = (rough.reference().double() - exact).abs().max()
    assert difference < 1e-5


def test_gradients_reach_phase_amplitude_and_optics():
    names = ("carrier_cycles_per_px", "visibility", "brightness_counts")
    names += ("unevenness", "background_rad", "parasitic_visibility")
    names += ("parasitic_cycles_per_px", "parasitic_phase_rad")
    model = make(
        (4, 4),
        unevenness=[[0.1, 0.2]],
        background_rad=[[0.3, 0.1], [0.2, 0.0]],
        parasitic_visibility=[0.1],
        parasitic_cycles_per_px=[(0.1, 0.3)],
        pupil=Pupil(0.3, 0.5, 0.4, dtype=torch.float64),
    )
    phase = torch.rand(2, 4, 4, dtype=torch.float64, requires_grad=True)
    amplitude = torch.rand(2, 4, 4, dtype=torch.float64, requires_grad=True)
    values = tuple(getattr(model, n).detach().requires_grad_() for n in names)

    def run(phase, amplitude, *values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(model, given, (phase, amplitude))

    assert torch.autograd.gradcheck(run, (phase, amplitude, *values))


def test_impossible_sign_is_refused():
    with pytest.raises(ParameterError, match="phase_sign"):
        make(phase_sign=2)
