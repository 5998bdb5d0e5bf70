import torch
from torch import nn

from napari_qpm.training.averaging import WeightAverage


def make_network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def test_average_follows_slowly():
    network = make_network()
    average = WeightAverage(network, 0.9)
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        average.network[0].weight.fill_(0.0)
    average.update(step=1_000)
    torch.testing.assert_close(
        average.network[0].weight, torch.full((2, 2), 0.1), atol=1e-6, rtol=0
    )
    average.update(step=1_001)
    assert 0.18 < float(average.network[0].weight[0, 0]) < 0.2


def test_early_steps_forget_the_start():
    network = make_network()
    average = WeightAverage(network, 0.999)
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        average.network[0].weight.fill_(0.0)
    average.update(step=1)
    assert float(average.network[0].weight[0, 0]) > 0.8


def test_counters_are_copied_and_nothing_learns():
    network = make_network()
    average = WeightAverage(network, 0.9)
    network.train()
    network(torch.randn(4, 2))
    average.update(step=1)
    assert int(average.network[1].num_batches_tracked) == 1
    assert not any(p.requires_grad for p in average.network.parameters())


def test_no_decay_is_the_network_itself():
    network = make_network()
    average = WeightAverage(network, 0.0)
    average.update(step=1)
    assert average.network is network
