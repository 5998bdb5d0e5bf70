"""The camera's noise follows the photon transfer line and its own generator."""

import pytest
import torch

from napari_qpm.errors import ParameterError
from napari_qpm.physics.detector import Detector


def light(*levels, size=200):
    return torch.tensor(levels)[:, None, None, None].expand(-1, 1, size, size)


@pytest.mark.parametrize("exact_poisson", [True, False])
def test_mean_and_variance_follow_the_photon_transfer_line(exact_poisson, rng):
    detector = Detector(
        gain_e_per_count=4.0,
        read_noise_e=6.0,
        dark_counts=64.0,
        bit_depth=12,
        exact_poisson=exact_poisson,
    )
    mean = light(50.0, 400.0, 2500.0)
    counts = detector(mean, rng)
    # 40 000 pixels: the mean is known to sd / 200, the variance to 0.7 %.
    torch.testing.assert_close(
        counts.mean((1, 2, 3)), mean[:, 0, 0, 0] + 64, rtol=0, atol=0.6
    )
    expected = detector.variance(mean)[:, 0, 0, 0]
    torch.testing.assert_close(
        expected, mean[:, 0, 0, 0] / 4 + (6 / 4) ** 2 + 1 / 12, rtol=1e-6, atol=0
    )
    torch.testing.assert_close(counts.var((1, 2, 3)), expected, rtol=0.03, atol=0)


def test_few_electrons_are_poisson_distributed(rng):
    counts = Detector(gain_e_per_count=1.0)(light(0.7), rng)
    assert float((counts == 0).float().mean()) == pytest.approx(0.4966, abs=0.01)
    assert float((counts == 1).float().mean()) == pytest.approx(0.3476, abs=0.01)


def test_counts_are_whole_and_saturate(rng):
    detector = Detector(gain_e_per_count=2.0, bit_depth=8, read_noise_e=3.0)
    counts = detector(light(0.0, 250.0, 1000.0), rng)
    assert (counts == counts.round()).all()
    assert counts.min() == 0
    assert counts.max() == detector.saturation_counts == 255
    assert (counts[2] == 255).all()


def test_full_well_limits_before_the_bits_do(rng):
    detector = Detector(gain_e_per_count=1.0, full_well_e=500.0, bit_depth=12)
    assert (detector(light(2000.0), rng) == 500).all()


def test_unequal_pixels_keep_their_response_from_frame_to_frame(rng):
    detector = Detector(gain_e_per_count=1e4, prnu=0.02)
    pattern = torch.randn(1, 1, 200, 200, generator=rng)
    counts = detector(light(100.0, 100.0), rng, pattern)
    relative = counts / 100 - 1
    assert float(relative.std()) == pytest.approx(0.02, rel=0.03)
    assert float((relative[0] - relative[1]).std()) < 2e-3
    own = detector(light(100.0, 100.0), rng) / 100 - 1
    assert float((own[0] - own[1]).std()) == pytest.approx(0.02 * 2**0.5, rel=0.03)


def test_same_seed_gives_the_same_frame():
    detector = Detector(gain_e_per_count=3.0, read_noise_e=2.0, prnu=0.01, bit_depth=10)
    seeded = [torch.Generator().manual_seed(seed) for seed in (5, 5, 6)]
    first, second, other = (detector(light(80.0), g) for g in seeded)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert (first != other).any()


def test_one_camera_a_sample(rng):
    detector = Detector(gain_e_per_count=[1.0, 100.0], dark_counts=[0.0, 10.0])
    counts = detector(light(100.0, 100.0), rng)
    assert float(counts[0].var()) == pytest.approx(100, rel=0.03)
    assert float(counts[1].var()) == pytest.approx(1, rel=0.03)
    assert float(counts[1].mean()) == pytest.approx(110, abs=0.1)


@pytest.mark.parametrize("max_photons", [100.0, 1e4])
def test_reparameterised_noise_has_the_stated_mean_and_variance(max_photons, rng):
    detector = Detector(gain_e_per_count=1.0, read_noise_e=4.0)
    for level in (0.05, 0.6):
        noisy = detector.reparameterised(light(level, size=300), max_photons, rng)
        mean = level + 10 / max_photons
        variance = level / max_photons + 10 / max_photons**2 + (4 / max_photons) ** 2
        assert float(noisy.mean()) == pytest.approx(mean, abs=4 * variance**0.5 / 300)
        assert float(noisy.var()) == pytest.approx(variance, rel=0.03)


def test_reparameterised_noise_lets_gradients_through():
    detector = Detector(gain_e_per_count=1.0, read_noise_e=4.0, dtype=torch.float64)
    signal = torch.rand(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)

    def run(signal, _):
        rng = torch.Generator().manual_seed(1)
        return detector.reparameterised(signal, 100.0, rng)

    assert torch.autograd.gradcheck(
        run, (signal, detector.learn("read_noise_e").read_noise_e)
    )


def test_impossible_bit_depth_is_refused():
    with pytest.raises(ParameterError, match="bit_depth"):
        Detector(gain_e_per_count=1.0, bit_depth=0)
