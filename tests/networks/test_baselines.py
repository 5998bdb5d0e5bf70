import pytest
import torch
from torch import nn

from napari_qpm.errors import LayoutError
from napari_qpm.networks import SparseMaskNet, UNet


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    "network",
    [UNet(3, width=4), SparseMaskNet(3, depth=8)],
    ids=["U-Net", "SparseMask"],
)
def test_baselines_give_a_map_of_the_input_size(network):
    result = network(torch.randn(2, 3, 64, 96)).detach()
    assert result.shape == (2, 1, 64, 96)
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    assert network.phase(torch.randn(2, 3, 64, 64)).shape == (2, 64, 64)
    with pytest.raises(LayoutError, match="multiples of 32"):
        network(torch.zeros(1, 3, 40, 64))


def test_full_width_u_net_is_the_classic_one():
    # 31.0 million, as of every U-Net from 64 to 1024 channels.
    assert n_parameters(UNet(3, width=64)) == pytest.approx(31.04e6, rel=1e-3)
    assert n_parameters(UNet(3, width=16)) < 2e6


def test_sparse_mask_style_decoder_is_light():
    network = SparseMaskNet(3, depth=64)
    encoder = n_parameters(network.encoder)
    assert n_parameters(network) - encoder < 0.6e6


def test_every_parameter_of_the_baselines_learns():
    torch.manual_seed(0)
    for network in (UNet(3, width=4), SparseMaskNet(3, depth=8)):
        network(torch.randn(2, 3, 64, 64)).sum().backward()
        assert all(p.grad is not None for p in network.parameters())
