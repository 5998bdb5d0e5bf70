"""What every inference session does, whatever computes."""

import abc
import contextlib
import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError, OutOfDeviceMemoryError, QPMError
from napari_qpm.runtime.architectures import activation_bytes_per_px
from napari_qpm.runtime.devices import available_bytes, card_free_bytes
from napari_qpm.runtime.store import Model

__all__ = ["Session"]

logger = logging.getLogger(__name__)
WARM_SIDE_PX = 256
GIGABYTE = 1e9


class Session(abc.ABC):
    """A model loaded onto a device; one may serve many threads.

    Attributes
    ----------
    model
        What is loaded.
    device
        ``"cpu"`` or ``"cuda"``: where it runs, not what was asked for.
    precision
        ``"f32"``, ``"f16"`` or ``"bf16"``.
    device_note
        The device in words for users, with the reason if it is not the one asked for.
    is_fallback
        Whether the graphics card was wanted and is not used.
    """

    runtime: str = ""

    def __init__(
        self, model: Model, device: str, precision: str, fallback_reason: str = ""
    ):
        self.model = model
        self.device = device
        self.precision = precision
        self.is_fallback = bool(fallback_reason)
        self._held_bytes = 0
        self.device_note = self._describe_device()
        if fallback_reason:
            self.device_note += f", not on the graphics card: {fallback_reason}"
            logger.warning("%s: %s", model.spec.name, self.device_note)

    @abc.abstractmethod
    def _describe_device(self) -> str:
        """Return runtime and device in words."""

    @abc.abstractmethod
    def _infer(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's output; inputs have been checked."""

    @abc.abstractmethod
    def _failures(self) -> tuple[type[Exception], ...]:
        """Return what the runtime raises when it fails."""

    def _keeps_memory(self, shape: Sequence[int]) -> bool:
        """Return whether the memory of such a run is kept for the next one."""
        return True

    def free_bytes(self) -> int:
        """Return the memory [bytes] of the device that a run may take.

        Runtimes keep what a run needed for the next one, so that counts as free.
        """
        is_card = self.device == "cuda"
        return (card_free_bytes() if is_card else available_bytes()) + self._held_bytes

    def run(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the network's output ``(N, C_out, Y, X)`` of inputs ``(N, C, Y, X)``.

        For phase models, times ``model.spec.output_scale`` it is radians.

        Raises
        ------
        LayoutError
            The shape does not fit the network.
        OutOfDeviceMemoryError
            The inputs need more memory than there is.
        """
        inputs = np.ascontiguousarray(inputs, dtype=np.float32)
        self._check_shape(inputs.shape)
        needed = self.estimate_bytes(inputs.shape)
        if needed > self.free_bytes():
            raise self._out_of_memory(inputs.shape)
        with self._translated(inputs.shape):
            output = self._infer(inputs)
        is_kept = self._keeps_memory(inputs.shape)
        self._held_bytes = max(self._held_bytes, needed) if is_kept else 0
        return output

    def warm(self, shape: Sequence[int] | None = None) -> None:
        """Run once on zeros, so that the first true run is not the slow one.

        Parameters
        ----------
        shape
            ``(N, C, Y, X)`` of the runs to come; None = one small frame.
        """
        spec = self.model.spec
        side = -(-WARM_SIDE_PX // spec.multiple_px) * spec.multiple_px
        self.run(np.zeros(shape or (1, spec.in_channels, side, side), np.float32))

    def estimate_bytes(self, shape: Sequence[int]) -> int:
        """Return the memory [bytes] that a run on inputs ``(N, C, Y, X)`` takes.

        From bytes per pixel that were measured for each architecture.
        """
        n, channels, y, x = shape
        spec = self.model.spec
        per_px = activation_bytes_per_px(spec, self.runtime, self.precision)
        return int(n * y * x * (per_px + 4 * channels))

    def _check_shape(self, shape: Sequence[int]) -> None:
        spec = self.model.spec
        fits = len(shape) == 4 and shape[1] == spec.in_channels
        if not fits or any(n < 1 or n % spec.multiple_px for n in shape[2:]):
            raise LayoutError(
                f"{spec.name} takes (N, {spec.in_channels}, Y, X) with Y and X "
                f"multiples of {spec.multiple_px}, not {tuple(shape)}."
            )

    @contextlib.contextmanager
    def _translated(self, shape: Sequence[int]) -> Iterator[None]:
        """Turn what the runtime raises into an error with advice."""
        try:
            yield
        except MemoryError as error:
            raise self._out_of_memory(shape) from error
        except self._failures() as error:
            if self._is_out_of_memory(error):
                raise self._out_of_memory(shape) from error
            raise QPMError(
                f"{self.model.spec.name} failed on inputs {tuple(shape)}: {error}"
            ) from error

    def _is_out_of_memory(self, error: Exception) -> bool:
        # Neither runtime has an error class of its own for the processor's memory.
        text = str(error).lower()
        return any(sign in text for sign in ("alloc", "out of memory", "enough memory"))

    def _out_of_memory(self, shape: Sequence[int]) -> OutOfDeviceMemoryError:
        needed = self.estimate_bytes(shape) / GIGABYTE
        free = self.free_bytes() / GIGABYTE
        where = "graphics card" if self.device == "cuda" else "computer"
        remedy = "run it on the processor, or " if self.device == "cuda" else ""
        return OutOfDeviceMemoryError(
            f"{self.model.spec.name} needs about {needed:.1f} GB for inputs "
            f"{tuple(shape)}, and the {where} has {free:.1f} GB free. Take smaller "
            f"tiles or fewer frames at once, {remedy}close other programs."
        )
