"""Work of the three steps on frames, as jobs do it: off the GUI thread, into memory.

The passes are those of `pipeline.stages`, with memory in place of a folder, so that
the viewer shows what the command line writes. Series too large for memory go to a
temporary zarr array, or a folder that the user chose (`fills`); napari then reads
finished frames and never computes any.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.provenance import Step
from napari_qpm.viewer.fills import (
    Fill,
    Filling,
    FolderStore,
    MemoryStore,
    Outlines,
    allocate,
    open_folder,
    outlines_of,
)
from napari_qpm.viewer.layers import phase_limits

if TYPE_CHECKING:
    import pandas as pd

    from napari_qpm.io.ome_zarr import ResultStore
    from napari_qpm.pipeline import Pipeline
    from napari_qpm.pipeline.steps import Retrieval

__all__ = [
    "FrameLabels",
    "FramePhase",
    "allocate",
    "measure_frames",
    "outlines_of",
    "retrieve_frames",
    "segment_frames",
]

EDITED = "edited_by_hand"


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
    limits
        Display limits for all frames, found off the GUI thread.
    """

    phase_map: PhaseMap
    frames: frozenset[int]
    problems: dict[int, str] = field(default_factory=dict)
    limits: tuple[float, float] | None = None


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


def retrieve_frames(
    pipeline: "Pipeline",
    acquisition: Acquisition,
    frames: Iterable[int],
    token: CancelToken,
    report: ReportProgress,
    filling: "Filling | None" = None,
) -> FramePhase:
    """Return the phase of these frames, computed on all cores.

    A whole series is made consistent afterwards when the pipeline says so, and is kept
    in a fill that can be looked at and continued.

    Raises
    ------
    QPMError
        None of the frames can be retrieved.
    """
    from napari_qpm.pipeline import retrieve_step, stages
    from napari_qpm.pipeline.workers import start_workers

    filling = filling or Filling()
    wanted, n_frames = sorted(frames), acquisition.n_frames
    is_series = len(wanted) == n_frames
    retrieval = retrieve_step(pipeline, acquisition, token)
    if is_series:
        fill, first = _phase_fill(pipeline, retrieval, filling, token)
    else:
        first = wanted[0], retrieval.frame(wanted[0], token)
        fill = _new_fill("", retrieval, first[1], wanted)
    store, context = fill.store, fill.context
    with start_workers() as workers:
        stage = stages.Stage(_as_store(store), n_frames, workers, token, report)
        stages.retrieve_frames(stage, retrieval, first)
        if pipeline.stabilise and is_series:
            with tempfile.TemporaryDirectory() as folder:
                stages.level_frames(stage, Path(folder) / "levels", context.unit)
    problems = stages.problems(_as_store(store))
    made = frozenset(wanted) - set(problems)
    phase_map = fill.phase_map()
    return FramePhase(phase_map, made, problems, phase_limits(phase_map, made))


def _phase_fill(
    pipeline: "Pipeline",
    retrieval: "Retrieval",
    filling: "Filling",
    token: CancelToken,
) -> tuple[Fill, tuple[int, PhaseMap]]:
    """Return the fill of a series, continued or new, and its first frame."""
    from napari_qpm.pipeline import stages

    earlier = filling.earlier
    if earlier is not None and earlier.finished("phase"):
        filling.open(earlier)
        return earlier, earlier.first()
    first = stages.first_usable_frame(retrieval, token)
    if filling.folder is None:
        n_frames = retrieval.acquisition.n_frames
        fill = _new_fill(filling.key, retrieval, first[1], range(n_frames))
    else:
        fill = open_folder(filling.key, pipeline, retrieval, first[1], filling.folder)
    filling.open(fill, phase_limits(first[1], [0]))
    return fill, first


def _new_fill(
    key: str, retrieval: "Retrieval", first: PhaseMap, wanted: Iterable[int]
) -> Fill:
    from napari_qpm.pipeline import stages

    n_frames = retrieval.acquisition.n_frames
    history = (*retrieval.acquisition.history, retrieval.step)
    context = stages.without_frames(first.replace(history=history))
    shape = (n_frames, *first.shape[1:])
    store = MemoryStore(
        n_frames,
        wanted,
        phase=allocate(shape, np.float32, np.nan),
        notes=({} for _ in range(n_frames)),
    )
    return Fill(key, store, context, shape)


def segment_frames(
    pipeline: "Pipeline",
    phase_map: PhaseMap,
    frames: Iterable[int],
    token: CancelToken,
    report: ReportProgress,
    filling: "Filling | None" = None,
) -> FrameLabels:
    """Return the cells of these frames of a phase, computed on all cores."""
    from napari_qpm.pipeline import segment_step, stages
    from napari_qpm.pipeline.workers import start_workers

    filling = filling or Filling()
    wanted = frozenset(frames)
    segmentation = segment_step(pipeline)
    context = stages.without_frames(phase_map)
    fill = filling.earlier
    if fill is None:
        labels = allocate(phase_map.shape, np.int32, 0)
        store = MemoryStore(
            phase_map.n_frames, wanted, phase=phase_map.phase, labels=labels
        )
        fill = Fill(filling.key, store, context, phase_map.shape)
    else:
        store = fill.store
    filling.open(fill)
    with start_workers() as workers:
        stage = stages.Stage(
            _as_store(store), phase_map.n_frames, workers, token, report
        )
        problems = stages.segment_frames(stage, context, segmentation)
    made = wanted - set(problems)
    outlines = {t: store.outlines[t] for t in sorted(made)}
    return FrameLabels(store.labels, made, segmentation.step, outlines, problems)


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


def _as_store(store: MemoryStore | FolderStore) -> "ResultStore":
    # The passes use the six methods of these stores and nothing else.
    return cast("ResultStore", store)
