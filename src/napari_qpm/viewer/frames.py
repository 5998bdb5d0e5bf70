"""Work of the three steps on frames, as jobs do it: off the GUI thread, into memory.

The passes are those of `pipeline.stages`, with memory in place of a folder, so that
the viewer shows what the command line writes. Series too large for memory go to a
temporary zarr array; napari then reads finished frames and never computes any.
"""

import shutil
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.provenance import Step

if TYPE_CHECKING:
    import pandas as pd

    from napari_qpm.io.ome_zarr import ResultStore
    from napari_qpm.pipeline import Pipeline

__all__ = [
    "FrameLabels",
    "FramePhase",
    "allocate",
    "measure_frames",
    "outlines_of",
    "retrieve_frames",
    "segment_frames",
]

MEMORY_LIMIT_BYTES = 1 << 30
EDITED = "edited_by_hand"


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
class FramePhase:
    """Phase of some frames of a recording.

    Parameters
    ----------
    phase_map
        Phase ``(T, Y, X)`` of all frames; those not computed are NaN.
    frames
        The computed ones.
    problems
        Frames that could not be retrieved, and why.
    """

    phase_map: PhaseMap
    frames: frozenset[int]
    problems: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FrameLabels:
    """Cells of some frames.

    Parameters
    ----------
    labels
        ``(T, Y, X)`` int32, 0 where not computed.
    frames
        The computed ones.
    step
        What outlined them.
    outlines
        For each frame, what `outlines_of` says of its cells.
    problems
        Frames that could not be segmented, and why.
    """

    labels: Any
    frames: frozenset[int]
    step: Step
    outlines: dict[int, Outlines]
    problems: dict[int, str] = field(default_factory=dict)


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

    def finished(self, kind: str) -> set[int]:
        """Return the frames that need no work."""
        return set(self._finished[kind])

    def write_phase(
        self, t: int, phase: NDArray[np.float32], notes: dict[str, Any]
    ) -> None:
        """Keep the phase of a frame and what was found in it."""
        self.phase[t] = phase
        self.notes[t] = notes
        self._finished["phase"].add(t)

    def write_labels(self, t: int, labels: NDArray[np.int32]) -> None:
        """Keep the cells of a frame."""
        self.labels[t] = labels
        self._finished["labels"].add(t)

    def read_phase(self, t: int) -> NDArray[np.float32]:
        """Return the phase of a frame ``(Y, X)``."""
        return np.asarray(self.phase[t], np.float32)

    def read_labels(self, t: int) -> NDArray[np.int32]:
        """Return the cells of a frame ``(Y, X)``; none in frames that nobody wants."""
        if t not in self._wanted:
            return np.zeros(self.labels.shape[1:], np.int32)
        return np.asarray(self.labels[t], np.int32)


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
        folder, shape=shape, chunks=(1, *shape[1:]), dtype=dtype, fill_value=fill
    )
    weakref.finalize(array, shutil.rmtree, folder, ignore_errors=True)
    return array


def retrieve_frames(
    pipeline: "Pipeline",
    acquisition: Acquisition,
    frames: Iterable[int],
    token: CancelToken,
    report: ReportProgress,
) -> FramePhase:
    """Return the phase of these frames, computed on all cores.

    A whole series is made consistent afterwards when the pipeline says so.

    Raises
    ------
    QPMError
        None of the frames can be retrieved.
    """
    from napari_qpm.pipeline import retrieve_step, stages
    from napari_qpm.pipeline.workers import start_workers

    wanted, n_frames = sorted(frames), acquisition.n_frames
    is_series = len(wanted) == n_frames
    retrieval = retrieve_step(pipeline, acquisition, token)
    if is_series:
        first = stages.first_usable_frame(retrieval, token)
    else:
        first = wanted[0], retrieval.frame(wanted[0], token)
    context = first[1].replace(history=(*retrieval.acquisition.history, retrieval.step))
    phase = allocate((n_frames, *context.shape[1:]), np.float32, np.nan)
    store = MemoryStore(
        n_frames, wanted, phase=phase, notes=({} for _ in range(n_frames))
    )
    with start_workers() as workers:
        stage = stages.Stage(_as_store(store), n_frames, workers, token, report)
        stages.retrieve_frames(stage, retrieval, first)
        if pipeline.stabilise and is_series:
            with tempfile.TemporaryDirectory() as folder:
                stages.level_frames(stage, Path(folder) / "levels", context.unit)
    phase_map = stages.without_frames(context).replace(
        phase=phase, frame_notes=tuple(store.notes[t] for t in range(n_frames))
    )
    problems = stages.problems(_as_store(store))
    return FramePhase(phase_map, frozenset(wanted) - set(problems), problems)


def segment_frames(
    pipeline: "Pipeline",
    phase_map: PhaseMap,
    frames: Iterable[int],
    token: CancelToken,
    report: ReportProgress,
) -> FrameLabels:
    """Return the cells of these frames of a phase, computed on all cores."""
    from napari_qpm.pipeline import segment_step, stages
    from napari_qpm.pipeline.workers import start_workers

    wanted = frozenset(frames)
    segmentation = segment_step(pipeline)
    labels = allocate(phase_map.shape, np.int32, 0)
    store = MemoryStore(
        phase_map.n_frames, wanted, phase=phase_map.phase, labels=labels
    )
    with start_workers() as workers:
        stage = stages.Stage(
            _as_store(store), phase_map.n_frames, workers, token, report
        )
        context = stages.without_frames(phase_map)
        problems = stages.segment_frames(stage, context, segmentation)
    made = wanted - set(problems)
    outlines = {t: outlines_of(np.asarray(labels[t])) for t in sorted(made)}
    return FrameLabels(labels, made, segmentation.step, outlines, problems)


def measure_frames(
    pipeline: "Pipeline",
    phase_map: PhaseMap,
    labels: Any,
    frames: Iterable[int],
    token: CancelToken,
    report: ReportProgress,
    outlines: dict[int, Outlines] | None = None,
) -> "pd.DataFrame":
    """Return the table of the cells ``(T, Y, X)`` or ``(Y, X)`` of these frames.

    Parameters
    ----------
    outlines
        Cells as an engine outlined them; others count as edited by hand.
    """
    from napari_qpm.pipeline import stages
    from napari_qpm.pipeline.steps import measurement_parameters
    from napari_qpm.pipeline.workers import start_workers

    n_frames = phase_map.n_frames
    if labels.ndim == 2:
        labels = np.broadcast_to(np.asarray(labels), (n_frames, *labels.shape))
    store = MemoryStore(
        n_frames,
        frames,
        phase=phase_map.phase,
        labels=labels,
        notes=phase_map.frame_notes,
    )
    with start_workers() as workers:
        stage = stages.Stage(_as_store(store), n_frames, workers, token, report)
        table = stages.measure_frames(
            stage,
            stages.without_frames(phase_map),
            measurement_parameters(pipeline),
            phase_map.acquisition,
        )
    if outlines is not None:
        table[EDITED] = _are_edited(table, store, outlines)
    return table


def _are_edited(
    table: "pd.DataFrame", store: MemoryStore, outlines: dict[int, Outlines]
) -> list[bool]:
    """Return for each row whether its cell differs from what the engine outlined."""
    now = {t: outlines_of(store.read_labels(t)) for t in set(table["frame"])}
    rows = zip(table["frame"], table["label"], strict=True)
    return [now[t].get(label) != outlines.get(t, {}).get(label) for t, label in rows]


def _as_store(store: MemoryStore) -> "ResultStore":
    # The passes use the six methods above and nothing else of a result store.
    return cast("ResultStore", store)
