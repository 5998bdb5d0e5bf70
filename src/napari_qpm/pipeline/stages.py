"""The passes of a pipeline over a result store; each continues where it stopped.

A frame that cannot be processed is recorded with its problem and the series goes on; it
stays NaN and has no cells. Only the driver writes, so a store has one writer even when
the frames are computed on a cluster.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap, PhaseUnit
from napari_qpm.errors import JobCancelled, OutputError, QPMError
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.measurement import MeasurementParameters, measure_frame
from napari_qpm.pipeline.files import write_atomically
from napari_qpm.pipeline.steps import Retrieval, Segmentation, one_frame
from napari_qpm.pipeline.workers import Workers
from napari_qpm.retrieval.series import level_offsets, thumbnail

__all__ = [
    "Stage",
    "first_usable_frame",
    "level_frames",
    "measure_frames",
    "problems",
    "retrieve_frames",
    "segment_frames",
]

PROBLEM = "problem"
LEVEL = "level_offset_rad"
SATURATED = "saturated_pixels"


@dataclass(frozen=True)
class Stage:
    """What every pass needs: where results go, who works, and who listens.

    Parameters
    ----------
    store
        Result that fills frame by frame.
    n_frames
        Frames of the recording.
    workers, token, report
        Who computes, the cancel flag, and who hears of progress.
    """

    store: ResultStore
    n_frames: int
    workers: Workers
    token: CancelToken
    report: ReportProgress

    def over(
        self,
        message: str,
        function: Callable[[Any], Any],
        items: Iterator[Any],
        n_done: int,
    ) -> Iterator[Any]:
        """Yield results of all items and tell how many frames are done."""
        self.report(Progress(n_done, self.n_frames, "frames", message))
        for result in self.workers.map(function, items, self.token):
            yield result
            n_done += 1
            self.report(Progress(n_done, self.n_frames, "frames", message))


@dataclass(frozen=True)
class _RetrievedFrame:
    t: int
    phase: NDArray[np.float32]
    notes: dict[str, Any]


@dataclass(frozen=True)
class _RetrieveOne:
    """Retrieves one frame; sent to the workers once."""

    retrieval: Retrieval
    shape: tuple[int, int]
    token: CancelToken | None

    def __call__(self, t: int) -> _RetrievedFrame:
        acquisition = self.retrieval.acquisition
        try:
            phase_map = self.retrieval.frame(t, self.token)
            saturated = saturated_pixels(acquisition, t)
        except (JobCancelled, OutputError):
            raise
        except QPMError as error:
            empty = np.full(self.shape, np.nan, np.float32)
            return _RetrievedFrame(t, empty, {PROBLEM: str(error)})
        return retrieved_frame(t, phase_map, saturated)


def retrieved_frame(
    t: int, phase_map: PhaseMap, saturated: NDArray[np.bool_] | None
) -> _RetrievedFrame:
    """Return what is stored of a frame."""
    notes = dict(phase_map.frame_notes[0]) if phase_map.frame_notes else {}
    if saturated is not None and saturated.any():
        notes[SATURATED] = int(saturated.sum())
    return _RetrievedFrame(t, phase_map.read(0), notes)


def first_usable_frame(
    retrieval: Retrieval, token: CancelToken
) -> tuple[int, PhaseMap]:
    """Return the first frame that can be retrieved; it tells grid and unit of all.

    Raises
    ------
    QPMError
        No frame can be retrieved; the first reason is given.
    """
    reason: str | None = None
    for t in range(retrieval.acquisition.n_frames):
        token.raise_if_cancelled()
        try:
            phase_map = retrieval.frame(t, token)
        except (JobCancelled, OutputError):
            raise
        except QPMError as error:
            reason = reason or str(error)
            continue
        problem = phase_map.frame_notes and phase_map.frame_notes[0].get(PROBLEM)
        if not problem:
            return t, phase_map
        reason = reason or str(problem)
    acquisition = retrieval.acquisition
    raise QPMError(
        f"None of the {acquisition.n_frames} frames of {acquisition.name!r} can be "
        f"retrieved. Frame 0: {reason}"
    )


def retrieve_frames(
    stage: Stage, retrieval: Retrieval, first: tuple[int, PhaseMap]
) -> None:
    """Write the phase of every unfinished frame."""
    finished = stage.store.finished("phase")
    t, phase_map = first
    if t not in finished:
        saturated = saturated_pixels(retrieval.acquisition, t)
        frame = retrieved_frame(t, phase_map, saturated)
        stage.store.write_phase(t, frame.phase, frame.notes)
        finished = finished | {t}
    token = stage.token if stage.workers.share_memory else None
    function = _RetrieveOne(retrieval, phase_map.shape[1:], token)
    open_frames = (t for t in range(stage.n_frames) if t not in finished)
    for frame in stage.over("Retrieving phase", function, open_frames, len(finished)):
        stage.store.write_phase(frame.t, frame.phase, frame.notes)


def level_frames(stage: Stage, plan: Path, unit: PhaseUnit) -> None:
    """Shift frames that lie on another 2 pi level than the series.

    The shifts are decided once and kept in `plan` until all are applied, so that a
    process that is killed between two frames shifts none of them twice.
    """
    if stage.n_frames < 2 or unit is not PhaseUnit.RADIANS:
        return
    offsets = _planned_offsets(stage, plan)
    shifted = [t for t in np.flatnonzero(offsets) if LEVEL not in stage.store.notes[t]]
    for t in map(int, shifted):
        stage.token.raise_if_cancelled()
        phase = stage.store.read_phase(t) + np.float32(offsets[t])
        notes = {**stage.store.notes[t], LEVEL: float(offsets[t])}
        stage.store.write_phase(t, phase, notes)


def _planned_offsets(stage: Stage, plan: Path) -> NDArray[np.float64]:
    """Return the shift of every frame, from an unfinished plan if there is one."""
    if plan.exists():
        return np.asarray(json.loads(plan.read_text()), dtype=np.float64)
    message = "Comparing frames"
    items = ((t, stage.store.read_phase(t)) for t in range(stage.n_frames))
    samples = dict(stage.over(message, _sample, items, 0))
    in_order = np.stack([samples[t] for t in range(stage.n_frames)])
    offsets = level_offsets(in_order)
    write_atomically(plan, json.dumps(offsets.tolist()).encode())
    return offsets


def _sample(item: tuple[int, NDArray[np.float32]]) -> tuple[int, NDArray[np.float32]]:
    t, phase = item
    return t, thumbnail(phase)


@dataclass(frozen=True)
class _SegmentOne:
    segmentation: Segmentation
    context: PhaseMap

    def __call__(
        self, item: tuple[int, NDArray[np.float32]]
    ) -> tuple[int, NDArray[np.int32], str | None]:
        t, phase = item
        try:
            return t, self.segmentation.frame(one_frame(self.context, phase), 0), None
        except (JobCancelled, OutputError):
            raise
        except QPMError as error:
            return t, np.zeros(phase.shape, np.int32), str(error)


def segment_frames(
    stage: Stage, context: PhaseMap, segmentation: Segmentation
) -> dict[int, str]:
    """Write the labels of every unfinished frame; return frames that failed and why."""
    store, failed = stage.store, {}
    finished = store.finished("labels")
    unusable = problems(store)
    for t in sorted(set(unusable) - finished):
        store.write_labels(t, np.zeros(context.shape[1:], np.int32))
    finished = finished | set(unusable)
    open_frames = (
        (t, store.read_phase(t)) for t in range(stage.n_frames) if t not in finished
    )
    function = _SegmentOne(segmentation, without_frames(context))
    message = "Segmenting cells"
    for t, labels, problem in stage.over(message, function, open_frames, len(finished)):
        store.write_labels(t, labels)
        if problem is not None:
            failed[t] = problem
    return failed


@dataclass(frozen=True)
class _MeasureOne:
    context: PhaseMap
    parameters: MeasurementParameters

    def __call__(
        self,
        item: tuple[
            int, NDArray[np.float32], NDArray[np.int32], NDArray[np.bool_] | None
        ],
    ) -> tuple[int, pd.DataFrame]:
        t, phase, labels, saturated = item
        table = measure_frame(
            phase, labels, self.context, t, self.parameters, saturated=saturated
        )
        return t, table


def measure_frames(
    stage: Stage,
    context: PhaseMap,
    parameters: MeasurementParameters,
    acquisition: Acquisition | None = None,
) -> pd.DataFrame:
    """Return the table of all cells, ordered by frame.

    Parameters
    ----------
    acquisition
        The raw recording, to mark saturated cells; `None` when it is not at hand.
    """
    store = stage.store

    def items() -> Iterator[Any]:
        for t in range(stage.n_frames):
            saturated = None
            if acquisition is not None and SATURATED in store.notes.get(t, {}):
                saturated = on_grid(saturated_pixels(acquisition, t), context)
            yield t, store.read_phase(t), store.read_labels(t), saturated

    function = _MeasureOne(without_frames(context), parameters)
    tables = dict(stage.over("Measuring cells", function, items(), 0))
    in_order = [tables[t] for t in range(stage.n_frames)]
    with_cells = [table for table in in_order if len(table)]
    return pd.concat(with_cells or in_order[:1], ignore_index=True)


def problems(store: ResultStore) -> dict[int, str]:
    """Return the frames that could not be retrieved, and why."""
    return {
        t: str(notes[PROBLEM])
        for t, notes in sorted(store.notes.items())
        if PROBLEM in notes
    }


def saturated_pixels(acquisition: Acquisition, t: int) -> NDArray[np.bool_] | None:
    """Return where any channel of raw frame `t` saturates ``(Y, X)``, if known."""
    level = acquisition.saturation_level
    if level is None:
        return None
    return np.asarray((acquisition.read(t) >= level).any(axis=0))


def on_grid(
    saturated: NDArray[np.bool_] | None, phase_map: PhaseMap
) -> NDArray[np.bool_] | None:
    """Return raw pixels on the grid of a phase map; one raw pixel marks its cell."""
    if saturated is None or phase_map.grid_scale == (1.0, 1.0):
        return saturated
    marked = np.zeros(phase_map.shape[1:], np.bool_)
    y, x = np.nonzero(saturated)
    rows = np.minimum((y / phase_map.grid_scale[0]).astype(int), marked.shape[0] - 1)
    columns = np.minimum((x / phase_map.grid_scale[1]).astype(int), marked.shape[1] - 1)
    marked[rows, columns] = True
    return marked


def without_frames(phase_map: PhaseMap) -> PhaseMap:
    """Return the context of a series without its arrays, small enough to send."""
    return one_frame(phase_map, np.zeros((1, 1), np.float32))
