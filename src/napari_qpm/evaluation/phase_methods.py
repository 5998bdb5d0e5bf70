"""Methods that answer the frames of the held-out set: engines, and nothing at all."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.checks import phase_at
from napari_qpm.errors import SidebandError
from napari_qpm.evaluation.phase_set import HeldOutFrame
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine

__all__ = ["EngineMethod", "NothingMethod", "PhaseMethod"]


class PhaseMethod(Protocol):
    """Answers holograms with phase."""

    def __call__(self, frame: HeldOutFrame, token: CancelToken) -> NDArray[np.float32]:
        """Return the phase ``(Y, X)`` [rad] on the camera's grid."""
        ...


class NothingMethod:
    """Answers every hologram with 0: what knowing nothing scores."""

    def __call__(self, frame: HeldOutFrame, token: CancelToken) -> NDArray[np.float32]:
        """Return zeros ``(Y, X)``."""
        return np.zeros_like(frame.phase)


@dataclass(frozen=True)
class EngineMethod:
    """One of the phase engines, used as the rest of napari-qpm uses it.

    Parameters
    ----------
    engine
        Its name.
    parameters
        What is set of it.
    is_calibrated
        Whether it gets a hologram of the empty field.
    """

    engine: str
    parameters: dict[str, Any] = field(default_factory=dict)
    is_calibrated: bool = False

    def __call__(self, frame: HeldOutFrame, token: CancelToken) -> NDArray[np.float32]:
        """Return the phase ``(Y, X)`` [rad]; NaN if the engine finds no fringes."""
        acquisition = frame.acquisition(is_calibrated=self.is_calibrated)
        try:
            return self.answer(acquisition, token)
        except SidebandError:
            return np.full_like(frame.phase, np.nan)

    def answer(
        self, acquisition: Acquisition, token: CancelToken
    ) -> NDArray[np.float32]:
        """Return the phase ``(Y, X)`` [rad] of the first frame of a recording."""
        engine = make_phase_engine(self.engine, **self.parameters)
        resolved = engine.resolve(acquisition, token)
        frames = resolved.read(0)[None]
        found = engine.retrieve(frames, resolved, token)
        return phase_at(found, 0, resolved.shape[2:], (1.0, 1.0))
