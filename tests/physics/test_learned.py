"""Learned optics have the published sizes, cut evanescent waves, and can be trained."""

import math

import pytest
import torch

from napari_qpm.errors import LayoutError, ParameterError
from napari_qpm.physics.learned import (
    PIXEL_UM,
    WAVELENGTH_UM,
    DiffractiveNetwork,
    FourierFilter,
    demagnify,
)
from napari_qpm.physics.propagation import propagate


def n_learned(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def field_of(n=1, size=32, seed=1):
    rng = torch.Generator().manual_seed(seed)
    phase = 6 * torch.rand(n, size, size, generator=rng)
    return torch.polar(torch.ones_like(phase), phase)


def test_fourier_filter_has_the_published_size():
    assert n_learned(FourierFilter()) == 131_072


def test_diffractive_network_has_the_published_size():
    network = DiffractiveNetwork(window=1)
    assert sum(p.numel() for p in network.phases_rad) == 327_680
    assert network.log_powers.numel() == 5
    assert n_learned(network) == 327_685


def test_filter_passes_only_what_propagates():
    optics = FourierFilter(64)
    f = torch.fft.fftfreq(64, d=PIXEL_UM)
    radius = torch.hypot(f[:, None], f[None])
    transmission = optics.transmission().abs()
    assert (transmission[radius > 1 / WAVELENGTH_UM + 1e-6] == 0).all()
    assert (transmission[radius < 1 / WAVELENGTH_UM - 1e-6] > 0).all()
    # Half a wavelength a pixel: the circle touches the sides, pi / 4 of the plane.
    share = (FourierFilter(256).passes).double().mean()
    assert float(share) == pytest.approx(math.pi / 4, abs=3e-3)


def test_open_filter_dims_and_keeps_the_picture():
    optics = FourierFilter(32)
    torch.nn.init.zeros_(optics.amplitude_logit)
    torch.nn.init.zeros_(optics.phase_rad)
    field = torch.fft.ifft2(torch.fft.fft2(field_of()) * optics.passes)
    torch.testing.assert_close(optics(field), field.abs() ** 2 / 4)


@pytest.mark.parametrize("depth", [1, 2])
def test_network_is_propagation_and_masks_in_turn(depth):
    rng = torch.Generator().manual_seed(3)
    network = DiffractiveNetwork(32, n_layers=2, generator=rng)
    torch.nn.init.constant_(network.log_powers, 0.3)
    field = field_of(2)
    optics = {"wavelength_um": WAVELENGTH_UM, "pixel_um": PIXEL_UM, "pad": 4}
    optics |= {"border": "zero", "band_limit": False}
    expected = field
    for n in range(depth):
        expected = propagate(expected, 3.373, **optics)
        expected = expected * torch.exp(1j * network.phases_rad[n])
    expected = propagate(expected, 5.904, **optics)
    torch.testing.assert_close(
        network(field, depth), math.exp(0.6) * expected.abs() ** 2
    )


def test_kernels_of_the_network_cut_evanescent_waves():
    network = DiffractiveNetwork(32)
    f = torch.fft.fftfreq(128, d=PIXEL_UM)
    beyond = torch.hypot(f[:, None], f[None]) > 1 / WAVELENGTH_UM + 1e-6
    assert beyond.any()
    assert (network.to_layer[beyond] == 0).all()
    assert (network.to_detector[beyond] == 0).all()


def test_masks_lose_light_and_gain_none():
    network = DiffractiveNetwork(32)
    field = field_of(2)
    assert (network(field).sum((1, 2)) < field.abs().square().sum((1, 2))).all()


@pytest.mark.parametrize(
    "make_optics", [lambda: FourierFilter(16), lambda: DiffractiveNetwork(16, 2)]
)
def test_optics_learn(make_optics):
    # torch seeds itself anew in every process, and a rare start learns slowly.
    torch.manual_seed(0)
    optics = make_optics()
    phase = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(optics.parameters(), lr=0.1)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        image = optics(torch.polar(torch.ones_like(phase), phase))
        loss = (image - phase).abs().mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_a_frozen_mask_stays():
    network = DiffractiveNetwork(16, 2)
    network.phases_rad[0].requires_grad_(False)
    network(field_of(size=16)).sum().backward()
    assert network.phases_rad[0].grad is None
    assert network.phases_rad[1].grad.abs().sum() > 0


@pytest.mark.parametrize(("factor", "fraction"), [(1, 1), (8, 64), (16, 256)])
def test_demagnification_averages(factor, fraction):
    image = torch.rand(2, 64, 64, dtype=torch.float64)
    small = demagnify(image, factor)
    assert small.numel() * fraction == image.numel()
    block = image[1, :factor, factor : 2 * factor].mean()
    torch.testing.assert_close(small[1, 0, 1], block)
    torch.testing.assert_close(small.mean(), image.mean())


def test_wrong_sizes_are_refused():
    with pytest.raises(ParameterError, match="power of two, not 6"):
        demagnify(torch.zeros(64, 64), 6)
    with pytest.raises(ParameterError, match="power of two, not 0"):
        demagnify(torch.zeros(64, 64), 0)
    with pytest.raises(LayoutError, match="20 x 64 does not shrink by 8"):
        demagnify(torch.zeros(20, 64), 8)
    with pytest.raises(LayoutError, match=r"\(N, 16, 16\)"):
        FourierFilter(16)(field_of())
    with pytest.raises(ParameterError, match="1 to 2 masks, not 3"):
        DiffractiveNetwork(16, 2)(field_of(size=16), depth=3)
    with pytest.raises(ParameterError, match="n_layers"):
        DiffractiveNetwork(16, 0)
