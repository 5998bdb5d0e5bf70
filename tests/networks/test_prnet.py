import pytest
import torch
from torch import nn

from napari_qpm.errors import LayoutError
from napari_qpm.networks import (
    ConnectionMask,
    NasPRNet,
    SuperPRNet,
    network_cost,
)
from napari_qpm.networks.prnet import PhaseHead

INSTANCE = (
    "E2->D1 E4->D1 E5->D1 E7->D1 G->D1 D2->D1 D3->D1 D6->D1 D8->D1 E1->D2 E3->D2 "
    "E4->D2 E5->D2 E6->D2 E8->D2 D3->D2 D4->D2 D7->D2 E2->D3 E3->D3 E4->D3 E5->D3 "
    "G->D3 D5->D3 D7->D3 D8->D3 E6->D4 E7->D4 D5->D4 G->D5 D8->D5 E2->D6 E7->D6 "
    "E8->D6 E2->D7 E4->D7 E7->D7 G->D7 D8->D7 E4->D8 E7->D8 E8->D8"
)
"""42 connections with all stages alive that have the published 4.4 M parameters."""


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, shape: tuple[int, int], in_channels: int) -> int:
    """Count the multiply-accumulates of the convolutions that really run."""
    total = 0

    def count(layer: nn.Conv2d, _inputs: object, result: torch.Tensor) -> None:
        nonlocal total
        total += result[0].numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, in_channels, *shape))
    return total


def same_bits(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_super_prnet_has_the_published_number_of_parameters():
    assert n_parameters(SuperPRNet(3)) == 7_207_325
    assert n_parameters(SuperPRNet(1)) == 7_206_749


def test_derived_network_has_the_published_size():
    mask = ConnectionMask.of(*INSTANCE.split())
    cost = network_cost(mask)
    assert len(mask) == 42
    assert n_parameters(NasPRNet(mask)) == cost.params == 4_400_009
    # The instance of the specification has 11.10 G, the publication 11.3 G.
    assert cost.macs / 1e9 == pytest.approx(11.11, abs=5e-3)


@pytest.mark.parametrize("in_channels", [1, 3])
def test_cost_model_counts_the_convolutions_that_run(in_channels):
    mask = ConnectionMask.of(*INSTANCE.split())
    shape = (160, 128)
    cost = network_cost(mask, shape, in_channels)
    network = NasPRNet(mask, in_channels)
    assert n_parameters(network) == cost.params
    assert count_macs(network, shape, in_channels) == cost.macs


def test_super_prnet_costs_what_the_full_mask_costs():
    shape = (128, 96)
    cost = network_cost(ConnectionMask.full(), shape)
    assert count_macs(SuperPRNet(), shape, 3) == cost.macs


@pytest.mark.parametrize("shape", [(64, 64), (96, 160)])
def test_any_multiple_of_32_gives_a_map_from_0_to_1(shape):
    torch.manual_seed(0)
    network = NasPRNet(ConnectionMask.of(*INSTANCE.split()))
    result = network(torch.randn(2, 3, *shape)).detach()
    assert result.shape == (2, 1, *shape)
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    phase = network.eval().phase(torch.randn(1, 3, *shape))
    assert phase.shape == (1, *shape)
    assert float(network.state_dict()["head.range_rad"]) == 12.0


@pytest.mark.parametrize("shape", [(1, 3, 64, 65), (1, 1, 64, 64), (3, 64, 64)])
def test_other_inputs_are_refused_in_words(shape):
    network = NasPRNet(ConnectionMask.of("E1->D1"))
    with pytest.raises(LayoutError, match="multiples of 32"):
        network(torch.zeros(shape))


def test_joined_convolutions_equal_the_sum_of_single_ones():
    torch.manual_seed(0)
    mask = ConnectionMask.of("E1->D3", "E3->D3", "E5->D3", "G->D3", "D3->D1")
    network = NasPRNet(mask).eval()
    fusion = network.fusion["D3"]
    features = {
        "E1": torch.randn(1, 32, 32, 32),
        "E3": torch.randn(1, 24, 16, 16),
        "E5": torch.randn(1, 64, 4, 4),
        "G": torch.randn(1, 320, 3, 3),
    }
    size = (16, 16)

    def bilinear(images):
        return nn.functional.interpolate(images, size, mode="bilinear")

    kernel = fusion.convolutions["stride4"].weight
    convolve = nn.functional.conv2d
    expected = (
        convolve(bilinear(features["E1"]), kernel[:, :32], padding=1)
        + convolve(features["E3"], kernel[:, 32:], padding=1)
        + bilinear(fusion.convolutions["stride16"](features["E5"]))
        + bilinear(fusion.convolutions["G"](features["G"]))
    )
    # Order of float32 sums of some hundred terms of size 1.
    torch.testing.assert_close(fusion(features, size), expected, atol=1e-4, rtol=1e-4)


def test_weights_stay_within_bounds_and_begin_in_the_middle():
    network = SuperPRNet()
    assert set(network.weights_by_connection().values()) == {0.5}
    with torch.no_grad():
        network.connection_weights[0] = -0.2
        network.connection_weights[1] = 1.3
    network.clamp_weights()
    weights = list(network.weights_by_connection().values())
    assert weights[:3] == [0.0, 1.0, 0.5]


def test_search_losses_have_the_specified_size_at_the_start():
    network = SuperPRNet()
    assert 5e-3 * network.binary_loss().item() == pytest.approx(3.47e-3, abs=1e-5)
    assert 5e-5 * network.sparsity_loss().item() == pytest.approx(2.5e-3)
    network.binary_loss().backward()
    gradient = network.connection_weights.grad
    assert gradient is not None
    # The entropy is flat at one half: other losses decide the direction first.
    assert float(gradient.abs().max()) < 1e-6


def test_entropy_vanishes_for_decided_weights():
    network = SuperPRNet()
    with torch.no_grad():
        network.connection_weights[:50] = 0.0
        network.connection_weights[50:] = 1.0
    assert 0 <= network.binary_loss().item() < 1e-4


def test_scales_of_connection_norms_are_frozen():
    network = SuperPRNet()
    for connection in network.connections:
        assert not connection.norm.weight.requires_grad
        assert bool((connection.norm.weight == 1).all())
    assert network.fuse["D1"].norm.weight.requires_grad


def test_a_connection_of_weight_0_adds_nothing():
    torch.manual_seed(0)
    network = SuperPRNet().eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        network.head.convolution.weight.mul_(20)
        network.connection_weights.zero_()
        empty = network(images)
        network.connection_weights[:16] = 1.0
        assert not torch.equal(network(images), empty)
        network.connection_weights.zero_()
        network.connection_weights[20] = 1.0
        # It feeds D2, which feeds nothing here.
        assert torch.equal(network(images), empty)


def test_noise_on_the_weights_acts_in_training_only():
    torch.manual_seed(0)
    network = SuperPRNet(weight_noise=0.05).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images), network(images))
        network.train()
        assert not torch.equal(network(images), network(images))


def test_derived_mask_keeps_its_origin():
    network = SuperPRNet()
    with torch.no_grad():
        network.connection_weights[:15] = 0.0
    mask = network.derive_mask(origin={"recipe": "nas-prnet-search"})
    assert len(mask.into(1)) == 1
    assert mask.origin == {"recipe": "nas-prnet-search"}


def test_the_same_seed_gives_the_same_network():
    networks = []
    for _ in range(2):
        torch.manual_seed(5)
        networks.append(NasPRNet(ConnectionMask.of("E1->D1")))
    assert same_bits(*networks)


def test_training_brings_an_answer_of_nothing_back_to_a_faint_cell():
    head = PhaseHead(1, kernel=1)
    with torch.no_grad():
        head.convolution.weight.fill_(1.0)
        head.convolution.bias.fill_(0.0)
    below = torch.full((1, 1, 4, 4), -0.5, requires_grad=True)
    answer = head(below, (8, 8))
    assert not answer.any()
    (answer - 0.1).square().sum().backward()
    assert (below.grad < 0).all()


def test_training_leaves_an_empty_field_alone():
    head = PhaseHead(1, kernel=1)
    below = torch.full((1, 1, 4, 4), -50.0, requires_grad=True)
    head.convolution.weight.data.fill_(1.0)
    head(below, (8, 8)).sum().backward()
    assert not below.grad.any()


def test_the_range_is_the_same_in_training_and_in_use():
    head = PhaseHead(1, kernel=1)
    head.convolution.weight.data.fill_(1.0)
    features = torch.linspace(-3, 9, 16).reshape(1, 1, 4, 4)
    trained = head(features, (4, 4))
    torch.testing.assert_close(trained, head.eval()(features, (4, 4)))
