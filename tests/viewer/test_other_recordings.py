import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog, QWidget
from tests.viewer.conftest import cells_phase, make_recording, show_recording

from napari_qpm.errors import JobCancelled, OutputError
from napari_qpm.jobs import CancelToken
from napari_qpm.pipeline import Pipeline
from napari_qpm.viewer.other_recordings import choose_others, others_task
from napari_qpm.viewer.settings import StepName


def run(task, token=None):
    return task.work(token or CancelToken(), lambda progress: None)


@pytest.fixture
def recordings(tmp_path):
    """Two files of one frame each, without any metadata."""
    places = [tmp_path / f"dish-{n}.tif" for n in range(2)]
    for place in places:
        tifffile.imwrite(place, cells_phase(1)[0].astype(np.float32))
    return places


@pytest.fixture
def pipeline():
    known = {"wavelength_nm": 532.0, "pixel_size_um": 0.5, "phase_unit": "rad"}
    return Pipeline.parse({"modality": "phase", "instrument": known})


def test_each_recording_gets_its_results_and_goes_on_where_it_was(
    recordings, pipeline, tmp_path
):
    results = tmp_path / "results"
    task = others_task(pipeline, recordings, results)

    told = task.commit(run(task))

    assert "2 recordings" in told
    assert str(results) in told
    tables = sorted(results.glob("dish-*/*.csv"))
    assert len(tables) == 2
    before = [
        one.stat().st_mtime_ns for one in results.rglob("*") if "zarr" in str(one)
    ]
    run(task)
    again = [one.stat().st_mtime_ns for one in results.rglob("*") if "zarr" in str(one)]
    assert len(again) == len(before) > 0


def test_a_broken_recording_is_named(recordings, pipeline, tmp_path):
    recordings[1].write_bytes(b"no picture")
    task = others_task(pipeline, recordings, tmp_path / "results")

    with pytest.raises(Exception, match="dish-1"):
        run(task)

    assert list((tmp_path / "results").glob("dish-0/*.csv"))
    assert "to go on" in task.keep()


def test_cancelled_at_once_it_says_how_to_go_on(recordings, pipeline, tmp_path):
    token = CancelToken()
    token.cancel()
    task = others_task(pipeline, recordings, tmp_path / "results")

    with pytest.raises(JobCancelled):
        run(task, token)

    assert "to go on" in task.keep()


def test_a_folder_that_cannot_be_written_is_explained(recordings, pipeline, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file")

    with pytest.raises(OutputError, match="Choose another folder"):
        run(others_task(pipeline, recordings, taken))


@pytest.mark.gui
def test_what_made_the_table_runs_on_the_chosen_files(
    workflow, viewer, mailbox, qtbot, monkeypatch, tmp_path
):
    parent = QWidget()
    qtbot.addWidget(parent)
    started = []
    monkeypatch.setattr(workflow, "start", started.append)
    answers = [str(tmp_path / "a.tif")], ""
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: answers)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    choose_others(workflow, parent, "")
    assert started == []

    show_recording(viewer, make_recording())
    for step in StepName:
        workflow.run(step)
        mailbox.run_until(lambda: workflow.job is None)
    choose_others(workflow, parent, "")

    assert [task.title for task in started] == ["Run on other recordings"]
