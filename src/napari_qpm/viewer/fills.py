"""Series of results that fill frame by frame while they can be looked at.

A `Fill` outlives its job: after a cancel or an error it keeps what is finished, and the
next run with the same settings continues it. Where it lives is memory for short series,
a temporary Zarr for long ones, or an OME-Zarr in a folder that the user chose, which
the command line can continue as well.
"""

import errno
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import OutputError
from napari_qpm.viewer.frame_views import FrameView

if TYPE_CHECKING:
    from napari_qpm.io.ome_zarr import ResultStore
    from napari_qpm.pipeline import Pipeline
    from napari_qpm.pipeline.steps import Retrieval

__all__ = [
    "Fill",
    "Filling",
    "FolderStore",
    "MemoryStore",
    "Outlines",
    "allocate",
    "open_folder",
    "outlines_of",
]

MEMORY_LIMIT_BYTES = 256 << 20
"""A thousand frames must not fill the memory; what is larger goes to disk."""


Outlines = dict[int, tuple[int, int, int]]


def outlines_of(labels: NDArray[np.integer]) -> Outlines:
    """Return a fingerprint of every cell of a frame ``(Y, X)``, by its label.

    Two moments of the pixel numbers: they change with any pixel that is added, removed
    or moved, and cost a fraction of a copy.
    """
    inside = np.flatnonzero(labels)
    values, cells = np.unique(np.ravel(labels)[inside], return_inverse=True)
    area = np.bincount(cells)
    first = np.bincount(cells, inside)
    second = np.bincount(cells, inside.astype(np.int64) ** 2 % 1_000_003)
    moments = zip(area.tolist(), map(int, first), map(int, second), strict=True)
    return dict(zip(values.tolist(), moments, strict=True))


@dataclass(frozen=True)
class Fill:
    """One kind of result of a recording, finished or not.

    Parameters
    ----------
    key
        What it depends on: only a run with the same key may continue it.
    store
        Where frames are written, and which are: a `MemoryStore` or `FolderStore`.
    context
        Phase without its frames: grid, unit, recording, history.
    shape
        ``(T, Y, X)``.
    """

    key: str
    store: Any
    context: PhaseMap
    shape: tuple[int, int, int]

    def finished(self, kind: str) -> frozenset[int]:
        """Return the frames of a ``"phase"`` or ``"labels"`` fill that can be seen."""
        problems = {t for t, notes in self.store.notes.items() if "problem" in notes}
        return frozenset(self.store.finished(kind) - problems)

    def first(self) -> tuple[int, PhaseMap]:
        """Return a finished frame's number, and what tells the grid of all."""
        blank = np.broadcast_to(np.float32(0), self.shape)[:1]
        done = min(self.store.finished("phase"), default=0)
        return done, self.context.replace(phase=blank)

    def phase_map(self) -> PhaseMap:
        """Return the phase as far as it goes."""
        notes = self.store.notes
        return self.context.replace(
            phase=self.store.phase,
            frame_notes=tuple(notes.get(t, {}) for t in range(self.shape[0])),
        )


class MemoryStore:
    """What the passes of a pipeline need of a result store, without a folder.

    Parameters
    ----------
    n_frames
        Frames of the recording.
    wanted
        Frames to work on; all others count as finished.
    phase, labels
        Arrays ``(T, Y, X)`` that are read and filled.
    notes
        What the retrieval found in each frame.
    """

    def __init__(
        self,
        n_frames: int,
        wanted: Iterable[int],
        *,
        phase: Any = None,
        labels: Any = None,
        notes: Iterable[dict[str, Any]] = (),
    ):
        self.phase, self.labels = phase, labels
        self.notes: dict[int, dict[str, Any]] = dict(enumerate(notes))
        self._wanted = frozenset(wanted)
        others = set(range(n_frames)) - self._wanted
        self._finished = {"phase": set(others), "labels": set(others)}
        self.outlines: dict[int, Outlines] = {}

    def finished(self, kind: str) -> set[int]:
        """Return the frames that need no work."""
        return set(self._finished[kind])

    def write_phase(
        self, t: int, phase: NDArray[np.float32], notes: dict[str, Any]
    ) -> None:
        """Keep the phase of a frame and what was found in it."""
        _write(self.phase, t, phase)
        self.notes[t] = notes
        self._finished["phase"].add(t)

    def write_labels(self, t: int, labels: NDArray[np.int32]) -> None:
        """Keep the cells of a frame."""
        _write(self.labels, t, labels)
        self.outlines[t] = outlines_of(labels)
        self._finished["labels"].add(t)

    def read_phase(self, t: int) -> NDArray[np.float32]:
        """Return the phase of a frame ``(Y, X)``."""
        return np.asarray(self.phase[t], np.float32)

    def read_labels(self, t: int) -> NDArray[np.int32]:
        """Return the cells of a frame ``(Y, X)``; none in frames that nobody wants."""
        if t not in self._wanted:
            return np.zeros(self.labels.shape[1:], np.int32)
        return np.asarray(self.labels[t], np.int32)


class FolderStore:
    """Phase in a folder of the user's, as the command line writes it.

    Parameters
    ----------
    store
        The OME-Zarr; what an earlier run finished is there already.
    """

    def __init__(self, store: "ResultStore"):
        self._store = store
        self._notes = store.notes
        # Asking the folder costs a file operation a frame; this is asked often.
        self._finished = {kind: store.finished(kind) for kind in ("phase", "labels")}
        self.phase = FrameView(
            store.shape, np.float32, self._picture, write=self._rewrite
        )

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._store.path

    @property
    def notes(self) -> dict[int, dict[str, Any]]:
        """What was found in each finished frame."""
        return self._notes

    def finished(self, kind: str) -> set[int]:
        """Return the frames that are on disk."""
        return set(self._finished[kind])

    def write_phase(
        self, t: int, phase: NDArray[np.float32], notes: dict[str, Any]
    ) -> None:
        """Write the phase of a frame and what was found in it."""
        self._store.write_phase(t, phase, notes)
        self._notes[t] = notes
        self._finished["phase"].add(t)

    def read_phase(self, t: int) -> NDArray[np.float32]:
        """Return the phase of a frame ``(Y, X)``."""
        return self._store.read_phase(t)

    def finalise(self, record: dict[str, Any]) -> None:
        """Write the final provenance."""
        self._store.finalise(record)

    def _picture(self, t: int) -> NDArray[np.float32] | None:
        return self.read_phase(t) if t in self._finished["phase"] else None

    def _rewrite(self, t: int, phase: NDArray[Any]) -> None:
        self.write_phase(t, phase, self._notes.get(t, {}))


class Filling:
    """What one job is to fill, and what it has opened; handed between two threads.

    Parameters
    ----------
    key
        What the result depends on.
    earlier
        A fill of the same key that is not finished.
    folder
        Where the phase goes; temporary by default.
    """

    def __init__(
        self, key: str = "", earlier: Fill | None = None, folder: Path | None = None
    ):
        self.key, self.folder = key, folder
        self.earlier = earlier if earlier is not None and earlier.key == key else None
        self.fill: Fill | None = None
        self.limits: tuple[float, float] | None = None

    def open(self, fill: Fill, limits: tuple[float, float] | None = None) -> None:
        """Let the other thread see the fill."""
        self.limits = limits
        self.fill = fill


def open_folder(
    key: str,
    pipeline: "Pipeline",
    retrieval: "Retrieval",
    first: PhaseMap,
    folder: Path,
) -> Fill:
    """Return the fill in a folder: new, or as an earlier run left it.

    Raises
    ------
    OutputError
        Something else is there, or it cannot be written.
    """
    from napari_qpm.pipeline import stages
    from napari_qpm.pipeline.run import input_record, open_store

    complete = pipeline.complete(retrieval.acquisition)
    history = (*retrieval.acquisition.history, retrieval.step)
    context = stages.without_frames(first.replace(history=history))
    n_frames = retrieval.acquisition.n_frames
    record = context.record() | input_record(complete, retrieval.acquisition)
    store = open_store(folder, record, first, n_frames)
    return Fill(key, FolderStore(store), context, store.shape)


def allocate(
    shape: tuple[int, int, int], dtype: Any, fill: float, limit: int | None = None
) -> Any:
    """Return an array ``(T, Y, X)`` full of `fill`, in memory or in a temporary zarr.

    Parameters
    ----------
    limit
        Bytes above which the array goes to disk; it is removed with the array.
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if n_bytes <= (MEMORY_LIMIT_BYTES if limit is None else limit):
        return np.full(shape, fill, dtype)
    import zarr

    folder = tempfile.mkdtemp(prefix="napari-qpm-")
    array = zarr.create_array(
        folder,
        shape=shape,
        chunks=(1, *shape[1:]),
        dtype=dtype,
        fill_value=fill,
        # Labels shrink a hundredfold; phase hardly, and napari reads it while the
        # slider moves.
        compressors="auto" if np.dtype(dtype).kind in "iu" else None,
    )
    weakref.finalize(array, shutil.rmtree, folder, ignore_errors=True)
    return array


def _write(array: Any, t: int, picture: NDArray[Any]) -> None:
    """Write a frame; a failing disk becomes an error that says what to do."""
    try:
        array[t] = picture
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"The disk is full: frame {t} could not be kept in {_place(array)}. "
                "Free some space and press the button again: finished frames are kept."
            ) from error
        raise OutputError(
            f"Frame {t} could not be kept in {_place(array)}: "
            f"{error.strerror or error}. Finished frames are kept."
        ) from error


def _place(array: Any) -> str:
    root = getattr(getattr(array, "store", None), "root", None)
    return "memory" if root is None else str(root)
