"""Run what was run here on other recordings, in a child process.

It is `napari-qpm run` with the pipeline of the table: the results lie in folders that
open like recordings, and running again goes on where it stopped.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_qpm.errors import OutputError
from napari_qpm.jobs import CancelToken, ReportProgress, run_command
from napari_qpm.viewer.runs import pipeline_as_run
from napari_qpm.viewer.tasks import Task

if TYPE_CHECKING:
    from napari_qpm.pipeline import Pipeline
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["choose_others", "others_task"]

PIPELINE_FILE = "dock.pipeline.yaml"
TITLE = "Run on other recordings"


def others_task(pipeline: "Pipeline", recordings: Sequence[Path], folder: Path) -> Task:
    """Return the task that runs a pipeline on these recordings.

    Parameters
    ----------
    recordings
        Files or folders, each with a name of its own.
    folder
        Gets one folder for each recording, and the pipeline.
    """

    def work(token: CancelToken, report: ReportProgress) -> dict[str, Any]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            place = pipeline.dump(folder / PIPELINE_FILE)
        except OSError as error:
            raise OutputError(
                f"The settings cannot be written into {folder}: "
                f"{error.strerror or error}. Choose another folder."
            ) from error
        names = [str(one) for one in recordings]
        return run_command(["run", str(place), *names, "--output", str(folder)])(
            token, report
        )

    def commit(made: dict[str, Any]) -> str:
        n = len(made["results"])
        what = "recording is" if n == 1 else "recordings are"
        return f"The results of {n} {what} in {folder}."

    def keep() -> str:
        return (
            f"Finished frames are kept in {folder}; choose the same recordings and "
            "folder to go on."
        )

    return Task(TITLE, work, commit, keep=keep)


def choose_others(workflow: "Workflow", parent: QWidget, file_filter: str) -> None:
    """Ask for recordings and a folder, and run on them what made the table."""
    field = workflow.field
    pipeline = None if field is None else pipeline_as_run(field)
    if pipeline is None or workflow.job is not None:
        return
    names, _ = QFileDialog.getOpenFileNames(parent, TITLE, "", file_filter)
    if not names:
        return
    folder = QFileDialog.getExistingDirectory(parent, "Folder for the results")
    if folder:
        others = [Path(name) for name in names]
        workflow.start(others_task(pipeline, others, Path(folder)))
