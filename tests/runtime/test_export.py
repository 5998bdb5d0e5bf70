import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.numpy
import torch

from napari_qpm.errors import LayoutError, OutputError, ParameterError
from napari_qpm.runtime import open_session
from napari_qpm.runtime.architectures import make_network
from napari_qpm.runtime.export import save_model
from napari_qpm.runtime.store import sha256_of


def fields_of(model, **changes):
    return dataclasses.asdict(model.spec) | changes


def test_folder_holds_what_a_model_is(tiny_model):
    names = {path.name for path in tiny_model.folder.iterdir()}
    assert names == {
        "README.md",
        "graph.fp16.onnx",
        "graph.onnx",
        "model.json",
        "weights.safetensors",
    }
    assert tiny_model.spec.sha256 == sha256_of(tiny_model.weights_path)
    assert json.loads((tiny_model.folder / "model.json").read_text())["created"]
    card = (tiny_model.folder / "README.md").read_text()
    assert card.startswith("# Tiny")
    assert "u-net" in card


def test_graph_holds_no_weights(tiny_model, tiny_network):
    graph = onnx.load(str(tiny_model.graph_path), load_external_data=False).graph
    names = set(tiny_network.state_dict())
    weights = [i for i in graph.initializer if i.name in names]
    assert len(weights) > 50
    assert not any(w.raw_data or w.float_data for w in weights)
    # Less than a byte per weight of a true network, and no notes of the tracer.
    assert tiny_model.graph_path.stat().st_size < 30_000


def test_kernels_are_half_precision_and_norms_are_not(tiny_model):
    stored = safetensors.numpy.load_file(tiny_model.weights_path)
    kinds = {(v.ndim > 1, v.dtype.name) for v in stored.values() if v.dtype.kind == "f"}
    assert kinds == {(True, "float16"), (False, "float32")}


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 3, 64, 160)])
def test_graph_takes_any_batch_and_sides(tiny_model, tiny_network, shape):
    inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = open_session(tiny_model, runtime="onnx", device="cpu").run(inputs)
    with torch.inference_mode():
        expected = tiny_network(torch.from_numpy(inputs)).numpy()
    # Weights lose 0.05 % each in half precision.
    assert np.abs(found - expected).max() < 5e-3 * np.abs(expected).max()


def test_graph_in_half_precision_says_nearly_the_same(tiny_model):
    options = onnxruntime.SessionOptions()
    weights = {
        name: value.astype(np.float16)
        for name, value in tiny_model.graph_weights().items()
    }
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(v) for v in weights.values()]
    options.add_external_initializers(list(weights), values)
    session = onnxruntime.InferenceSession(
        str(tiny_model.half_graph_path), options, providers=["CPUExecutionProvider"]
    )
    inputs = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    (found,) = session.run(None, {"inputs": inputs})
    expected = open_session(tiny_model, device="cpu").run(inputs)
    assert found.dtype == np.float32
    # Ten layers of 11-bit numbers.
    assert np.abs(found - expected).max() < 1e-2 * np.abs(expected).max()


def test_model_with_the_same_architecture_takes_over_the_graph(
    tiny_model, tmp_path, monkeypatch
):
    def traces(*_: object) -> None:
        raise AssertionError("traced again")

    monkeypatch.setattr("napari_qpm.runtime.export._trace", traces)
    torch.manual_seed(5)
    network = make_network("u-net", tiny_model.spec.config)
    fields = fields_of(tiny_model, name="adapted", base="tiny")
    model = save_model(tmp_path / "adapted", fields, network, graph_of=tiny_model)
    assert model.graph_path.read_bytes() == tiny_model.graph_path.read_bytes()
    assert model.spec.base == "tiny"
    assert model.spec.sha256 != tiny_model.spec.sha256
    inputs = np.ones((1, 3, 32, 32), np.float32)
    outputs = [open_session(m, device="cpu").run(inputs) for m in (model, tiny_model)]
    assert not np.allclose(*outputs)


def test_graph_of_another_network_is_not_taken(tiny_model, tmp_path):
    config = {"in_channels": 3, "width": 4}
    fields = fields_of(tiny_model, name="wide", config=config)
    with pytest.raises(ParameterError, match="another network"):
        save_model(
            tmp_path / "wide",
            fields,
            make_network("u-net", config),
            graph_of=tiny_model,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_weights_that_half_precision_cannot_hold_are_named(value, tiny_model, tmp_path):
    network = make_network("u-net", tiny_model.spec.config)
    with torch.no_grad():
        network.down[0][0].weight[0, 0, 0, 0] = value
    with pytest.raises(ParameterError, match=r"down\.0\.0\.weight"):
        save_model(tmp_path / "bad", fields_of(tiny_model), network)
    assert list(tmp_path.iterdir()) == []


def test_earlier_model_stays_unless_overwritten(tiny_model, tiny_network, tmp_path):
    def save(**options):
        fields = fields_of(tiny_model, title=options.pop("title"))
        return save_model(
            tmp_path / "m", fields, tiny_network, graph_of=tiny_model, **options
        )

    save(title="First")
    with pytest.raises(OutputError, match="exists already"):
        save(title="Second")
    assert save(title="Third", overwrite=True).spec.title == "Third"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_graph_that_computes_something_else_is_not_written(
    tiny_model, tiny_network, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_qpm.runtime.export.parity_error", lambda _: 0.3)
    with pytest.raises(LayoutError, match=r"differs from its network by 0\.3"):
        save_model(
            tmp_path / "m", fields_of(tiny_model), tiny_network, graph_of=tiny_model
        )
    assert list(tmp_path.iterdir()) == []
