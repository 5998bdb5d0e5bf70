"""Networks for the benchmarks: shipped ones, untrained ones, reduced precision."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_qpm.errors import UnknownNameError
from napari_qpm.networks import ConnectionMask
from napari_qpm.runtime import Model, ModelStore, open_model
from napari_qpm.runtime.architectures import make_network
from napari_qpm.runtime.devices import n_threads
from napari_qpm.runtime.export import save_model

Image = NDArray[np.float32]
CHANNELS = 3
SHIPPED = "nas-prnet"
MEMORY_CHILD = """
import sys
import numpy as np
from napari_qpm.runtime import open_model, open_session

def status(key):
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(key))
    return 1024 * int(line.split()[1])

folder, runtime, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = open_session(open_model(folder), runtime=runtime, device="cpu")
shape = (1, session.model.spec.in_channels, side, side)
inputs = np.ones(shape, np.float32)
session.warm((*shape[:2], 64, 64))
before = status("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
session.run(inputs)
print(status("VmHWM") - before, session.estimate_bytes(shape), status("VmHWM"))
"""


def subject(folder: Path, given: Path | None, mask: Path | None) -> tuple[Model, bool]:
    """Return the model to measure and whether it is trained."""
    if given is not None:
        return open_model(given), True
    try:
        return ModelStore().model(SHIPPED), True
    except UnknownNameError:
        config: dict[str, Any] = {"in_channels": CHANNELS}
        if mask is not None:
            config["connections"] = [str(c) for c in ConnectionMask.load(mask)]
        return untrained(folder, "nas-prnet", config), False


def untrained(folder: Path, architecture: str, config: Mapping[str, Any]) -> Model:
    """Return a model with random weights: its latency is that of a trained one."""
    torch.manual_seed(0)
    fields = {
        "name": f"{architecture}-untrained",
        "title": architecture,
        "kind": "phase",
        "architecture": architecture,
        "config": dict(config),
    }
    network = make_network(architecture, config)
    return save_model(folder / fields["name"], fields, network, half_graph=False)


def n_parameters(model: Model) -> int:
    network = make_network(model.spec.architecture, model.spec.config)
    return sum(parameter.numel() for parameter in network.parameters())


def eager(network: torch.nn.Module, inputs: Image) -> Callable[[], Image]:
    """Return torch as it comes: float32, channels first."""
    images = torch.from_numpy(inputs)

    @torch.inference_mode()
    def run() -> Image:
        return network(images).numpy()

    return run


def memory(model: Model, runtime: str, side: int) -> tuple[int, int, int]:
    """Return growth, estimate and total peak [bytes] of one run, in a fresh process."""
    command = [sys.executable, "-c", MEMORY_CHILD, str(model.folder), runtime]
    environment = {**os.environ, "OMP_NUM_THREADS": str(n_threads())}
    done = subprocess.run(
        [*command, str(side)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    growth, estimate, total = map(int, done.stdout.split())
    return growth, estimate, total


# --- Reduced precision -------------------------------------------------------------


def integer_runner(
    model: Model, folder: Path, calibration: list[Image]
) -> Callable[[Image], Image]:
    """Return the model in 8-bit integers: static, kernels per channel, with QDQ."""
    import onnx
    import onnxruntime
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    graph = onnx.load(str(model.graph_path), load_external_data=False)
    weights = model.graph_weights()
    for initializer in graph.graph.initializer:
        if initializer.name in weights:
            whole = onnx.numpy_helper.from_array(weights[initializer.name])
            whole.name = initializer.name
            initializer.CopyFrom(whole)
    paths = [str(folder / f"{stage}.onnx") for stage in ("whole", "prepared", "int8")]
    onnx.save(graph, paths[0])
    quant_pre_process(paths[0], paths[1], skip_symbolic_shape=True)

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._left: Iterator[Image] = iter(calibration)

        def get_next(self) -> dict[str, Image] | None:
            image = next(self._left, None)
            return None if image is None else {"inputs": image}

    quantization.quantize_static(
        paths[1],
        paths[2],
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=["Conv"],
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads()
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(paths[2], options, providers=providers)
    return lambda inputs: session.run(None, {"inputs": inputs})[0]


def held_out(model: Model, n: int) -> list[tuple[Image, Image]]:
    """Return ``(inputs, target)`` of batches that no training has seen."""
    from napari_qpm.training import make_recipe

    config = json.loads(json.dumps(model.spec.training.get("config", {}), default=str))
    domain = dict(config.get("domain", {})) | {"shape": [256, 256]}
    recipe = make_recipe("nas-prnet", domain)
    stream = recipe.make_stream(987_654_321, torch.device("cpu"), 4)
    batches = [stream.batch(1000 * step) for step in range(n)]
    return [(b.inputs.numpy(), b.target.numpy()) for b in batches]


def psnr_db(run: Callable[[Image], Image], samples: list[tuple[Image, Image]]) -> float:
    """Return the mean over samples of the PSNR of maps from 0 to 1."""
    values = []
    for inputs, target in samples:
        squared = (run(inputs) - target) ** 2
        values += list(-10 * np.log10(squared.mean(axis=(1, 2, 3))))
    return float(np.mean(values))
