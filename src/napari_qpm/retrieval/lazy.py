"""`retrieve`: the phase of a whole recording as a lazy array, one chunk a frame."""

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.errors import ModalityError
from napari_qpm.jobs import CancelToken
from napari_qpm.provenance import Step
from napari_qpm.retrieval.engine import PhaseEngine
from napari_qpm.retrieval.engines import default_engine, make_phase_engine

__all__ = ["lazy_phase", "retrieval_step", "retrieve"]

COMPANIONS = ("wrapped", "amplitude", "quality", "standard_deviation")


def retrieve(
    acquisition: Acquisition, engine: str | None = None, **parameters: Any
) -> PhaseMap:
    """Return the phase of a recording, computed frame by frame when it is read.

    Parameters
    ----------
    acquisition
        The recording.
    engine
        Name of a phase engine; by default the classical one of the modality.
    **parameters
        Parameters of that engine.

    Raises
    ------
    ModalityError
        The modality is unknown, or the engine takes another one.
    """
    made = make_phase_engine(engine or default_engine(acquisition), **parameters)
    token = CancelToken()
    return lazy_phase(made, check_modality(made, acquisition), token)


def check_modality(engine: PhaseEngine, acquisition: Acquisition) -> Acquisition:
    """Return the acquisition, or raise when the engine takes another modality."""
    modality = acquisition.require_modality()
    if modality is not engine.modality:
        raise ModalityError(
            f"Engine {engine.name!r} takes {engine.modality.value} recordings; "
            f"{acquisition.name!r} is {modality.value}."
        )
    return acquisition


def retrieval_step(engine: PhaseEngine) -> Step:
    """Return the provenance of a retrieval with this engine."""
    parameters = engine.parameters.model_dump(mode="json")
    return Step("retrieve", engine.name, parameters)


def lazy_phase(
    engine: PhaseEngine, acquisition: Acquisition, token: CancelToken
) -> PhaseMap:
    """Return lazy phase and companions of a recording for an engine.

    The instrument is resolved and the first frame retrieved at once, so that errors
    come early and the grid is known; everything else waits until it is read.
    """
    import dask.array as da

    resolved = engine.resolve(acquisition, token)
    cache = _FrameCache(engine, resolved, token)
    first = cache.frame(0)
    n_frames = resolved.n_frames
    _, ny, nx = first.shape

    def lazy(name: str) -> Any:
        return da.map_blocks(
            _FrameLoader(cache, name),
            # Named by chance: dask would hash the whole recording otherwise.
            name=f"{name}-{uuid.uuid4().hex}",
            chunks=((1,) * n_frames, (ny,), (nx,)),
            dtype=np.float32,
            meta=np.empty((0, 0, 0), np.float32),
        )

    companions = {
        name: lazy(name) for name in COMPANIONS if getattr(first, name) is not None
    }
    return PhaseMap(
        phase=lazy("phase"),
        acquisition=resolved,
        grid_scale=first.grid_scale,
        unit=first.unit,
        # Only these notes go on into tables; to know them a frame must be retrieved.
        frame_notes=_LazyNotes(cache, n_frames) if _moves_focus(engine) else (),
        history=(*resolved.history, retrieval_step(engine)),
        **companions,
    )


class _FrameCache:
    """The last retrieved frames, so that companions are not computed twice."""

    size = 4

    def __init__(
        self,
        engine: PhaseEngine,
        acquisition: Acquisition,
        token: CancelToken | None = None,
    ):
        self._engine, self._acquisition = engine, acquisition
        self._token = token or CancelToken()
        self._frames: dict[int, PhaseMap] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        # Frames, lock and token stay here when the cache travels to a worker.
        return _FrameCache, (self._engine, self._acquisition)

    def frame(self, t: int) -> PhaseMap:
        """Return the phase of one frame."""
        with self._lock:
            if t in self._frames:
                return self._frames[t]
        self._token.raise_if_cancelled()
        frames = self._acquisition.read(t)[None]
        result = self._engine.retrieve(frames, self._acquisition, self._token)
        with self._lock:
            self._frames[t] = result
            while len(self._frames) > self.size:
                del self._frames[next(iter(self._frames))]
        return result


@dataclass(frozen=True)
class _FrameLoader:
    """Computes a companion of the frame of a dask block; can travel to a worker."""

    cache: _FrameCache
    companion: str

    def __call__(self, block_id: tuple[int, ...]) -> NDArray[np.float32]:
        frame = self.cache.frame(block_id[0])
        return np.asarray(getattr(frame, self.companion), np.float32)


def _moves_focus(engine: PhaseEngine) -> bool:
    return bool(getattr(engine.parameters, "moves_focus", False))


class _LazyNotes(Sequence[dict[str, Any]]):
    """What was found in each frame, known when the frame has been read."""

    def __init__(self, cache: _FrameCache, n_frames: int):
        self._cache, self._n_frames = cache, n_frames

    def __len__(self) -> int:
        return self._n_frames

    def __getitem__(self, t: Any) -> Any:
        if isinstance(t, slice):
            return tuple(self[k] for k in range(self._n_frames)[t])
        notes = self._cache.frame(range(self._n_frames)[t]).frame_notes
        return notes[0] if notes else {}
