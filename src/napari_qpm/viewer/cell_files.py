"""Cells from files and into files: a view-model, free of Qt."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.results import present
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.tasks import Task, segment_task

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["CellFiles"]

ENGINE = "file"
TITLE = "Import cells"


class CellFiles:
    """Takes cells of the selected recording from a file, and writes them into one.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow

    def obstacle_to_import(self) -> str:
        """Return why no cells can be taken now; empty when they can."""
        return self._workflow.availability(StepName.SEGMENT).reason

    def obstacle_to_export(self) -> str:
        """Return why no cells can be written now; empty when they can."""
        workflow = self._workflow
        if workflow.job is not None:
            return workflow.availability(StepName.SEGMENT).reason
        return "" if self._cells() is not None else "Segment or import cells first."

    def import_cells(self, path: Path) -> None:
        """Take the cells of all frames from a file."""
        workflow = self._workflow
        field = workflow.field
        if field is None or self.obstacle_to_import():
            return
        from napari_qpm.pipeline import EngineStep, segment_step

        step = EngineStep(engine=ENGINE, parameters={"path": str(path)})
        pipeline = workflow.pipeline().model_copy(update={"segment": step})
        frames = sorted(field.done[Role.PHASE])
        task = segment_task(workflow.viewer, field, pipeline, frames)
        phase_map = field.phase_map
        assert phase_map is not None

        def work(token: CancelToken, report: ReportProgress) -> Any:
            # One frame tells whether the file fits; else every frame would fail.
            segment_step(pipeline).frame(phase_map, frames[0], token)
            return task.work(token, report)

        def commit(result: Any) -> str:
            note = task.commit(result)
            field.is_imported = True
            return note

        taking = dataclasses.replace(task, title=TITLE, work=work, commit=commit)
        workflow.start(taking)

    def export_cells(self, path: Path) -> None:
        """Write the cells as masks (``….tif``) or for Cellpose (``…_seg.npy``)."""
        cells = self._cells()
        if cells is None or self.obstacle_to_export():
            return
        labels = cells.data if cells.ndim == 3 else cells.data[None]

        def work(token: CancelToken, report: ReportProgress) -> Any:
            from napari_qpm.io.label_files import write_labels

            report(Progress(0, 0, "", f"Writing {path.name}"))
            return write_labels(labels, path)

        def commit(made: Any) -> str:
            if len(made) == 1:
                return f"Saved {made[0].name} in {path.parent}."
            first, last = made[0].name, made[-1].name
            return f"Saved {len(made)} files, {first} to {last}, in {path.parent}."

        self._workflow.start(Task("Export cells", work, commit, is_compiled=False))

    def _cells(self) -> Any:
        field = self._workflow.field
        if field is None:
            return None
        return present(self._workflow.viewer, field, Role.CELLS)
