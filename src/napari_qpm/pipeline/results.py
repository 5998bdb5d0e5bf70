"""Continue from results: outline, measure or link cells in phase that is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_qpm.acquisition import (
    Acquisition,
    ArraySource,
    Instrument,
    Modality,
    PhaseMap,
    PhaseUnit,
)
from napari_qpm.errors import FileFormatError, JobCancelled, OutputError, QPMError
from napari_qpm.io import open_all
from napari_qpm.io.channels import channels_of
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.io.zarr_reader import own_record
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.pipeline.batch import BatchResult
from napari_qpm.pipeline.description import Pipeline
from napari_qpm.pipeline.run import (
    DESCRIPTION,
    PHASE_NAME,
    Running,
    RunResult,
    claim_cells,
    finish,
    ignore_progress,
    lazy_frames,
    open_store,
)
from napari_qpm.pipeline.stages import SATURATED, Stage
from napari_qpm.pipeline.workers import start_workers
from napari_qpm.provenance import Step

__all__ = [
    "described",
    "extend_results",
    "is_result",
    "phase_path",
    "read_cells",
]


@dataclass(frozen=True)
class _Stored:
    """A result as its own record describes it."""

    folder: Path
    record: dict[str, Any]
    pipeline: Pipeline
    context: PhaseMap
    n_frames: int


def is_result(path: Path) -> bool:
    """Return whether a path is a result folder of ours, or the phase inside one."""
    return own_record(phase_path(path)) is not None


def phase_path(path: Path) -> Path:
    """Return where the phase of a result folder is."""
    return path if path.suffix == ".zarr" else path / PHASE_NAME


def read_cells(path: Path) -> Any:
    """Return the cells of a result ``(T, Y, X)`` as dask, or `None` without any."""
    store = ResultStore(phase_path(path))
    if not store.finished("labels"):
        return None
    return lazy_frames(store.read_labels, store.shape, np.int32)


def extend_results(
    pipeline: Pipeline,
    inputs: Sequence[Path],
    *,
    only_measure: bool = False,
    keep_links: bool = True,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
    overwrite: bool = False,
    scheduler: str | None = None,
) -> BatchResult:
    """Segment and measure phase that earlier runs retrieved.

    Parameters
    ----------
    pipeline
        Its steps after the retrieval are used.
    inputs
        Result folders.
    only_measure
        Keep the cells that are there.
    keep_links
        Link as an earlier run did where the pipeline does not say how.
    token, report, overwrite, scheduler
        See `run_pipeline`.
    """
    running = Running(token or CancelToken(), report or ignore_progress, scheduler)
    results: list[RunResult] = []
    failures: list[tuple[Path, QPMError]] = []
    for path in inputs:
        try:
            stored = _read(path)
            combined = _combined(pipeline, stored, only_measure, keep_links)
            result = _extend(stored, combined, overwrite, running)
        except JobCancelled:
            raise
        except QPMError as error:
            failures.append((path, error))
        else:
            results.append(result)
    return BatchResult(tuple(results), tuple(failures))


def _combined(
    pipeline: Pipeline, stored: _Stored, only_measure: bool, keep_links: bool
) -> Pipeline:
    """Return the stored pipeline with the steps that are done now."""
    if only_measure and stored.pipeline.segment is None:
        raise OutputError(
            f"{stored.folder} holds no cells yet. Run napari-qpm segment on it first."
        )
    wanted = pipeline.complete(stored.context.acquisition)
    linking = wanted.link
    if keep_links and linking is None and wanted.measure is not None:
        linking = stored.pipeline.link
    return stored.pipeline.model_copy(
        update={
            "segment": stored.pipeline.segment if only_measure else wanted.segment,
            "measure": wanted.measure,
            "link": linking,
        }
    )


def _extend(
    stored: _Stored, combined: Pipeline, overwrite: bool, running: Running
) -> RunResult:
    store = open_store(stored.folder, stored.record, stored.context, stored.n_frames)
    unfinished = stored.n_frames - len(store.finished("phase"))
    if unfinished:
        raise OutputError(
            f"{unfinished} of {stored.n_frames} frames in {stored.folder} are not "
            "retrieved yet. Run the command that made it again, then this one."
        )
    claim_cells(store, combined, overwrite)
    with start_workers(running.scheduler) as workers:
        stage = Stage(store, stored.n_frames, workers, running.token, running.report)
        raw = None
        if any(SATURATED in notes for notes in store.notes.values()):
            raw = _raw_recording(stored.context.acquisition)
        return finish(combined, stage, stored.context, stored.record, raw, 0)


def _read(path: Path) -> _Stored:
    place = phase_path(path)
    record = own_record(place)
    if record is None or DESCRIPTION not in record:
        raise FileFormatError(
            f"{path} is not a result of napari-qpm that can be continued. Name the "
            f"folder that napari-qpm retrieve or run has made; it holds {PHASE_NAME}."
        )
    n_frames, *size = record["shape"]
    grid_y, grid_x = record["grid_scale"]
    context = PhaseMap(
        phase=np.zeros((1, *size), np.float32),
        acquisition=described(record["acquisition"], [n_frames, 1, *size]),
        grid_scale=(grid_y, grid_x),
        unit=PhaseUnit(record["unit"]),
        history=tuple(
            Step(**step)
            for step in record["history"]
            if step["name"] not in ("segment", "measure", "link")
        ),
    )
    pipeline = Pipeline.parse(record[DESCRIPTION])
    return _Stored(place.parent, record, pipeline, context, n_frames)


def described(facts: dict[str, Any], size: list[int]) -> Acquisition:
    """Return the recording a result was made from, with blank frames of this size."""
    return Acquisition(
        source=ArraySource(np.broadcast_to(np.zeros((), facts["dtype"]), size)),
        modality=Modality.parse(facts["modality"]),
        instrument=Instrument.from_dict(facts["instrument"]),
        name=facts["name"],
        path=None if facts["path"] is None else Path(facts["path"]),
        notes=tuple(facts["notes"]),
        history=tuple(Step(**step) for step in facts["history"]),
        times_s=_times(facts, size),
    )


def _times(facts: dict[str, Any], size: list[int]) -> tuple[float, ...] | None:
    """Return the times of the frames, when they are as many as the frames."""
    times = facts.get("times_s")
    return tuple(times) if times and len(times) == size[0] else None


def _raw_recording(described: Acquisition) -> Acquisition | None:
    """Return the raw recording with its frames if it is still where it was."""
    if described.path is None or not described.path.exists():
        return None
    try:
        channels = channels_of(described)
        fields = open_all(
            described.path,
            modality=described.modality,
            channel=None if channels is None else channels.chosen,
            **described.instrument.to_dict(),
        )
    except QPMError:
        return None
    return next((field for field in fields if field.name == described.name), None)
