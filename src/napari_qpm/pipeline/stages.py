"""The passes of a pipeline over a result store; each continues where it stopped.

A frame that cannot be processed is recorded with its problem and the series goes on; it
stays NaN and has no cells. Only the driver writes, so a store has one writer even when
the frames are computed on a cluster.
"""

import functools
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
from napari_qpm.files import write_atomically
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.measurement import (
    MeasurementParameters,
    measure_frame,
    saturated_pixels,
)
from napari_qpm.pipeline.steps import Retrieval, Segmentation, one_frame
from napari_qpm.pipeline.workers import Workers
from napari_qpm.provenance import Step
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
WARNING = "warning"
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
        try:
            raw = self.retrieval.acquisition.read(t)
            return self.kept(t, raw, self.retrieval.of_frame(raw, self.token))
        except (JobCancelled, OutputError):
            raise
        except QPMError as error:
            empty = np.full(self.shape, np.nan, np.float32)
            return _RetrievedFrame(t, empty, {PROBLEM: str(error)})

    def kept(self, t: int, raw: NDArray[Any], phase_map: PhaseMap) -> _RetrievedFrame:
        """Return what is stored of a frame."""
        notes = dict(phase_map.frame_notes[0]) if phase_map.frame_notes else {}
        level = self.retrieval.acquisition.saturation_level
        n_saturated = 0 if level is None else int(np.count_nonzero(raw >= level))
        if n_saturated:
            notes[SATURATED] = n_saturated
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
    """Write the phase of every unfinished frame; `first` is retrieved already."""
    finished = stage.store.finished("phase")
    token = stage.token if stage.workers.share_memory else None
    t, phase_map = first
    function = _RetrieveOne(retrieval, phase_map.shape[1:], token)
    if t not in finished:
        frame = function.kept(t, retrieval.acquisition.read(t), phase_map)
        stage.store.write_phase(t, frame.phase, frame.notes)
        finished = finished | {t}
    open_frames = (t for t in range(stage.n_frames) if t not in finished)
    for frame in stage.over("Retrieving phase", function, open_frames, len(finished)):
        stage.store.write_phase(frame.t, frame.phase, frame.notes)


def level_frames(stage: Stage, plan: Path, unit: PhaseUnit) -> tuple[Step, ...]:
    """Shift frames that lie on another 2 pi level than the series.

    Returns the provenance; nothing for a single frame or values that are no radians.
    The shifts are decided once and kept in `plan` until all are applied, so that a
    process that is killed between two frames shifts none of them twice.
    """
    if stage.n_frames < 2 or unit is not PhaseUnit.RADIANS:
        return ()
    offsets = _planned_offsets(stage, plan)
    for t in np.flatnonzero(offsets).tolist():
        stage.token.raise_if_cancelled()
        if LEVEL in stage.store.notes[t]:
            continue
        phase = stage.store.read_phase(t) + np.float32(offsets[t])
        notes = {**stage.store.notes[t], LEVEL: float(offsets[t])}
        stage.store.write_phase(t, phase, notes)
    return (Step("stabilise", "", {"offsets": offsets.tolist()}),)


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
            return t, self._labels(t, phase), None
        except (JobCancelled, OutputError):
            raise
        except QPMError as error:
            return t, np.zeros(phase.shape, np.int32), str(error)

    def _labels(self, t: int, phase: NDArray[np.float32]) -> NDArray[np.int32]:
        return self.segmentation.frame(one_frame(self.context, phase, t), 0)


def segment_frames(
    stage: Stage, context: PhaseMap, segmentation: Segmentation
) -> dict[int, str]:
    """Write the labels of every unfinished frame; return frames that failed and why."""
    store, failed = stage.store, {}
    finished = store.finished("labels")
    unusable = problems(store)
    for t in sorted(set(unusable) - finished):
        store.write_labels(t, np.zeros(store.read_phase(t).shape, np.int32))
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
            int,
            NDArray[np.float32],
            NDArray[np.int32],
            NDArray[np.bool_] | None,
            dict[str, Any],
        ],
    ) -> tuple[int, pd.DataFrame]:
        t, phase, labels, saturated, notes = item
        table = measure_frame(
            phase,
            labels,
            self.context,
            t,
            self.parameters,
            saturated=saturated,
            notes=notes,
        )
        return t, table


def measure_frames(
    stage: Stage,
    context: PhaseMap,
    parameters: MeasurementParameters,
    acquisition: Acquisition | None,
) -> pd.DataFrame:
    """Return the table of all cells, ordered by frame.

    Parameters
    ----------
    acquisition
        The raw recording, to find cells with saturated pixels; `None` when its frames
        are not at hand.
    """
    store = stage.store
    saturation = _Saturation(context, store.notes, acquisition)

    def items() -> Iterator[Any]:
        for t in range(stage.n_frames):
            phase = store.read_phase(t)
            labels, saturated = store.read_labels(t), saturation.pixels(t, phase)
            yield t, phase, labels, saturated, store.notes[t]

    function = _MeasureOne(without_frames(context), parameters)
    tables = dict(stage.over("Measuring cells", function, items(), 0))
    in_order = [tables[t] for t in range(stage.n_frames)]
    with_cells = [table for table in in_order if len(table)]
    table: pd.DataFrame = pd.concat(with_cells or in_order[:1], ignore_index=True)
    table.attrs = in_order[0].attrs
    return table


@dataclass(frozen=True)
class _Saturation:
    """Saturated pixels of each frame; only frames that have some are read again."""

    context: PhaseMap
    notes: dict[int, dict[str, Any]]
    acquisition: Acquisition | None

    @functools.cached_property
    def affected(self) -> frozenset[int]:
        return frozenset(t for t, notes in self.notes.items() if SATURATED in notes)

    def pixels(self, t: int, phase: NDArray[np.float32]) -> NDArray[np.bool_] | None:
        if self.context.acquisition.saturation_level is None:
            return None
        if t not in self.affected and (self.acquisition or not self.affected):
            return np.zeros(phase.shape, np.bool_)
        if self.acquisition is None:
            return None
        on_grid = one_frame(self.context, phase).replace(acquisition=self.acquisition)
        return saturated_pixels(on_grid, t)


def problems(store: ResultStore) -> dict[int, str]:
    """Return the frames that could not be retrieved, and why."""
    return {
        t: str(notes[PROBLEM])
        for t, notes in sorted(store.notes.items())
        if PROBLEM in notes
    }


def without_frames(phase_map: PhaseMap) -> PhaseMap:
    """Return the context of a series without its arrays, small enough to send."""
    return one_frame(phase_map, np.zeros((1, 1), np.float32))
