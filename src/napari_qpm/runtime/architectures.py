"""Networks by name, so that torch loads only when one is built."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_qpm.errors import FileFormatError, ParameterError, UnknownNameError
from napari_qpm.registry import Entry, Registry
from napari_qpm.runtime.spec import ModelSpec
from napari_qpm.runtime.store import Model

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "ARCHITECTURES",
    "activation_bytes_per_px",
    "build_network",
    "make_network",
]

ARCHITECTURES = Registry(
    "architecture",
    Entry(
        "nas-prnet",
        "NAS-PRNet",
        "napari_qpm.networks.prnet:NasPRNet",
        summary="The connections that a search found.",
    ),
    Entry(
        "super-prnet",
        "super-PRNet",
        "napari_qpm.networks.prnet:SuperPRNet",
        summary="All 100 connections, weighed.",
    ),
    Entry(
        "u-net",
        "U-Net",
        "napari_qpm.networks.unet:UNet",
        summary="The classic one.",
    ),
    Entry(
        "sparse-mask",
        "SparseMask",
        "napari_qpm.networks.sparse_mask:SparseMaskNet",
        summary="Dense decoder of one depth, from coarse to fine.",
    ),
    Entry(
        "dm-qpmnet",
        "DM-QPMNet",
        "napari_qpm.networks.dm_qpmnet:DMQPMNet",
        summary="Cells from polarization angles and phase, or from either.",
    ),
)
_WIDTH_NAMES = {"sparse-mask": "depth"}
"""What the network itself calls ``width``."""


_ACTIVATION_BYTES = {
    "nas-prnet": {"onnx": 330, "torch": 370},
    "super-prnet": {"onnx": 330, "torch": 370},
    "u-net": {"onnx": 2100, "torch": 2250},
    "sparse-mask": {"onnx": 930, "torch": 900},
    "dm-qpmnet": {"onnx": 2600, "torch": 2900},
}
_REFERENCE_WIDTH = 64


def activation_bytes_per_px(spec: ModelSpec, runtime: str, precision: str) -> float:
    """Return the memory [bytes] of intermediate results per input pixel.

    Measured as growth of the resident memory, see benchmarks/bench_inference.py.
    """
    table = _ACTIVATION_BYTES.get(spec.architecture)
    if table is None:
        raise UnknownNameError("architecture", spec.architecture, _ACTIVATION_BYTES)
    width = float(spec.config.get("width", _REFERENCE_WIDTH))
    share = width / _REFERENCE_WIDTH if "width" in spec.config else 1.0
    return table[runtime] * share * (1.0 if precision == "f32" else 0.5)


def make_network(architecture: str, config: Mapping[str, Any]) -> "nn.Module":
    """Return a fresh network in evaluation mode.

    Parameters
    ----------
    architecture
        Key of `ARCHITECTURES`.
    config
        What the network's class takes; ``width`` is the same for all, and the
        ``connections`` of NAS-PRNet are names such as ``"E3->D2"`` (absent = all).

    Raises
    ------
    UnknownNameError
        There is no such architecture.
    ParameterError
        The configuration does not fit it.
    """
    network = ARCHITECTURES[architecture].load()
    values = dict(config)
    if "width" in values and architecture in _WIDTH_NAMES:
        values[_WIDTH_NAMES[architecture]] = values.pop("width")
    if architecture == "nas-prnet":
        from napari_qpm.networks import ConnectionMask

        names = values.pop("connections", None)
        mask = ConnectionMask.full() if names is None else ConnectionMask.of(*names)
        values["mask"] = mask
    try:
        built: nn.Module = network(**values)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"No {architecture} is built of {config}: {error}") from (
            error
        )
    return built.eval()


def build_network(model: Model) -> "nn.Module":
    """Return a model's network with its weights, in evaluation mode, on the CPU.

    Raises
    ------
    FileFormatError
        The weights are damaged or do not fit the architecture.
    """
    import torch

    network = make_network(model.spec.architecture, model.spec.config)
    weights = {
        name: torch.from_numpy(value.copy()) for name, value in model.weights().items()
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise FileFormatError(
            f"The weights of {model.spec.name} in {model.folder} do not fit a "
            f"{model.spec.architecture} of its configuration: {error}"
        ) from error
    return network
