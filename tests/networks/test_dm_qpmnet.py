import numpy as np
import pytest
import torch
from torch import nn

from napari_qpm.errors import LayoutError, ParameterError, UnknownNameError
from napari_qpm.networks import DMQPMNet, input_channels
from napari_qpm.runtime.architectures import make_network
from napari_qpm.runtime.export import save_model
from napari_qpm.runtime.parity import PARITY_TOLERANCE, parity_error

VARIANTS = [
    {},
    {"fusion": "concat"},
    {"fusion": "gate"},
    {"fusion_stage": 1},
    {"fusion_stage": 3},
    {"inputs": "early"},
    {"inputs": "angles"},
    {"inputs": "phase"},
    {"drop_angle": 45},
    {"has_bottleneck": False},
]


def n_parameters(**config) -> int:
    with torch.device("meta"):
        network = DMQPMNet(**config)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 21_083_562),
        ({"fusion": "concat"}, 20_983_978),
        ({"fusion": "gate"}, 21_017_002),
        ({"fusion_stage": 1}, 20_729_386),
        ({"fusion_stage": 3}, 22_496_426),
        ({"has_bottleneck": False}, 8_230_824),
        ({"inputs": "early"}, 20_620_234),
        ({"inputs": "early", "has_bottleneck": False}, 7_767_496),
        ({"inputs": "angles"}, 20_619_946),
        ({"inputs": "phase"}, 20_619_082),
        ({"width": 24}, 11_863_810),
        ({"width": 16}, 5_276_634),
        ({"width": 16, "fusion": "concat"}, 5_251_418),
        ({"width": 16, "inputs": "phase"}, 5_159_338),
    ],
    ids=str,
)
def test_sizes_are_those_of_the_specification(config, expected):
    assert n_parameters(**config) == expected


def test_leaving_an_angle_out_changes_the_first_convolution_only():
    shapes = [
        {name: value.shape for name, value in network.state_dict().items()}
        for network in (DMQPMNet(width=2), DMQPMNet(width=2, drop_angle=90))
    ]
    changed = {name for name in shapes[0] if shapes[0][name] != shapes[1][name]}
    own = {name for name in changed if not name.startswith("normalise.")}
    assert own == {"angle_encoder.0.0.0.weight"}
    assert input_channels("dual", 90) == ("angle 0", "angle 45", "angle 135", "phase")


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_every_variant_learns_with_all_that_it_has(config):
    torch.manual_seed(0)
    network = DMQPMNet(width=2, has_instances=True, **config)
    images = torch.randn(2, network.in_channels, 64, 64)
    answers = network(images)
    assert [tuple(a.shape) for a in answers] == [
        (2, 4, 64 // 2**n, 64 // 2**n) for n in range(len(answers))
    ]
    sum(answer.square().mean() for answer in answers).backward()
    assert all(p.grad is not None for p in network.parameters())
    whole = network.eval()(images).detach()
    assert whole.shape == (2, 3, 64, 64)
    assert 0 <= float(whole[:, 1:].min()) <= float(whole[:, 1:].max()) <= 1


def test_binary_network_answers_with_one_logit():
    network = DMQPMNet("phase", width=2).eval()
    assert network(torch.zeros(1, 1, 64, 64)).shape == (1, 1, 64, 64)


def test_normalisation_belongs_to_the_model():
    network = DMQPMNet("phase", width=2).eval()
    images = torch.randn(1, 1, 64, 64)
    plain = network(images).detach()
    network.normalise.set(mean=torch.tensor([3.0]), deviation=torch.tensor([2.0]))
    assert "normalise.mean" in network.state_dict()
    np.testing.assert_allclose(network(3 + 2 * images).detach(), plain, atol=1e-4)
    network.normalise.set(low=torch.tensor([3.0]), high=torch.tensor([3.0]))
    assert float(network.normalise(images).abs().max()) == 0


def test_encoders_meet_by_attention_over_the_whole_image():
    torch.manual_seed(0)
    network = DMQPMNet(width=2).eval()
    images = torch.randn(1, 5, 128, 128)
    changed = images.clone()
    # A spot of the phase, far beyond the reach of convolutions down to stage 2.
    changed[:, 4, :4, :4] += 5
    with torch.no_grad():
        before, after = (network._encode(x)[2][0, :, -1, -1] for x in (images, changed))
    assert float((before - after).abs().max()) > 0


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"inputs": "colour"}, UnknownNameError),
        ({"fusion": "sum"}, UnknownNameError),
        ({"fusion_stage": 4}, ParameterError),
        ({"drop_angle": 30}, ParameterError),
        ({"in_channels": 4}, ParameterError),
    ],
)
def test_what_does_not_exist_is_refused(config, error):
    with pytest.raises(error):
        make_network("dm-qpmnet", {"width": 2, **config})


def test_images_of_other_sizes_are_refused():
    with pytest.raises(LayoutError, match="multiples of 32"):
        DMQPMNet("phase", width=2)(torch.zeros(1, 1, 40, 64))


def lively(network: nn.Module) -> nn.Module:
    """Return it with norms and statistics that would show if the graph lost them."""
    for name, value in network.state_dict().items():
        if value.ndim == 1 and not name.startswith("normalise"):
            value.add_(torch.randn_like(value) * 0.2)
    network.normalise.set(mean=torch.full((5,), 0.3), deviation=torch.full((5,), 1.4))
    return network.eval()


def test_exported_graph_computes_the_same_with_attention_in_pieces(tmp_path):
    torch.manual_seed(1)
    config = {"in_channels": 5, "width": 2, "has_instances": True}
    config["has_bottleneck"] = False
    fields = {
        "name": "tiny",
        "title": "Tiny",
        "kind": "cells",
        "architecture": "dm-qpmnet",
        "config": config,
    }
    network = lively(make_network("dm-qpmnet", config))
    model = save_model(tmp_path / "tiny", fields, network, half_graph=False)
    assert parity_error(model) <= PARITY_TOLERANCE
    assert b"MultiHeadAttention" in model.graph_path.read_bytes()
