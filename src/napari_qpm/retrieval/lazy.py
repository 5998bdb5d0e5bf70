"""`retrieve`: the phase of a whole recording as a lazy array, one chunk a frame."""

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import RELATIVE, Acquisition, PhaseMap
from napari_qpm.errors import ModalityError
from napari_qpm.jobs import CancelToken
from napari_qpm.provenance import Step
from napari_qpm.retrieval.background import (
    MAX_BACKGROUND_NOISE,
    MIN_BACKGROUND_SHARE,
)
from napari_qpm.retrieval.engine import PhaseEngine
from napari_qpm.retrieval.engines import default_engine, make_phase_engine
from napari_qpm.retrieval.median_field import with_judged_median

__all__ = ["lazy_phase", "retrieval_step", "retrieve", "settle", "with_level"]

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
    return lazy_phase(made, acquisition, token)


def settle(
    engine: PhaseEngine, acquisition: Acquisition, token: CancelToken
) -> Acquisition:
    """Return the acquisition with what an engine finds in a few of its frames.

    Raises
    ------
    ModalityError
        The engine takes another kind of recording.
    """
    resolved = engine.resolve(check_modality(engine, acquisition), token)
    return with_judged_median(engine, resolved, token)


def with_level(note: dict[str, Any], acquisition: Acquisition) -> dict[str, Any]:
    """Return a frame's notes with whether its zero is a guess.

    It is where too little of the frame looks empty, where what was taken for empty is
    rougher than any empty field (a sheet of cells is), and where the reference holds
    cells. Without a note, the cells decide when they are measured.
    """
    share = note.get("background_share", 1.0)
    noise = note.get("background_noise_rad", 0.0)
    holds_cells = (
        acquisition.reference is not None and not acquisition.has_empty_reference
    )
    if holds_cells or share < MIN_BACKGROUND_SHARE or noise > MAX_BACKGROUND_NOISE:
        return note | {RELATIVE: True}
    return note | {RELATIVE: False} if acquisition.has_empty_reference else note


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

    resolved = settle(engine, acquisition, token)
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
        frame_notes=_LazyNotes(cache, n_frames),
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
        self._notes: dict[int, dict[str, Any]] = {}
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
        note = result.frame_notes[0] if result.frame_notes else {}
        with self._lock:
            self._notes[t] = with_level(note, self._acquisition)
            self._frames[t] = result
            while len(self._frames) > self.size:
                del self._frames[next(iter(self._frames))]
        return result

    def notes(self, t: int) -> dict[str, Any]:
        """Return what was found in a frame; it is retrieved unless it once was."""
        if t not in self._notes:
            self.frame(t)
        return self._notes[t]


@dataclass(frozen=True)
class _FrameLoader:
    """Computes a companion of the frame of a dask block; can travel to a worker."""

    cache: _FrameCache
    companion: str

    def __call__(self, block_id: tuple[int, ...]) -> NDArray[np.float32]:
        frame = self.cache.frame(block_id[0])
        return np.asarray(getattr(frame, self.companion), np.float32)


class _LazyNotes(Sequence[dict[str, Any]]):
    """What was found in each frame, known when the frame has been read."""

    def __init__(self, cache: _FrameCache, n_frames: int):
        self._cache, self._n_frames = cache, n_frames

    def __len__(self) -> int:
        return self._n_frames

    def __getitem__(self, t: Any) -> Any:
        if isinstance(t, slice):
            return tuple(self[k] for k in range(self._n_frames)[t])
        return self._cache.notes(range(self._n_frames)[t])
