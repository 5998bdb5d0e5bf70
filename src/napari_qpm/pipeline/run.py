"""Run a pipeline on a recording and keep the result in a folder.

The folder holds ``phase.ome.zarr`` (phase and cell labels, filled frame by frame),
``cells.csv`` and ``cells.parquet``, ``tracks.csv`` and ``tracks.parquet`` where cells
are linked, and ``pipeline.yaml``. Running again continues where an earlier run stopped,
whatever stopped it.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.errors import OutputError, QPMError
from napari_qpm.files import make_folder, remove_files
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.io.table import write_table
from napari_qpm.io.zarr_reader import own_record
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.measurement import column_units, track_growth
from napari_qpm.measurement.calibration import Calibration
from napari_qpm.pipeline.description import Pipeline
from napari_qpm.pipeline.stages import (
    WARNING,
    Stage,
    first_usable_frame,
    level_frames,
    measure_frames,
    problems,
    retrieve_frames,
    segment_frames,
)
from napari_qpm.pipeline.steps import (
    link_step,
    measurement_parameters,
    one_frame,
    retrieve_step,
    segment_step,
)
from napari_qpm.pipeline.workers import start_workers
from napari_qpm.provenance import Step, fingerprint

__all__ = ["PHASE_NAME", "TABLE_NAME", "RunResult", "input_record", "run_pipeline"]

PHASE_NAME = "phase.ome.zarr"
TABLE_NAME = "cells"
TRACKS_NAME = "tracks"
PIPELINE_NAME = "pipeline.yaml"
PLAN_PREFIX = ".levels-"
DESCRIPTION = "description"
"""Key of the whole pipeline in a result's record."""
CELLS = "cells"
"""Key of the segmentation that made the cells in a result's record."""


@dataclass(frozen=True)
class Running:
    """Who may stop a run, who hears of it, and where it is computed."""

    token: CancelToken
    report: ReportProgress
    scheduler: str | None


@dataclass(frozen=True)
class RunResult:
    """What a run left in its folder.

    Parameters
    ----------
    phase_map
        Phase of all frames, lazily read from the folder.
    labels
        ``(T, Y, X)`` int32 as dask, or `None` when the pipeline does not segment.
    table
        One row a cell and frame, or `None` when the pipeline does not measure.
    folder, paths
        Where it is: ``phase``, ``csv``, ``parquet``, ``tracks_csv``, ``tracks_parquet``
        and ``pipeline``.
    failures
        Frames that could not be processed, with the reason.
    n_resumed
        Frames that an earlier run had retrieved.
    """

    phase_map: PhaseMap
    labels: Any
    table: pd.DataFrame | None
    folder: Path
    paths: dict[str, Path]
    failures: dict[int, str] = field(default_factory=dict)
    n_resumed: int = 0

    @property
    def warnings(self) -> dict[int, str]:
        """Frames whose phase is doubtful, with the reason."""
        return {
            t: str(notes[WARNING])
            for t, notes in enumerate(self.phase_map.frame_notes)
            if WARNING in notes
        }

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Columns that the table lacks, by what they would need."""
        reasons: dict[str, list[str]] = {}
        missing = {} if self.table is None else self.table.attrs.get("missing", {})
        for column, reason in missing.items():
            reasons.setdefault(reason, []).append(column)
        return reasons

    def summary(self) -> dict[str, Any]:
        """Return plain values for a report."""
        return {
            "folder": str(self.folder),
            "paths": {name: str(path) for name, path in self.paths.items()},
            "shape_tyx": list(self.phase_map.shape),
            "unit": self.phase_map.unit.value,
            "n_rows": None if self.table is None else len(self.table),
            "n_resumed": self.n_resumed,
            "failures": {str(t): reason for t, reason in self.failures.items()},
            "warnings": {str(t): reason for t, reason in self.warnings.items()},
            "left_out": self.left_out,
            "notes": list(self.phase_map.acquisition.notes),
        }


def run_pipeline(
    pipeline: Pipeline,
    acquisition: Acquisition,
    folder: str | Path,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
    overwrite: bool = False,
    scheduler: str | None = None,
) -> RunResult:
    """Run a pipeline on a recording; finished frames of an earlier run are kept.

    Parameters
    ----------
    pipeline
        What to do. Every name and value is checked before any frame is read.
    acquisition
        The recording.
    folder
        Where the result goes.
    token, report
        Cancel flag, checked at every frame, and listener for progress.
    overwrite
        Replace a result that something else has made.
    scheduler
        Address of a `dask.distributed` scheduler; `None` runs threads here.

    Raises
    ------
    QPMError
        The recording cannot be processed or the result not written. Single frames
        that cannot be processed do not raise; they are in `RunResult.failures`.
    JobCancelled
        `token` was cancelled; running again continues.
    """
    running = Running(token or CancelToken(), report or ignore_progress, scheduler)
    complete = pipeline.complete(acquisition)
    retrieval = retrieve_step(complete, acquisition, running.token)
    first = first_usable_frame(retrieval, running.token)
    history = (*retrieval.acquisition.history, retrieval.step)
    context = one_frame(first[1], first[1].read(0)).replace(history=history)
    if complete.measure is not None:
        # Raises where dry mass is required and cannot be had: before the long work.
        Calibration.of(context, measurement_parameters(complete))
    folder = make_folder(Path(folder))
    record = context.record() | input_record(complete, retrieval.acquisition)
    n_frames = acquisition.n_frames
    store = open_store(folder, record, context, n_frames, overwrite)
    claim_cells(store, complete, overwrite=False)
    n_resumed = len(store.finished("phase"))
    with start_workers(running.scheduler) as workers:
        stage = Stage(store, n_frames, workers, running.token, running.report)
        retrieve_frames(stage, retrieval, first)
        if complete.stabilise:
            levelled = level_frames(stage, _plan(store), context.unit)
            context = context.replace(history=(*history, *levelled))
        raw = retrieval.acquisition
        return finish(complete, stage, context, record, raw, n_resumed)


def _plan(store: ResultStore) -> Path:
    """Return where the levels of this store are planned; older plans are removed."""
    identity = str((own_record(store.path) or {})["id"])
    plan = store.path.parent / f"{PLAN_PREFIX}{identity[:12]}.json"
    for other in plan.parent.glob(f"{PLAN_PREFIX}*.json"):
        if other != plan:
            other.unlink(missing_ok=True)
    return plan


def claim_cells(store: ResultStore, pipeline: Pipeline, overwrite: bool) -> None:
    """Record which segmentation fills the store, or refuse to mix two of them.

    Raises
    ------
    OutputError
        Cells of other settings are there and `overwrite` is false.
    """
    if pipeline.segment is None:
        return
    stored = own_record(store.path) or {}
    wanted = pipeline.to_dict()["segment"]
    if stored.get(CELLS) == wanted:
        return
    if store.finished("labels"):
        if not overwrite:
            raise OutputError(
                f"The cells in {store.path} were outlined with other settings. Choose "
                "another output folder, or allow overwriting."
            )
        store.reopen("labels")
    store.finalise({CELLS: wanted})


def finish(
    pipeline: Pipeline,
    stage: Stage,
    context: PhaseMap,
    record: dict[str, Any],
    acquisition: Acquisition | None,
    n_resumed: int,
) -> RunResult:
    """Segment and measure retrieved frames; write table and provenance.

    Parameters
    ----------
    pipeline
        Complete; only its steps after the retrieval are done here.
    stage
        Store that holds the phase of all frames.
    context
        Phase without its frames: unit, grid, recording, history.
    record
        What the store was opened with.
    acquisition
        The raw recording, if its frames are at hand.
    n_resumed
        Frames that were retrieved before.
    """
    store, history = stage.store, list(context.history)
    folder = store.path.parent
    failures = problems(store)
    labels, table = None, None
    paths = {"phase": store.path}
    if pipeline.segment is not None:
        segmentation = segment_step(pipeline)
        failures = segment_frames(stage, context, segmentation) | failures
        history.append(segmentation.step)
        labels = lazy_frames(store.read_labels, store.shape, np.int32)
    if pipeline.measure is not None:
        parameters = measurement_parameters(pipeline)
        segmented = context.replace(history=tuple(history))
        table = measure_frames(stage, segmented, parameters, acquisition)
        history.append(Step("measure", "", parameters.model_dump(mode="json")))
        if pipeline.link is not None:
            stage.report(Progress(0, 0, "frames", "Linking cells"))
            table = link_step(pipeline, table, labels, stage.token)
            history.append(Step("link", "laptrack", pipeline.link))
            paths |= write_tracks(folder, table)
        paths["csv"], paths["parquet"] = write_table(
            table, folder / TABLE_NAME, column_units(table)
        )
    phase_map = context.replace(
        phase=lazy_frames(store.read_phase, store.shape, np.float32),
        frame_notes=tuple(store.notes[t] for t in range(stage.n_frames)),
        history=tuple(history),
    )
    if pipeline.segment is not None or not store.finished("labels"):
        if pipeline.link is None:
            _remove_earlier_tracks(store)
        paths["pipeline"] = pipeline.dump(folder / PIPELINE_NAME)
        made = {
            "history": [step.to_dict() for step in history],
            "failures": {str(t): reason for t, reason in failures.items()},
            DESCRIPTION: pipeline.to_dict(),
        }
        store.finalise(record | made | _cells(pipeline))
    return RunResult(phase_map, labels, table, folder, paths, failures, n_resumed)


def write_tracks(folder: Path, table: pd.DataFrame) -> dict[str, Path]:
    """Write one row a track of a linked table and return where."""
    tracks = track_growth(table)
    csv, parquet = write_table(tracks, folder / TRACKS_NAME, column_units(tracks))
    return {"tracks_csv": csv, "tracks_parquet": parquet}


def _remove_earlier_tracks(store: ResultStore) -> None:
    """Remove the table of tracks that an earlier run of ours left, as out of date."""
    earlier = (own_record(store.path) or {}).get(DESCRIPTION, {})
    if earlier.get("link") is not None:
        stem = store.path.parent / TRACKS_NAME
        remove_files(stem.with_suffix(".csv"), stem.with_suffix(".parquet"))


def open_store(
    folder: Path,
    record: dict[str, Any],
    context: PhaseMap,
    n_frames: int,
    overwrite: bool = False,
) -> ResultStore:
    """Return the folder's result, new or as an earlier run left it."""
    return ResultStore.open(
        folder / PHASE_NAME,
        shape=(n_frames, *context.shape[1:]),
        pixel_size_um=context.pixel_size_um,
        frame_interval_s=context.acquisition.instrument.frame_interval_s,
        record=record,
        unit=context.unit.value,
        overwrite=overwrite,
    )


def input_record(pipeline: Pipeline, acquisition: Acquisition) -> dict[str, Any]:
    """Return what phase and cells depend on; runs continue only what is equal."""
    description = pipeline.to_dict()
    phase_steps = ("modality", "retrieve", "stabilise")
    return {
        "pipeline": {
            **{name: description[name] for name in phase_steps},
            "input": {
                "shape_tcyx": list(acquisition.shape),
                "dtype": str(acquisition.dtype),
                "instrument": acquisition.instrument.to_dict(),
                "first_frame_sha256": _digest_of_frame(acquisition),
                "reference_sha256": _digest(acquisition.reference),
                "file": None
                if acquisition.path is None
                else fingerprint(acquisition.path),
            },
        },
        DESCRIPTION: description,
        **_cells(pipeline),
    }


def _cells(pipeline: Pipeline) -> dict[str, Any]:
    return {CELLS: pipeline.to_dict()["segment"]}


def _digest_of_frame(acquisition: Acquisition) -> str | None:
    try:
        return _digest(acquisition.read(0))
    except QPMError:
        return None


def _digest(array: Any) -> str | None:
    if array is None:
        return None
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def lazy_frames(read: Any, shape: tuple[int, int, int], dtype: type[Any]) -> Any:
    """Return ``(T, Y, X)`` as dask, one chunk a frame."""
    import dask.array as da

    n_frames, ny, nx = shape

    def load(block_id: tuple[int, ...]) -> Any:
        return np.asarray(read(block_id[0]), dtype=dtype)[None]

    return da.map_blocks(
        load,
        chunks=((1,) * n_frames, (ny,), (nx,)),
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype),
    )


def ignore_progress(progress: Progress) -> None:
    """Nobody listens."""
