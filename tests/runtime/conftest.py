import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from napari_qpm.runtime import Model, ModelSpec, Session
from napari_qpm.runtime.architectures import make_network
from napari_qpm.runtime.export import save_model

WEIGHTS = {
    "kernel": np.linspace(-1, 1, 6, dtype=np.float16).reshape(2, 3),
    "scale": np.array([1e-9, 2], np.float32),
    "count": np.array(7, np.int64),
}


@pytest.fixture(scope="session")
def make_folder() -> Callable[..., Path]:
    """Return a writer of model folders that hold weights, but no true graph."""

    def write(place: Path, name: str = "small", **fields: Any) -> Path:
        folder = place / name
        folder.mkdir(parents=True)
        path = folder / "weights.safetensors"
        safetensors.numpy.save_file(WEIGHTS, path, {"not_in_graph": '["count"]'})
        (folder / "graph.onnx").write_bytes(b"no graph")
        (folder / "README.md").write_text("# A card\n")
        values: dict[str, Any] = {
            "name": name,
            "title": name.title(),
            "kind": "phase",
            "architecture": "u-net",
            "modality": "off-axis",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        ModelSpec(**{**values, **fields}).dump(folder / "model.json")
        return folder

    return write


@pytest.fixture(scope="session")
def tiny_network() -> torch.nn.Module:
    """U-Net with lively norms: fresh ones would hide a mistake in them."""
    torch.manual_seed(1)
    network = make_network("u-net", {"in_channels": 3, "width": 2})
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "1.bias", "4.bias")):
            value.normal_(0, 0.2)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2)
    return network


@pytest.fixture(scope="session")
def tiny_model(
    tiny_network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory
) -> Model:
    """The tiny network as a model, exported."""
    fields = {
        "name": "tiny",
        "title": "Tiny",
        "kind": "phase",
        "architecture": "u-net",
        "modality": "off-axis",
        "config": {"in_channels": 3, "width": 2, "range_rad": 12.0},
        "preprocessing": {"input": "heterodyne"},
    }
    return save_model(tmp_path_factory.mktemp("models") / "tiny", fields, tiny_network)


class PlainSession(Session):
    """A session whose network is a function of NumPy arrays."""

    runtime = "onnx"

    def __init__(self, model: Model, function: Callable[[Any], Any]):
        self.function = function
        self.shapes: list[tuple[int, ...]] = []
        super().__init__(model, "cpu", "f32")

    def _describe_device(self) -> str:
        return "NumPy"

    def _infer(self, inputs: Any) -> Any:
        self.shapes.append(inputs.shape)
        return self.function(inputs)

    def _failures(self) -> tuple[type[Exception], ...]:
        return (ZeroDivisionError,)


@pytest.fixture
def plain_session(
    make_folder: Callable[..., Path], tmp_path: Path
) -> Callable[..., PlainSession]:
    """Return a maker of sessions from functions."""

    def make(function: Callable[[Any], Any], **fields: Any) -> PlainSession:
        folder = make_folder(tmp_path / "plain", **fields)
        return PlainSession(
            Model(ModelSpec.load(folder / "model.json"), folder), function
        )

    return make
