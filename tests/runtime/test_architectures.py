import numpy as np
import pytest
import torch

from napari_qpm.errors import FileFormatError, ParameterError, UnknownNameError
from napari_qpm.runtime import open_model
from napari_qpm.runtime.architectures import (
    ARCHITECTURES,
    activation_bytes_per_px,
    build_network,
    make_network,
)

SMALL = {
    "nas-prnet": {"in_channels": 1, "connections": ["E2->D1", "D3->D1", "E8->D3"]},
    "super-prnet": {"in_channels": 1, "range_rad": 6.0},
    "u-net": {"in_channels": 1, "width": 2},
    "sparse-mask": {"in_channels": 1, "width": 4},
    "dm-qpmnet": {"in_channels": 1, "width": 2, "inputs": "phase"},
}


@pytest.mark.parametrize("name", [entry.name for entry in ARCHITECTURES])
def test_every_architecture_is_built_by_name(name):
    network = make_network(name, SMALL[name])
    assert not network.training
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 32, 64)).shape == (1, 1, 32, 64)


def test_connections_and_width_are_those_of_the_configuration():
    assert len(make_network("nas-prnet", SMALL["nas-prnet"]).mask) == 3
    assert len(make_network("nas-prnet", {}).mask) == 100
    narrow, wide = (
        sum(p.numel() for p in make_network("sparse-mask", {"width": w}).parameters())
        for w in (4, 8)
    )
    assert narrow < wide


def test_mistakes_are_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'u-net'"):
        make_network("unet", {})
    with pytest.raises(ParameterError, match="depth_of_field"):
        make_network("u-net", {"depth_of_field": 3})
    with pytest.raises(ParameterError, match="E3"):
        make_network("nas-prnet", {"connections": ["E3"]})


def test_network_has_the_stored_weights(tiny_model, tiny_network):
    built = build_network(tiny_model).state_dict()
    for name, value in tiny_network.state_dict().items():
        kept = value.half().float() if value.ndim > 1 else value
        assert torch.equal(built[name], kept), name


def test_weights_of_another_network_are_named(make_folder, tmp_path):
    model = open_model(make_folder(tmp_path))
    with pytest.raises(FileFormatError, match="do not fit a u-net"):
        build_network(model)


def test_memory_is_known_for_every_architecture(make_folder, tmp_path):
    for entry in ARCHITECTURES:
        folder = make_folder(tmp_path, entry.name, architecture=entry.name)
        spec = open_model(folder).spec
        single = activation_bytes_per_px(spec, "onnx", "f32")
        assert single == 2 * activation_bytes_per_px(spec, "onnx", "f16") > 0
        assert np.isfinite(activation_bytes_per_px(spec, "torch", "f32"))
    folder = make_folder(tmp_path, "narrow", config={"width": 32})
    narrow = activation_bytes_per_px(open_model(folder).spec, "onnx", "f32")
    wide = activation_bytes_per_px(open_model(tmp_path / "u-net").spec, "onnx", "f32")
    assert wide == 2 * narrow
