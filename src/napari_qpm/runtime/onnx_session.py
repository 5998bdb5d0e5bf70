"""Inference on ONNX Runtime: processor and NVIDIA graphics cards.

ONNX Runtime falls back to the processor without a word when CUDA libraries are missing,
so what it uses is compared with what was asked for.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import ParameterError
from napari_qpm.runtime.devices import (
    CUDA_PROVIDER,
    DeviceName,
    Precision,
    cuda_card,
    installation_conflict,
    n_threads,
    named,
)
from napari_qpm.runtime.session import Session
from napari_qpm.runtime.store import Model

__all__ = ["OnnxSession"]

CPU_PROVIDER = "CPUExecutionProvider"
# Exhaustive search would take seconds at each new shape.
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}
LARGE_RUN_BYTES = 1e9
"""A session keeps what a run took for the next one; not if it is more than this."""
SILENT = 4
"""Of ONNX Runtime's log levels: what matters is raised or announced here."""


class OnnxSession(Session):
    """A model on ONNX Runtime.

    Parameters
    ----------
    model
        To load.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    precision
        ``"auto"``, ``"f32"``, or ``"f16"`` for graphics cards.

    Raises
    ------
    ParameterError
        This precision is not for ONNX Runtime.
    FileFormatError
        The model is damaged.
    """

    runtime = "onnx"

    def __init__(self, model: Model, device: str = "auto", precision: str = "auto"):
        asked = named(DeviceName, "device", device)
        wanted = named(Precision, "precision", precision)
        if wanted is Precision.BRAIN:
            raise ParameterError("ONNX Runtime has no bf16 here; use runtime torch.")
        reason = _why_not_cuda(asked)
        self._session: Any = None
        used = Precision.SINGLE
        if reason is None:
            used = _card_precision(model, wanted)
            self._session = _load(model, used, (CUDA_PROVIDER, CPU_PROVIDER))
            if CUDA_PROVIDER not in self._session.get_providers():
                reason = _describe_missing_libraries()
                self._session, used = None, Precision.SINGLE
        on_card = self._session is not None
        if not on_card:
            self._session = _load(model, used, (CPU_PROVIDER,))
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        super().__init__(model, "cuda" if on_card else "cpu", used, reason or "")

    def _describe_device(self) -> str:
        if self.device == "cuda":
            return f"ONNX Runtime on {cuda_card()}, {self.precision}"
        return f"ONNX Runtime on the processor, {n_threads()} threads"

    def _infer(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.device == "cpu":
            options = self._run_options(inputs.shape)
            feed = {self._input: inputs}
            (output,) = self._session.run([self._output], feed, options)
        else:
            output = self._infer_on_card(inputs)
        result: NDArray[np.float32] = output
        return result

    def _keeps_memory(self, shape: Sequence[int]) -> bool:
        return self.device == "cuda" or self.estimate_bytes(shape) < LARGE_RUN_BYTES

    def _run_options(self, shape: Sequence[int]) -> Any:
        """Return options that give the memory of large runs back afterwards."""
        if self._keeps_memory(shape):
            return None
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return options

    def _infer_on_card(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bind in- and output on the card: one copy each way, none within."""
        import onnxruntime

        binding = self._session.io_binding()
        on_card = onnxruntime.OrtValue.ortvalue_from_numpy(inputs, "cuda", 0)
        binding.bind_ortvalue_input(self._input, on_card)
        binding.bind_output(self._output, "cuda", 0)
        self._session.run_with_iobinding(binding)
        result: NDArray[np.float32] = binding.copy_outputs_to_cpu()[0]
        return result

    def _failures(self) -> tuple[type[Exception], ...]:
        return _failures()


def _why_not_cuda(asked: DeviceName) -> str | None:
    """Return why the card is not even tried: empty where nobody expects it."""
    import onnxruntime

    if asked is DeviceName.CPU:
        return ""
    if cuda_card() is None:
        return "" if asked is DeviceName.AUTO else "no NVIDIA card is found"
    if CUDA_PROVIDER not in onnxruntime.get_available_providers():
        conflict = installation_conflict()
        return conflict or "this ONNX Runtime has no CUDA; install onnxruntime-gpu"
    return None


def _describe_missing_libraries() -> str:
    return installation_conflict() or (
        "ONNX Runtime finds no CUDA or cuDNN libraries that fit it; install torch for "
        "CUDA, or onnxruntime-gpu[cuda,cudnn]"
    )


def _card_precision(model: Model, wanted: Precision) -> Precision:
    if wanted is Precision.SINGLE:
        return wanted
    if model.half_graph_path is not None:
        return Precision.HALF
    if wanted is Precision.HALF:
        raise ParameterError(f"{model.spec.name} has no graph in half precision.")
    return Precision.SINGLE


def _load(model: Model, precision: Precision, providers: tuple[str, ...]) -> Any:
    """Return a session with the weights supplied by name."""
    import onnxruntime

    is_half = precision is Precision.HALF
    graph = model.half_graph_path if is_half else model.graph_path
    assert graph is not None
    weights = model.graph_weights()
    if is_half:
        weights = {name: _in_half(value) for name, value in weights.items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = n_threads()
    # Threads that spin between runs would take time from the viewer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(v) for v in weights.values()]
    options.add_external_initializers(list(weights), values)
    if CUDA_PROVIDER in providers and hasattr(onnxruntime, "preload_dlls"):
        # Share the CUDA that torch brings.
        onnxruntime.preload_dlls()
    chosen = [(p, CUDA_OPTIONS) if p == CUDA_PROVIDER else p for p in providers]
    try:
        return onnxruntime.InferenceSession(_readable(graph), options, providers=chosen)
    except _failures() as error:
        raise model.damaged(f"{graph.name}: {error}") from error


def _readable(path: Path) -> str:
    return str(path.resolve())


def _in_half(value: NDArray[np.generic]) -> NDArray[np.generic]:
    return value.astype(np.float16) if value.dtype == np.float32 else value


@functools.cache
def _failures() -> tuple[type[Exception], ...]:
    """Return the error classes of ONNX Runtime, which have no common parent."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return tuple(
        kind
        for kind in vars(state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    )
