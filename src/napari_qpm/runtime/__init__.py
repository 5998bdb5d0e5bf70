"""Trained models: where they are, and running them on whatever the machine has.

A `Session` is a model on a device; `run_tiled` runs it on frames of any size. torch and
ONNX Runtime load when a session opens.
"""

from napari_qpm.runtime.opening import open_session, release_sessions, session_for
from napari_qpm.runtime.session import Session
from napari_qpm.runtime.spec import ModelSpec
from napari_qpm.runtime.store import Model, ModelStore, open_model, user_models_folder
from napari_qpm.runtime.tiling import run_tiled

__all__ = [
    "Model",
    "ModelSpec",
    "ModelStore",
    "Session",
    "open_model",
    "open_session",
    "release_sessions",
    "run_tiled",
    "session_for",
    "user_models_folder",
]
