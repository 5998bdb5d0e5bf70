"""The polarization camera keeps the four-step formula; its errors follow theory."""

import itertools
import math

import pytest
import torch

from napari_qpm.acquisition import Handedness, ReferenceWave
from napari_qpm.errors import LayoutError, ParameterError
from napari_qpm.physics.polarization import (
    ANGLES_DEG,
    PolarizationCamera,
    sample_mosaic,
)
from napari_qpm.physics.pupil import Pupil

DOUBLE = {"dtype": torch.float64}


def four_step(channels):
    """Return ``Z = (I0 - I90) + i (I135 - I45)``, (N, Y, X)."""
    i0, i45, i90, i135 = channels.unbind(1)
    return torch.complex(i0 - i90, i135 - i45)


def visibility_of(channels):
    return (four_step(channels).abs() / (channels[:, 0] + channels[:, 2])).mean()


def circle(n=4096):
    """Return every phase once, as a picture of two rows."""
    return (torch.arange(n, **DOUBLE) * 2 * math.pi / n).reshape(1, 2, n // 2)


def camera_for(phase, **values):
    values = {"mosaic": False, **DOUBLE, **values}
    return PolarizationCamera(tuple(phase.shape[1:]), **values)


# --- Four-step formula -------------------------------------------------------------


@pytest.mark.parametrize("handedness", Handedness)
def test_four_step_formula_is_exact(handedness, rng):
    phase = 20 * torch.rand(2, 8, 6, **DOUBLE, generator=rng)
    amplitude = torch.rand(2, 8, 6, **DOUBLE, generator=rng)
    b = 0.6
    camera = camera_for(
        phase,
        reference_amplitude=b,
        visibility=2 * b / (1 + b**2),
        brightness_counts=(1 + b**2) / 2,
        handedness=handedness,
    )
    sign = 1 if handedness is Handedness.POSITIVE else -1
    for channel, angle in zip(
        camera(phase, amplitude).unbind(1), ANGLES_DEG, strict=True
    ):
        t = 2 * math.radians(angle)
        expected = (amplitude**2 + b**2) / 2
        expected = expected + amplitude * b * torch.cos(phase + sign * t)
        torch.testing.assert_close(channel, expected, rtol=0, atol=1e-12)


def test_four_step_phase_and_amplitude_come_back(rng, wrapped_difference):
    phase = 6 * torch.rand(1, 8, 8, **DOUBLE, generator=rng) - 3
    amplitude = 0.5 + torch.rand(1, 8, 8, **DOUBLE, generator=rng) / 2
    fringe = four_step(camera_for(phase)(phase, amplitude))
    torch.testing.assert_close(fringe.angle(), phase, rtol=0, atol=1e-12)
    torch.testing.assert_close(fringe.abs() / 2, amplitude, rtol=0, atol=1e-12)


def test_empty_field_has_the_stated_light_and_contrast():
    phase = circle()
    camera = camera_for(phase, brightness_counts=700.0, visibility=0.55)
    channels = camera(phase)
    torch.testing.assert_close(
        channels.mean(1), torch.full_like(phase, 700.0), rtol=0, atol=1e-9
    )
    assert float(visibility_of(channels)) == pytest.approx(0.55, rel=1e-9)


# --- Error table of the specification (D.2) ----------------------------------------


def test_extinction_lowers_the_contrast_and_keeps_the_phase(wrapped_difference):
    phase = circle()
    channels = camera_for(phase, extinction_ratio=0.01)(phase)
    assert float(visibility_of(channels)) == pytest.approx(0.980, abs=5e-4)
    error = wrapped_difference(four_step(channels).angle(), phase)
    assert error.abs().max() < 1e-12


@pytest.mark.parametrize(("error_deg", "rms_mrad"), [(1, 4.5), (3, 13.4), (5, 22.0)])
def test_retardance_error_shifts_the_phase_of_unequal_waves(
    error_deg, rms_mrad, wrapped_difference
):
    # The table holds for a reference wave of 0.7 of the object's amplitude.
    phase = circle()
    camera = camera_for(
        phase,
        reference_amplitude=0.7,
        visibility=1.4 / 1.49,
        retardance_error_deg=error_deg,
    )
    error = wrapped_difference(four_step(camera(phase)).angle(), phase)
    assert error.mean().abs() < 1e-9
    assert float(1e3 * error.std()) == pytest.approx(rms_mrad, rel=0.03)
    slope = (1 - 0.7**2) / (2 * 0.7) * math.radians(error_deg)
    assert float(error.std()) == pytest.approx(slope / math.sqrt(2), rel=0.01)


def test_equal_waves_feel_the_retardance_error_only_in_second_order(
    wrapped_difference,
):
    phase = circle()
    camera = camera_for(phase, retardance_error_deg=5.0)
    error = wrapped_difference(four_step(camera(phase)).angle(), phase)
    assert float(error.abs().max()) == pytest.approx(math.radians(5) ** 2 / 4, rel=0.01)


def test_noise_of_the_phase_is_as_in_theory(rng):
    electrons, visibility = 1e4, 0.9
    phase = circle(1 << 17)
    camera = camera_for(phase, brightness_counts=electrons, visibility=visibility)
    noisy = torch.poisson(camera(phase), generator=rng)
    error = (four_step(noisy) * torch.exp(-1j * phase)).angle()
    expected = 1 / (visibility * math.sqrt(2 * electrons))
    assert expected == pytest.approx(7.86e-3, rel=1e-3)
    assert float(error.std()) == pytest.approx(expected, rel=0.03)


def test_turned_analysers_and_gains_act_on_their_channel():
    phase = circle()
    ideal = camera_for(phase)(phase)
    turned = camera_for(phase, angle_errors_deg=(0, 2.0, 0, 0))(phase)
    expected = 1 + torch.cos(phase + 2 * math.radians(47))
    torch.testing.assert_close(turned[:, 1], expected)
    torch.testing.assert_close(turned[:, [0, 2, 3]], ideal[:, [0, 2, 3]])
    brighter = camera_for(phase, gains=(1, 1, 1.1, 1))(phase)
    torch.testing.assert_close(brighter[:, 2], 1.1 * ideal[:, 2])
    torch.testing.assert_close(brighter[:, :2], ideal[:, :2])


# --- Mosaic ------------------------------------------------------------------------

IMPERFECT = {
    "extinction_ratio": 0.02,
    "retardance_error_deg": 3.0,
    "angle_errors_deg": (1.0, -0.5, 0.3, 2.0),
    "gains": (1.0, 1.1, 0.9, 1.05),
    "reference_amplitude": 0.8,
    "unevenness": [[0.0, 0.1], [0.2, 0.0]],
    "background_rad": [[0.1, 2.0], [1.5, 0.2]],
}


@pytest.mark.parametrize("layout", list(itertools.permutations(ANGLES_DEG)))
def test_mosaic_samples_the_four_channels(layout, rng):
    phase = 5 * torch.rand(2, 6, 8, **DOUBLE, generator=rng)
    channels = camera_for(phase, **IMPERFECT)(phase)
    for offset in itertools.product((0, 1), (0, 3)):
        camera = camera_for(
            phase, mosaic=True, layout=layout, roi_offset_px=offset, **IMPERFECT
        )
        frame = camera(phase)
        assert frame.shape == (2, 1, 6, 8)
        for y, x in itertools.product(range(6), range(8)):
            cell = 2 * ((y + offset[0]) % 2) + (x + offset[1]) % 2
            channel = ANGLES_DEG.index(layout[cell])
            torch.testing.assert_close(frame[:, 0, y, x], channels[:, channel, y, x])
        torch.testing.assert_close(sample_mosaic(channels, layout, offset), frame)


def test_one_instrument_a_sample_equals_samples_one_by_one(rng):
    phase = 5 * torch.rand(3, 4, 4, **DOUBLE, generator=rng)
    many = {
        "gains": 1 + torch.rand(3, 4, **DOUBLE, generator=rng) / 5,
        "extinction_ratio": torch.rand(3, **DOUBLE, generator=rng) / 10,
        "visibility": torch.rand(3, **DOUBLE, generator=rng),
        "background_rad": torch.rand(3, 3, 3, **DOUBLE, generator=rng),
    }
    together = camera_for(phase, mosaic=True, **many)(phase)
    for n in range(3):
        one = {name: value[n] for name, value in many.items()}
        alone = camera_for(phase, mosaic=True, **one)(phase[n : n + 1])
        torch.testing.assert_close(alone[0], together[n])


# --- Common-path reference waves ---------------------------------------------------


def lone_cell(pixel_um=0.5, size=512, radius_um=9.5, peak_rad=1.5):
    """Return the phase of one cell, a flat dome, and where it is."""
    axis = (torch.arange(size, **DOUBLE) - size // 2) * pixel_um
    squared = (axis[:, None] ** 2 + axis[None, :] ** 2) / radius_um**2
    phase = peak_rad * torch.sqrt((1 - squared).clamp(min=0))
    return phase[None], (squared < 1)[None]


def mass_ratio(phase, inside, **values):
    """Return the four-step mass inside the cell over the true one."""
    fringe = four_step(camera_for(phase, **values)(phase))
    retrieved = torch.where(fringe.abs() > 1e-9, fringe.angle(), 0)
    return float((retrieved * inside).sum() / phase.sum())


def test_pinhole_that_passes_60_um_costs_a_fifth_of_the_mass():
    phase, inside = lone_cell()
    ratio = mass_ratio(
        phase,
        inside,
        reference_wave=ReferenceWave.POINT_DIFFRACTION,
        pinhole_cycles_per_px=0.5 / 60,
    )
    assert ratio == pytest.approx(1 - 0.21, abs=0.02)


def test_smaller_pinhole_costs_less_mass():
    phase, inside = lone_cell()
    ratios = [
        mass_ratio(
            phase,
            inside,
            reference_wave=ReferenceWave.POINT_DIFFRACTION,
            pinhole_cycles_per_px=0.5 / period_um,
        )
        for period_um in (60, 120, 240)
    ]
    assert ratios == sorted(ratios)
    assert ratios[-1] > 0.97


@pytest.mark.parametrize("peak_rad", [0.75, 1.2, 1.7])
def test_plain_four_step_overstates_mass_with_unscattered_reference(peak_rad):
    phase, inside = lone_cell(peak_rad=peak_rad)
    ratio = mass_ratio(phase, inside, reference_wave=ReferenceWave.UNSCATTERED)
    assert 1.8 < ratio < 4


def test_slim_relation_gives_the_phase_back(wrapped_difference):
    phase, _ = lone_cell(size=64, pixel_um=4.0)
    camera = camera_for(phase, reference_wave=ReferenceWave.UNSCATTERED)
    blank = camera.reference().mean(1)
    unscattered = torch.exp(1j * phase).mean().abs() ** 2
    field = 4 * unscattered * blank + four_step(camera(phase))
    error = wrapped_difference(field.angle(), phase)
    # The unscattered light is real but for a small common phase.
    assert (error - error.mean()).abs().max() < 1e-9


def test_point_diffraction_needs_its_pinhole():
    with pytest.raises(ParameterError, match="pinhole_cycles_per_px"):
        PolarizationCamera((4, 4), reference_wave="point-diffraction")


# --- Gradients and borders ---------------------------------------------------------


@pytest.mark.parametrize("reference_wave", ReferenceWave)
def test_gradients_reach_phase_amplitude_and_optics(reference_wave):
    values = {**IMPERFECT, "pinhole_cycles_per_px": 0.3, "brightness_counts": 2.0}
    if reference_wave is not ReferenceWave.POINT_DIFFRACTION:
        del values["pinhole_cycles_per_px"]
    pinhole = values.pop("pinhole_cycles_per_px", None)
    camera = PolarizationCamera(
        (4, 4),
        reference_wave=reference_wave,
        pinhole_cycles_per_px=pinhole,
        pupil=Pupil(0.3, 0.5, 0.4, **DOUBLE),
        **values,
        **DOUBLE,
    )
    names = [n for n in camera.value_names if n != "unevenness"]
    phase = torch.rand(1, 4, 4, **DOUBLE, requires_grad=True)
    amplitude = torch.rand(1, 4, 4, **DOUBLE, requires_grad=True)
    learned = tuple(getattr(camera, n).detach().requires_grad_() for n in names)

    def run(phase, amplitude, *learned):
        given = dict(zip(names, learned, strict=True))
        return torch.func.functional_call(camera, given, (phase, amplitude))

    assert torch.autograd.gradcheck(run, (phase, amplitude, *learned))


def test_impossible_layouts_and_odd_mosaics_are_refused():
    with pytest.raises(LayoutError, match="not an order of"):
        PolarizationCamera((4, 4), layout=(0, 0, 45, 90))
    with pytest.raises(LayoutError, match="even sides"):
        PolarizationCamera((4, 5))
    assert PolarizationCamera((4, 5), mosaic=False).reference().shape == (1, 4, 4, 5)
