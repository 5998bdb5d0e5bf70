"""Sessions by model, runtime and device; those in use are shared."""

import importlib.util
import threading
from collections import OrderedDict
from enum import StrEnum

from napari_qpm.errors import ParameterError
from napari_qpm.runtime.devices import Precision, named
from napari_qpm.runtime.session import Session
from napari_qpm.runtime.store import Model, ModelStore

__all__ = ["RuntimeName", "open_session", "release_sessions", "session_for"]

MOST_SESSIONS = 4
"""That are kept; a graphics card holds few networks beside their work."""
_kept: OrderedDict[tuple[str, ...], Session] = OrderedDict()
_lock = threading.Lock()


class RuntimeName(StrEnum):
    """What computes."""

    AUTO = "auto"
    """ONNX Runtime, or torch where that is missing or cannot do it."""
    ONNX = "onnx"
    """ONNX Runtime: several times faster than torch on a processor."""
    TORCH = "torch"
    """torch."""


def open_session(
    model: Model | str,
    *,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "auto",
) -> Session:
    """Return a new session of a model.

    Parameters
    ----------
    model
        Or its name, as `ModelStore` knows it.
    runtime
        ``"auto"``, ``"onnx"`` or ``"torch"``.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``. Where the card cannot be used, the
        session's `device_note` says why.
    precision
        ``"auto"``, ``"f32"``, ``"f16"`` or ``"bf16"``.

    Raises
    ------
    UnknownNameError
        There is no such model, runtime, device or precision.
    ParameterError
        The runtime is not installed, or does not have this precision.
    FileFormatError
        The model is damaged.
    """
    model = _found(model)
    asked = named(RuntimeName, "runtime", runtime)
    is_brain = named(Precision, "precision", precision) is Precision.BRAIN
    has_onnx = importlib.util.find_spec("onnxruntime") is not None
    if asked is RuntimeName.ONNX and not has_onnx:
        raise ParameterError("ONNX Runtime is not installed; install onnxruntime.")
    if asked is RuntimeName.ONNX or (
        asked is RuntimeName.AUTO and has_onnx and not is_brain
    ):
        from napari_qpm.runtime.onnx_session import OnnxSession

        return OnnxSession(model, device, precision)
    from napari_qpm.runtime.torch_session import TorchSession

    return TorchSession(model, device, precision)


def session_for(
    model: Model | str,
    *,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "auto",
) -> Session:
    """Return a session as `open_session` does, the same one for the same request.

    A model that was replaced meanwhile gets a new session.
    """
    model = _found(model)
    folder = str(model.folder.resolve())
    key = (folder, model.spec.sha256, runtime, device, precision)
    with _lock:
        if key not in _kept:
            _kept[key] = open_session(
                model, runtime=runtime, device=device, precision=precision
            )
            while len(_kept) > MOST_SESSIONS:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]


def release_sessions() -> None:
    """Forget the kept sessions, so that their memory is free once nobody uses them."""
    with _lock:
        _kept.clear()


def _found(model: Model | str) -> Model:
    return ModelStore().model(model) if isinstance(model, str) else model
