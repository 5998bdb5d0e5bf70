"""Propagation agrees with nrefocus and with theory."""

import math

import nrefocus
import numpy as np
import pytest
import torch

from napari_qpm.errors import LayoutError
from napari_qpm.physics.propagation import propagate, propagation_kernel

OPTICS = {"wavelength_um": 0.532, "pixel_um": 0.2, "medium_index": 1.3333}
BARE = {"pad": 1, "band_limit": False}


def relative(result, expected):
    return float((result - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("kernel", ["helmholtz", "fresnel"])
@pytest.mark.parametrize("distance_um", [-30.0, 2.0, 60.0])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.complex128, 1e-10), (torch.complex64, 1e-5)]
)
def test_agrees_with_nrefocus(kernel, distance_um, dtype, tolerance, rng):
    shape = (48, 64)
    field = torch.randn(shape, dtype=torch.complex128, generator=rng)
    oracle = nrefocus.iface.RefocusNumpy(
        field.numpy(),
        wavelength=OPTICS["wavelength_um"],
        pixel_size=OPTICS["pixel_um"],
        medium_index=OPTICS["medium_index"],
        kernel=kernel,
        padding=False,
    )
    method = {"helmholtz": "angular-spectrum", "fresnel": "fresnel"}[kernel]
    ours = propagate(field.to(dtype), distance_um, method=method, **BARE, **OPTICS)
    assert ours.dtype == dtype
    expected = torch.from_numpy(np.asarray(oracle.propagate(distance_um)))
    assert relative(ours.to(torch.complex128), expected) < tolerance


def test_there_and_back_is_the_same_inside_the_pass_band(band_limited):
    # n / wavelength = 2.5 cycles/um, Nyquist at 2.5 / sqrt(2): cut at 0.4 cycles/px.
    field = band_limited(2, 64, 0.4)
    there = propagate(field, 25.0, **BARE, **OPTICS)
    back = propagate(there, -25.0, **BARE, **OPTICS)
    assert relative(there, field) > 0.1
    assert relative(back, field) < 1e-12


def test_energy_is_conserved_inside_the_pass_band(band_limited):
    field = band_limited(2, 64, 0.4)
    after = propagate(field, torch.tensor([5.0, 50.0]), **BARE, **OPTICS)
    power = field.abs().square().sum((-2, -1))
    torch.testing.assert_close(after.abs().square().sum((-2, -1)), power)


def test_evanescent_waves_are_cut():
    like = torch.zeros(64, 64, dtype=torch.complex128)
    optics = {**OPTICS, "pixel_um": 0.1}
    kernel = propagation_kernel(like, 3.0, **optics)
    f = torch.fft.fftfreq(64, d=0.1, dtype=torch.float64)
    radius = torch.hypot(f[:, None], f[None, :])
    limit = OPTICS["medium_index"] / OPTICS["wavelength_um"]
    assert (kernel[radius >= limit] == 0).all()
    torch.testing.assert_close(
        kernel[radius < limit].abs(),
        torch.ones(int((radius < limit).sum()), dtype=torch.float64),
    )


def test_fresnel_is_the_limit_of_small_angles(band_limited):
    # The next term of the root is d k^4 / (8 km^3): 16 times less at half the angle.
    errors = []
    for cutoff in (0.04, 0.02):
        field = band_limited(1, 128, cutoff)
        exact = propagate(field, 100.0, **BARE, **OPTICS)
        paraxial = propagate(field, 100.0, method="fresnel", **BARE, **OPTICS)
        errors.append(relative(paraxial, exact))
        k = 2 * math.pi * cutoff / OPTICS["pixel_um"]
        km = 2 * math.pi * OPTICS["medium_index"] / OPTICS["wavelength_um"]
        assert errors[-1] < 1.05 * 100 * k**4 / (8 * km**3)
    assert errors[1] < errors[0] / 8


def test_a_wave_along_the_axis_stays_as_it_is():
    field = torch.ones(1, 32, 32, dtype=torch.complex128)
    torch.testing.assert_close(propagate(field, 40.0, **OPTICS), field)


def test_darkness_outside_diffracts_at_the_border():
    field = torch.ones(1, 64, 64, dtype=torch.complex128)
    dark = propagate(field, 20.0, border="zero", pad=4, **OPTICS)
    assert (dark.abs() - 1).abs().max() > 0.3


def test_padding_keeps_light_from_coming_back_on_the_other_side(bump):
    field = bump(sd_px=2.0, offset=(0, 28)).to(torch.complex128)
    wrapped = propagate(field, 60.0, pad=1, band_limit=False, **OPTICS)
    free = propagate(field, 60.0, pad=4, border="zero", **OPTICS)
    far = (0, slice(None), slice(8))
    assert wrapped[far].abs().square().sum() > 5 * free[far].abs().square().sum()


def test_one_distance_a_sample_equals_samples_one_by_one(band_limited):
    field = band_limited(3, 32, 0.3)
    distances = torch.tensor([-4.0, 0.0, 9.0])
    together = propagate(field, distances, **OPTICS)
    for n, distance in enumerate(distances):
        alone = propagate(field[n : n + 1], float(distance), **OPTICS)
        torch.testing.assert_close(together[n : n + 1], alone)


def test_gradients_reach_field_and_optics(band_limited):
    field = band_limited(1, 4, 0.4).requires_grad_()
    values = [torch.tensor(v, dtype=torch.float64) for v in (1.5, 0.532, 0.25, 1.33)]
    for value in values:
        value.requires_grad_()

    def run(field, distance, wavelength, pixel, index):
        return propagate(
            field,
            distance,
            wavelength_um=wavelength,
            pixel_um=pixel,
            medium_index=index,
            band_limit=False,
        )

    assert torch.autograd.gradcheck(run, (field, *values))


def test_gradient_is_finite_where_waves_are_evanescent():
    field = torch.ones(1, 16, 16, dtype=torch.complex128, requires_grad=True)
    wavelength = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    propagate(field, 1.0, wavelength_um=wavelength, pixel_um=0.1).abs().sum().backward()
    assert torch.isfinite(wavelength.grad)


def test_impossible_padding_is_refused():
    with pytest.raises(LayoutError, match="1 or more"):
        propagate(torch.ones(4, 4, dtype=torch.complex64), 1.0, pad=0, **OPTICS)
