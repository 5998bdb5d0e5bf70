"""Inference on torch, for what ONNX Runtime cannot do: bfloat16, and odd machines."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.runtime.architectures import build_network
from napari_qpm.runtime.devices import DeviceName, Precision, cuda_card, named
from napari_qpm.runtime.session import Session
from napari_qpm.runtime.store import Model

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TorchSession"]


class TorchSession(Session):
    """A model on torch.

    Parameters
    ----------
    model
        To load.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    precision
        ``"auto"``, ``"f32"``, ``"bf16"``, or ``"f16"`` for graphics cards.
    network
        With other weights than those of the model; None = those.

    Raises
    ------
    FileFormatError
        The model is damaged.
    """

    runtime = "torch"

    def __init__(
        self,
        model: Model,
        device: str = "auto",
        precision: str = "auto",
        network: "nn.Module | None" = None,
    ):
        import torch

        asked = named(DeviceName, "device", device)
        wanted = named(Precision, "precision", precision)
        on_card = asked is not DeviceName.CPU and torch.cuda.is_available()
        has_expected = asked is DeviceName.CUDA or (
            asked is DeviceName.AUTO and cuda_card() is not None
        )
        reason = _why_not_cuda() if has_expected and not on_card else ""
        used = wanted
        if wanted is Precision.AUTO:
            used = Precision.HALF if on_card else Precision.SINGLE
        elif wanted is Precision.HALF and not on_card:
            # Half precision on a processor is slower than single.
            used = Precision.SINGLE
        self._device = torch.device("cuda" if on_card else "cpu")
        network = build_network(model) if network is None else network
        network = network.to(self._device).requires_grad_(False)
        # Convolutions of few channels run up to twice as fast in this layout.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = network
        super().__init__(model, self._device.type, used, reason)

    def _describe_device(self) -> str:
        import torch

        if self.device == "cuda":
            return f"torch on {torch.cuda.get_device_name()}, {self.precision}"
        threads = torch.get_num_threads()
        return f"torch on the processor, {threads} threads, {self.precision}"

    def _infer(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode(), self._autocast():
            images = torch.from_numpy(inputs).to(
                self._device, memory_format=torch.channels_last
            )
            output = self._network(images).float().contiguous()
        result: NDArray[np.float32] = output.cpu().numpy()
        return result

    def _keeps_memory(self, shape: Sequence[int]) -> bool:
        return self.device == "cuda"

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        import torch

        reduced = {Precision.HALF: torch.float16, Precision.BRAIN: torch.bfloat16}
        kind = reduced.get(Precision(self.precision))
        if kind is None:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, kind)

    def _failures(self) -> tuple[type[Exception], ...]:
        return (RuntimeError,)


def _why_not_cuda() -> str:
    if cuda_card() is None:
        return "no NVIDIA card is found"
    return "this torch has no CUDA, or none that fits the driver"
