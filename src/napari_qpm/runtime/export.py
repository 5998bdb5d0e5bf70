"""Write a network as a model: weights, a graph without weights, spec and card.

The graph is traced when an architecture changes; a model with the same architecture and
configuration takes over the graph of another one, so that users never trace.
"""

import copy
import datetime
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor, nn

from napari_qpm.errors import LayoutError, OutputError, ParameterError
from napari_qpm.runtime.card import model_card
from napari_qpm.runtime.parity import PARITY_TOLERANCE, parity_error
from napari_qpm.runtime.spec import ModelSpec
from napari_qpm.runtime.store import (
    CARD_FILE,
    GRAPH_FILE,
    HALF_GRAPH_FILE,
    NOT_IN_GRAPH,
    SPEC_FILE,
    WEIGHTS_FILE,
    Model,
    open_model,
    sha256_of,
)

if TYPE_CHECKING:
    import onnx

__all__ = ["INPUT_NAME", "OUTPUT_NAME", "save_model"]

INPUT_NAME, OUTPUT_NAME = "inputs", "outputs"
OPSET = 18
NO_FILE = "supplied-by-name"
TRACED_SHAPE = (2, 96, 128)
"""Batch and sides."""


def save_model(
    folder: Path | str,
    spec_fields: Mapping[str, Any],
    network: nn.Module,
    *,
    graph_of: Model | None = None,
    overwrite: bool = False,
    half_graph: bool = True,
) -> Model:
    """Write a model's folder and return the model; it appears whole or not at all.

    Parameters
    ----------
    folder
        To write; its last part should be the model's name, so that a store finds it.
    spec_fields
        Fields of `ModelSpec`; hash and date are filled in here.
    network
        Of the spec's architecture and configuration, on any device.
    graph_of
        Model of the same architecture and configuration whose graph is taken over.
    overwrite
        Replace an earlier model in this folder.
    half_graph
        Whether to write the graph in half precision for graphics cards, too.

    Raises
    ------
    OutputError
        The folder exists already or cannot be written.
    ParameterError
        A weight is no number or too large for half precision, or the graph of
        `graph_of` is of another network.
    LayoutError
        The graph does not compute what the network does.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise OutputError(
            f"{folder} exists already. Name another folder, or overwrite."
        )
    fields = {**spec_fields, "sha256": "", "created": _now()}
    spec = ModelSpec(**fields)
    stored = _compact(network)
    rounded = _with_weights(network, stored)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".export-", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error}.") from error
    try:
        if graph_of is None:
            used = _write_graphs(part, rounded, spec.in_channels, half_graph)
        else:
            used = _take_over_graphs(part, spec, graph_of)
        weights = part / WEIGHTS_FILE
        unused = json.dumps(sorted(stored.keys() - used))
        safetensors.torch.save_file(stored, weights, {NOT_IN_GRAPH: unused})
        spec = ModelSpec(**{**fields, "sha256": sha256_of(weights)})
        spec.dump(part / SPEC_FILE)
        (part / CARD_FILE).write_text(model_card(spec, network_size(network)), "utf-8")
        _require_parity(open_model(part))
        if folder.exists():
            shutil.rmtree(folder)
        part.chmod(0o755)
        weights.chmod(0o644)
        part.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return open_model(folder)


def network_size(network: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _compact(network: nn.Module) -> dict[str, Tensor]:
    """Return the state with kernels in half precision; the rest is small and stays.

    Norms keep float32: their variances may be smaller than half precision resolves.
    """
    stored = {}
    for name, value in network.state_dict().items():
        tensor = value.detach().cpu().contiguous().clone()
        if tensor.is_floating_point() and tensor.ndim > 1:
            tensor = tensor.half()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ParameterError(f"Weight {name} is no number or beyond 65504.")
        stored[name] = tensor
    return stored


def _with_weights(network: nn.Module, stored: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy on the CPU, in evaluation mode, with the weights as stored."""
    rounded = copy.deepcopy(network).cpu().float().eval()
    rounded.load_state_dict(
        {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in stored.items()
        }
    )
    return rounded.requires_grad_(False)


# --- Graph ---------------------------------------------------------------------------


class _InHalf(nn.Module):
    """A network that computes in half precision, float32 outside."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = copy.deepcopy(network).half()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the network's output."""
        result: Tensor = self.network(inputs.half())
        return result.float()


def _write_graphs(
    folder: Path, network: nn.Module, in_channels: int, half_graph: bool
) -> set[str]:
    """Write the graphs and return the names of the weights that they need."""
    names = set(network.state_dict())
    used = _write_graph(folder / GRAPH_FILE, _trace(network, in_channels), names, "")
    if half_graph:
        graph = _trace(_InHalf(network).eval(), in_channels)
        _write_graph(folder / HALF_GRAPH_FILE, graph, names, "network.")
    return used


def _trace(network: nn.Module, in_channels: int) -> "onnx.ModelProto":
    """Return the network as ONNX for any batch and any sides in steps of 32."""
    from onnxscript import optimizer

    n, y, x = TRACED_SHAPE
    example = torch.zeros(n, in_channels, y, x)
    height, width = (32 * torch.export.Dim(axis, min=1) for axis in ("y", "x"))
    # It tells of packages that it does not need.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Deprecations between torch and its exporter, none of them ours.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            # The full optimisation would fold norms into kernels and join equal
            # weights; then another model's weights would not fit the graph.
            optimize=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes=({0: "n", 2: height, 3: width},),
            verbose=False,
        )
        assert program is not None
        optimizer.inline(program.model)
        optimizer.fold_constants(program.model, onnx_shape_inference=False)
        optimizer.remove_unused_nodes(program.model)
    proto: onnx.ModelProto = program.model_proto
    return proto


def _write_graph(
    path: Path, graph: "onnx.ModelProto", names: set[str], prefix: str
) -> set[str]:
    """Write a graph that only names its weights, and return the names.

    Notes of the tracer go: they are longer than the graph.
    """
    import onnx

    own, new_names = graph.graph, {}
    for weight in own.initializer:
        name = weight.name.removeprefix(prefix)
        if name in names:
            new_names[weight.name] = name
            weight.name = name
            for content in ("raw_data", "float_data"):
                weight.ClearField(content)
            weight.data_location = onnx.TensorProto.EXTERNAL
            # No file: a weight that nobody supplies must fail, not be read somewhere.
            weight.external_data.add(key="location", value=NO_FILE)
    for node in own.node:
        for n, source in enumerate(node.input):
            node.input[n] = new_names.get(source, source)
    for part in (*own.node, *own.input, *own.output, *own.initializer, own, graph):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    own.ClearField("value_info")
    path.write_bytes(graph.SerializeToString())
    return set(new_names.values())


def _take_over_graphs(folder: Path, spec: ModelSpec, other: Model) -> set[str]:
    same = spec.architecture == other.spec.architecture
    if not same or dict(spec.config) != dict(other.spec.config):
        raise ParameterError(
            f"The graph of {other.spec.name} is of another network than {spec.name}."
        )
    used = set(other.graph_weights())
    shutil.copyfile(other.graph_path, folder / GRAPH_FILE)
    if other.half_graph_path is not None:
        shutil.copyfile(other.half_graph_path, folder / HALF_GRAPH_FILE)
    return used


def _require_parity(model: Model) -> None:
    """Raise unless the written files compute what the network does."""
    error = parity_error(model)
    if not error <= PARITY_TOLERANCE:
        raise LayoutError(
            f"The exported graph of {model.spec.name} differs from its network by "
            f"{error:.2g}; the model was not written."
        )
