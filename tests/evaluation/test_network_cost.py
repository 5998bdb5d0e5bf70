import pytest

from napari_qpm.evaluation.network_cost import count_cost
from napari_qpm.networks import ConnectionMask, network_cost

CONNECTIONS = ("E1->D1", "E4->D1", "D3->D1", "E3->D3", "E6->D3", "D8->D3", "E8->D8")


def test_counted_cost_is_the_calculated_one():
    config = {"in_channels": 3, "connections": CONNECTIONS}
    counted = count_cost("nas-prnet", config, (256, 256))
    calculated = network_cost(ConnectionMask.of(*CONNECTIONS), (256, 256))
    assert counted.params == calculated.params
    # The ground feature is pooled by matrix products, which the formula leaves out.
    assert counted.macs == pytest.approx(calculated.macs, rel=0.002)


def test_super_prnet_has_the_published_size():
    cost = count_cost("super-prnet", {"in_channels": 3})
    assert cost.params == 7_207_325
    assert cost.macs == pytest.approx(16.44e9, rel=0.001)


def test_cost_grows_with_the_frame():
    config = {"in_channels": 3, "width": 4}
    small, large = (count_cost("u-net", config, (n, n)) for n in (64, 128))
    assert large.macs == 4 * small.macs
    assert large.params == small.params
