"""What a dock can do as a job: the work off the GUI thread, and its commit on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.viewer.adoption import examine
from napari_qpm.viewer.fields import FieldOfView, Role
from napari_qpm.viewer.filling_layers import (
    cells_key,
    follow_cells,
    follow_phase,
    keep_cells,
    keep_phase,
    phase_key,
)
from napari_qpm.viewer.fills import Filling
from napari_qpm.viewer.frames import measure_frames, retrieve_frames, segment_frames
from napari_qpm.viewer.results import show_cells, show_phase
from napari_qpm.viewer.runs import note_run, pipeline_as_run
from napari_qpm.viewer.scripts import is_loose, script_of
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.tracks import show_tracks
from napari_qpm.viewer.verdicts import check_shown

if TYPE_CHECKING:
    import pandas as pd
    from napari.components import ViewerModel

    from napari_qpm.pipeline import Pipeline

__all__ = [
    "Task",
    "export_task",
    "inspect_task",
    "measure_task",
    "retrieve_task",
    "segment_task",
]


@dataclass(frozen=True)
class Task:
    """One job of a dock.

    Parameters
    ----------
    title
        Verb phrase for the user.
    work
        Runs in the job's thread; touches no layer.
    commit
        Takes the result on the thread that owns the layers, after success only, and
        returns what the user should know, if anything.
    update
        Called there now and then while the job runs.
    keep
        Called there instead of `commit` after a cancel or an error; returns what is
        kept, if anything.
    is_compiled
        Whether it runs compiled code, which the first job of a session waits for.
    """

    title: str
    work: Callable[[CancelToken, ReportProgress], Any]
    commit: Callable[[Any], str]
    update: Callable[[], None] = lambda: None
    keep: Callable[[], str] = lambda: ""
    is_compiled: bool = True


def retrieve_task(
    viewer: "ViewerModel",
    field: FieldOfView,
    pipeline: "Pipeline",
    frames: Iterable[int],
    shown: int = 0,
    folder: Path | None = None,
) -> Task:
    """Return the task that shows the phase of these frames and checks the shown one.

    Parameters
    ----------
    folder
        Where a whole series is kept; temporary by default.
    """
    recording, wanted = field.acquisition, tuple(frames)
    key = phase_key(pipeline, recording)
    filling = Filling(key, field.unfinished.get(StepName.RETRIEVE), folder)

    def work(token: CancelToken, report: ReportProgress) -> Any:
        made = retrieve_frames(pipeline, recording, wanted, token, report, filling)
        return made, check_shown(made.phase_map, made.frames, shown, token, report)

    def commit(result: Any) -> str:
        made, field.checked = result
        if filling.fill is not None:
            field.unfinished.pop(StepName.RETRIEVE, None)
        show_phase(viewer, field, made)
        note_run(field, StepName.RETRIEVE, pipeline, made.frames, len(wanted))
        return _problems_in_words("retrieved", made.problems)

    return Task(
        "Retrieve phase",
        work,
        commit,
        update=lambda: follow_phase(viewer, field, filling),
        keep=lambda: keep_phase(viewer, field, filling, pipeline),
    )


def segment_task(
    viewer: "ViewerModel",
    field: FieldOfView,
    pipeline: "Pipeline",
    frames: Iterable[int],
    joins: bool = False,
) -> Task:
    """Return the task that shows the cells of these frames.

    Parameters
    ----------
    joins
        Whether they join those of other frames even if another engine made those.

    Raises
    ------
    QPMError
        None of the frames has a phase yet.
    """
    phase_map = field.phase_map
    wanted = tuple(sorted(set(frames) & field.done.get(Role.PHASE, frozenset())))
    if phase_map is None or not wanted:
        raise QPMError(
            "The phase of this frame is not retrieved yet: retrieve this frame, or all "
            "frames, first."
        )

    from napari_qpm.pipeline import segment_step

    key = cells_key(pipeline, phase_map, frozenset(wanted))
    filling = Filling(key, field.unfinished.get(StepName.SEGMENT))
    is_series = len(wanted) > 1
    step = segment_step(pipeline).step

    def work(token: CancelToken, report: ReportProgress) -> Any:
        return segment_frames(pipeline, phase_map, wanted, token, report, filling)

    def commit(result: Any) -> str:
        field.unfinished.pop(StepName.SEGMENT, None)
        show_cells(viewer, field, result, joins)
        note_run(field, StepName.SEGMENT, pipeline, result.frames)
        return _problems_in_words("segmented", result.problems)

    def update() -> None:
        if is_series:
            follow_cells(viewer, field, filling, step)

    def keep() -> str:
        return keep_cells(viewer, field, filling, pipeline) if is_series else ""

    return Task("Segment cells", work, commit, update=update, keep=keep)


def measure_task(
    viewer: "ViewerModel",
    field: FieldOfView,
    pipeline: "Pipeline",
    frames: Iterable[int],
) -> Task:
    """Return the task that measures the cells as their layer shows them now.

    Cells of several frames are followed over time when the pipeline says so.
    """
    phase_map, cells = field.phase_map, field.layer(Role.CELLS)
    assert phase_map is not None
    assert cells is not None
    labels, outlines = cells.data, dict(field.outlines)
    if field.cells_step is not None:
        history = (*phase_map.history, field.cells_step)
        phase_map = phase_map.replace(history=history)
    wanted = set(frames) & field.done.get(Role.PHASE, frozenset())

    def work(token: CancelToken, report: ReportProgress) -> Any:
        table = measure_frames(
            pipeline, phase_map, labels, wanted, token, report, outlines
        )
        if pipeline.link is not None and len(wanted) > 1:
            from napari_qpm.pipeline import link_step

            report(Progress(0, 0, "", "Following cells over time"))
            table = link_step(pipeline, table, labels, token)
        return table, _tracks_of(table), table.attrs.get("missing", {})

    def commit(result: Any) -> str:
        field.table, field.track_table, field.missing_columns = result
        note_run(field, StepName.MEASURE, pipeline, frozenset(wanted))
        show_tracks(viewer, field)
        return ""

    return Task("Measure cells", work, commit)


def inspect_task(field: FieldOfView) -> Task:
    """Return the task that finds out what kind of recording a layer of others holds."""
    recording = field.acquisition

    def work(token: CancelToken, report: ReportProgress) -> Acquisition:
        return examine(recording)

    def commit(seen: Acquisition) -> str:
        field.acquisition = seen
        return ""

    return Task("Examine layer", work, commit)


def export_task(field: FieldOfView, path: Path) -> Task:
    """Return the task that writes the tables and what made them.

    Cells that were corrected by hand are written too: no pipeline makes them again. So
    is a reference frame that is in no other file.
    """
    table, tracks = field.table, field.track_table
    reference = field.acquisition.reference if is_loose(field.acquisition) else None
    reference_path = path.with_suffix(".reference.npy")
    reference_name = "" if reference is None else str(reference_path)
    pipeline, script = pipeline_as_run(field), script_of(field, reference_name)
    cells = field.layer(Role.CELLS) if field.are_cells_kept else None
    assert table is not None
    assert pipeline is not None

    def work(token: CancelToken, report: ReportProgress) -> Any:
        from napari_qpm.files import write_atomically
        from napari_qpm.io.table import write_table
        from napari_qpm.measurement import column_units

        paths = [*write_table(table, path, column_units(table))]
        if tracks is not None:
            beside = path.with_name(f"{path.name}-tracks")
            paths += write_table(tracks, beside, column_units(tracks))
        paths.append(pipeline.dump(path.with_suffix(".pipeline.yaml")))
        if script is not None:
            place = path.with_suffix(".script.py")
            paths.append(write_atomically(place, script.text.encode()))
        if reference is not None:
            paths.append(write_atomically(reference_path, _as_npy(reference)))
        if cells is not None:
            place = path.with_suffix(".labels.tif")
            paths.append(write_atomically(place, _as_tiff(cells.data)))
        return paths

    def commit(paths: Any) -> str:
        names = ", ".join(one.name for one in paths)
        return f"Saved {names} in {path.parent}."

    return Task("Export table", work, commit)


def _as_tiff(labels: Any) -> bytes:
    """Return labels ``(T, Y, X)`` as the content of a TIFF file."""
    import io

    import numpy as np
    import tifffile

    content = io.BytesIO()
    # Three frames are no colours, which tifffile would guess.
    tifffile.imwrite(
        content, np.asarray(labels), compression="zlib", photometric="minisblack"
    )
    return content.getvalue()


def _as_npy(frame: Any) -> bytes:
    """Return a frame ``(C, Y, X)`` as the content of a NumPy file."""
    import io

    import numpy as np

    content = io.BytesIO()
    np.save(content, frame)
    return content.getvalue()


def _tracks_of(table: "pd.DataFrame") -> "pd.DataFrame | None":
    """Return one row a track of a linked table that has cells."""
    from napari_qpm.measurement import track_growth

    is_linked = "track_id" in table.columns and len(table) > 0
    return track_growth(table) if is_linked else None


def _problems_in_words(what: str, problems: dict[int, str]) -> str:
    if not problems:
        return ""
    t, reason = next(iter(problems.items()))
    if len(problems) == 1:
        return f"Frame {t} was not {what}: {reason}"
    return f"{len(problems)} frames were not {what}. Frame {t}: {reason}"
