"""Whether a model computes the same on ONNX Runtime and on torch."""

import numpy as np

from napari_qpm.runtime.onnx_session import OnnxSession
from napari_qpm.runtime.store import Model
from napari_qpm.runtime.torch_session import TorchSession

__all__ = ["PARITY_TOLERANCE", "parity_error"]

PARITY_TOLERANCE = 1e-4
"""Of the network's output: float32 sums in another order differ by 1e-6 or so, a wrong
graph by its whole output."""
PROBED_SIDES = (2, 5)
"""In units of what the sides are multiples of; not those of the trace."""


def parity_error(model: Model) -> float:
    """Return the largest difference of the outputs on a random input, over their size.

    Raises
    ------
    FileFormatError
        The model is damaged.
    """
    spec = model.spec
    y, x = (n * spec.multiple_px for n in PROBED_SIDES)
    random = np.random.default_rng(0)
    inputs = random.normal(size=(1, spec.in_channels, y, x)).astype(np.float32)
    expected = TorchSession(model, "cpu", "f32").run(inputs)
    found = OnnxSession(model, "cpu", "f32").run(inputs)
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
