"""The objective cuts the spectrum at its aperture and shifts its phase as asked."""

import math

import pytest
import torch

from napari_qpm.physics.propagation import propagate
from napari_qpm.physics.pupil import Pupil, round_aperture
from napari_qpm.physics.zernike import zernike

DOUBLE = {"dtype": torch.float64}
OPTICS = {"wavelength_um": 0.5, "pixel_um": 0.25}


def wave(period_px, size=64):
    x = torch.arange(size, **DOUBLE)
    return torch.exp(2j * math.pi * x / period_px).expand(1, size, size)


@pytest.mark.parametrize(("period_px", "passes"), [(8, 1.0), (4, 0.0)])
def test_waves_beyond_the_aperture_are_cut(period_px, passes):
    # NA 0.3: periods down to 0.5 / 0.3 = 1.67 um pass, 6.7 pixels.
    image = Pupil(0.3, **OPTICS, **DOUBLE)(wave(period_px))
    torch.testing.assert_close(image, passes * wave(period_px), rtol=0, atol=1e-12)


def test_aperture_has_the_area_of_its_disk():
    disk = round_aperture(torch.zeros(128, 128, **DOUBLE), 0.2)
    assert float(disk.mean()) == pytest.approx(math.pi * 0.2**2, rel=1e-3)


def test_defocus_is_propagation(band_limited):
    field = band_limited(2, 32, 0.2)
    pupil = Pupil(0.9, **OPTICS, medium_index=1.33, defocus_um=3.0, **DOUBLE)
    expected = propagate(
        field, 3.0, **OPTICS, medium_index=1.33, pad=1, band_limit=False
    )
    torch.testing.assert_close(pupil(field), expected)


def test_aberration_shifts_the_phase_of_a_wave():
    waves = torch.zeros(11, **DOUBLE)
    waves[3], waves[10] = 0.1, -0.05
    image = Pupil(0.5, **OPTICS, zernike_waves=waves, **DOUBLE)(wave(8))
    # Period 8 px = 2 um: rho = (1 / 2) / (0.5 / 0.5) = 0.5 of the pupil.
    zero, half = torch.tensor(0.0, **DOUBLE), torch.tensor(0.5, **DOUBLE)
    phase = 0.1 * zernike(4, zero, half) - 0.05 * zernike(11, zero, half)
    expected = wave(8) * torch.exp(2j * math.pi * phase)
    torch.testing.assert_close(image, expected)


def test_one_objective_a_sample_equals_samples_one_by_one(band_limited):
    field = band_limited(2, 16, 0.4)
    na, defocus = torch.tensor([0.3, 0.8]), torch.tensor([1.0, -2.0])
    waves = torch.tensor([[0.0, 0.1, 0.2], [0.1, 0.0, 0.3]])
    values = {"na": na, "defocus_um": defocus, "zernike_waves": waves}
    together = Pupil(**values, **OPTICS)(field)
    for n in range(2):
        one = {name: value[n] for name, value in values.items()}
        alone = Pupil(**one, **OPTICS)(field[n : n + 1])
        torch.testing.assert_close(alone[0], together[n])


def test_gradients_reach_field_and_objective(band_limited):
    pupil = Pupil(0.55, **OPTICS, zernike_waves=[0.0, 0.1, 0.2, 0.1], **DOUBLE)
    names = ("na", "defocus_um", "zernike_waves", "medium_index")
    field = band_limited(1, 6, 0.5).requires_grad_()
    values = tuple(getattr(pupil, n).detach().requires_grad_() for n in names)

    def run(field, *values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(pupil, given, (field,))

    assert torch.autograd.gradcheck(run, (field, *values))
