"""Few wavelengths stand for the whole spectrum."""

import pytest
import torch

from napari_qpm.physics.spectrum import band_weights, white_lamp


@pytest.mark.parametrize("n", [1, 9, 40])
def test_samples_keep_the_mean_wavelength(n):
    fine, fine_power = white_lamp(1000)
    wavelengths, powers = white_lamp(n)
    assert float(powers.sum()) == pytest.approx(1)
    mean = float((wavelengths * powers).sum())
    assert mean == pytest.approx(float((fine * fine_power).sum()), abs=1e-6)


def test_crosstalk_moves_light_between_channels():
    lamp = white_lamp(9)
    centres = torch.tensor([[0.605, 0.535, 0.465]]).double().expand(2, 3)
    widths = torch.full((2, 3), 0.04).double()
    weights = band_weights(*lamp, centres, widths, torch.tensor([0.0, 0.2]).double())
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3).double())
    pure, mixed = weights
    torch.testing.assert_close(mixed[0], 0.8 * pure[0] + 0.1 * (pure[1] + pure[2]))
    mean = (pure * lamp[0]).sum(-1)
    assert mean[0] > mean[1] > mean[2]
