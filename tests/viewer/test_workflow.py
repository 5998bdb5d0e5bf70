import gc
import threading
import weakref

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from tests.viewer.conftest import cells_phase, make_recording, show_recording

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.errors import ParameterError, QPMError
from napari_qpm.io.merging import UNIT_UNKNOWN
from napari_qpm.jobs import FinishReason, JobState, Progress
from napari_qpm.pipeline import Pipeline
from napari_qpm.viewer import workflow as workflow_module
from napari_qpm.viewer.fields import METADATA_KEY, Role, field_of
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.tasks import Task
from napari_qpm.viewer.workflow import Scope, Workflow

WAIT_S = 10


class HeldTask:
    """A task that waits for the test, to catch a workflow in the middle of a job."""

    def __init__(self, error=None):
        self.started, self.go_on = threading.Event(), threading.Event()
        self.error = error
        self.committed = []

    def work(self, token, report):
        self.started.set()
        report(Progress(1, 4, "frames", "Holding"))
        while not self.go_on.wait(0.002):
            token.raise_if_cancelled()
        if self.error is not None:
            raise self.error
        return "result"

    def task(self):
        return Task("Retrieve phase", self.work, self.commit)

    def commit(self, result):
        self.committed.append(result)
        return ""


@pytest.fixture
def held(monkeypatch):
    """Replace the retrieval by a task that the test controls."""
    made = HeldTask()
    monkeypatch.setattr(workflow_module, "retrieve_task", lambda *_: made.task())
    yield made
    made.go_on.set()


@pytest.fixture
def ended(workflow):
    """Collect the finish reasons of the workflow's jobs."""
    reasons = []
    workflow.finished.connect(lambda title, status: reasons.append(status.reason))
    return reasons


@pytest.fixture
def messages(workflow):
    """Collect what the workflow tells the user when something fails."""
    told = []
    workflow.failed.connect(told.append)
    return told


def test_selecting_any_layer_of_a_field_selects_the_field(workflow, viewer, mailbox):
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)

    phase = viewer.layers["dish phase"]
    viewer.layers.selection.active = phase
    assert workflow.field is field_of(viewer.layers["dish"])
    viewer.layers.selection.active = viewer.layers["dish"]
    assert workflow.field is field_of(phase)


def test_three_steps_lead_from_recording_to_table(workflow, viewer, mailbox, ended):
    show_recording(viewer, make_recording())

    for step in StepName:
        assert workflow.next_step() is step
        workflow.run(step)
        mailbox.follow(workflow)

    assert ended == [FinishReason.COMPLETED] * 3
    assert [layer.name for layer in viewer.layers] == [
        "dish",
        "dish phase",
        "dish cells",
        "dish tracks",
    ]
    table = workflow.field.table
    assert len(table) == 2 * 3
    assert (table["dry_mass_pg"] > 0).all()
    assert (table["dry_mass_sd_pg"] >= 0).all()
    assert workflow.next_step() is None


def test_one_click_runs_all_steps(workflow, viewer, mailbox):
    show_recording(viewer, make_recording())

    workflow.run_all()
    mailbox.follow(workflow)

    assert workflow.field.table is not None


def test_a_quick_look_computes_the_shown_frame_only(workflow, viewer, mailbox):
    show_recording(viewer, make_recording())
    viewer.dims.set_point(0, 120.0)

    workflow.run_all(Scope.CURRENT)
    mailbox.follow(workflow)

    field = workflow.field
    assert field.done[Role.PHASE] == {2}
    assert np.isnan(viewer.layers["dish phase"].data[0]).all()
    assert set(field.table["frame"]) == {2}


def test_steps_say_what_to_do_first(workflow, viewer):
    assert "Select a recording" in workflow.availability(StepName.RETRIEVE).reason

    show_recording(viewer, make_recording())

    assert workflow.availability(StepName.RETRIEVE).is_ready
    assert "phase first" in workflow.availability(StepName.SEGMENT).reason
    assert "phase first" in workflow.availability(StepName.MEASURE).reason


def test_conflicting_steps_are_disabled_while_a_job_runs(workflow, viewer, held):
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    assert held.started.wait(WAIT_S)

    assert not any(workflow.availability(step).is_ready for step in StepName)
    running = workflow.job
    workflow.run(StepName.RETRIEVE)
    assert workflow.job is running


def test_success_commits_once(workflow, viewer, mailbox, held, ended):
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    held.go_on.set()
    mailbox.follow(workflow)
    mailbox.deliver()

    assert held.committed == ["result"]
    assert ended == [FinishReason.COMPLETED]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (QPMError("The sideband is gone. Choose another."), "The sideband is gone"),
        (RuntimeError("device lost"), "Retrieve phase failed (RuntimeError): device"),
        (MemoryError("too large"), "Retrieve phase failed (MemoryError)"),
    ],
)
def test_an_error_is_told_and_the_step_is_ready_again(
    workflow, viewer, mailbox, held, ended, messages, error, words
):
    show_recording(viewer, make_recording())
    held.error = error
    workflow.run(StepName.RETRIEVE)
    held.go_on.set()
    mailbox.follow(workflow)

    assert ended == [FinishReason.FAILED]
    assert [words in message for message in messages] == [True]
    assert held.committed == []
    assert workflow.availability(StepName.RETRIEVE).is_ready


def test_cancel_shows_at_once_and_commits_nothing(
    workflow, viewer, mailbox, held, ended
):
    show_recording(viewer, make_recording())
    states = []
    workflow.progressed.connect(lambda status: states.append(status.state))
    workflow.run(StepName.RETRIEVE)
    assert held.started.wait(WAIT_S)

    workflow.cancel()
    assert workflow.job.status.state in (JobState.CANCELLING, JobState.FINISHED)
    mailbox.follow(workflow)

    assert ended == [FinishReason.CANCELLED]
    assert held.committed == []
    assert states[-1] is JobState.FINISHED
    assert workflow.availability(StepName.RETRIEVE).is_ready


def test_cancelling_all_steps_starts_none_of_the_rest(workflow, viewer, mailbox, held):
    show_recording(viewer, make_recording())
    workflow.run_all()
    assert held.started.wait(WAIT_S)
    workflow.cancel()
    mailbox.follow(workflow)

    assert workflow.job is None
    assert "dish cells" not in viewer.layers


def test_a_late_cancel_keeps_the_finished_result(
    workflow, viewer, mailbox, held, ended
):
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    held.go_on.set()
    assert workflow.job.wait(WAIT_S)

    workflow.cancel()
    mailbox.follow(workflow)

    assert ended == [FinishReason.COMPLETED]
    assert held.committed == ["result"]


def test_cancel_without_a_job_does_nothing(workflow):
    workflow.cancel()

    assert workflow.job is None


def test_closing_drops_the_result_of_a_running_job(viewer, mailbox, held):
    workflow = Workflow(viewer, post=mailbox.post)
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    assert held.started.wait(WAIT_S)
    job = workflow.job

    workflow.close()
    workflow.close()
    assert job.wait(WAIT_S)
    mailbox.deliver()

    assert job.status.reason is FinishReason.CANCELLED
    assert held.committed == []


def test_a_closed_workflow_leaves_no_callbacks_on_the_viewer(viewer, mailbox):
    before = len(viewer.layers.events.removed.callbacks)
    workflow = Workflow(viewer, post=mailbox.post)
    gone = weakref.ref(workflow)
    workflow.close()

    assert len(viewer.layers.events.removed.callbacks) == before
    show_recording(viewer, make_recording())
    assert workflow.field is None
    mailbox.deliver()
    del workflow
    gc.collect()
    assert gone() is None


def test_deleting_the_recording_during_its_job_keeps_the_result(
    workflow, viewer, mailbox
):
    layer = show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    viewer.layers.remove(layer)
    mailbox.follow(workflow)

    assert viewer.layers["dish phase"].data.shape == (3, 48, 64)


def test_deleting_the_phase_during_segmentation_keeps_the_cells(
    workflow, viewer, mailbox
):
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    workflow.run(StepName.SEGMENT)
    viewer.layers.remove(viewer.layers["dish phase"])
    mailbox.follow(workflow)

    assert viewer.layers["dish cells"].data.max() == 2
    assert "phase first" in workflow.availability(StepName.MEASURE).reason


def test_renaming_a_layer_during_its_job_renames_the_result(workflow, viewer, mailbox):
    layer = show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    layer.name = "plate 7"
    mailbox.follow(workflow)

    assert "plate 7 phase" in viewer.layers


def test_two_viewers_do_not_mix(workflow, viewer, mailbox):
    other = ViewerModel()
    other_workflow = Workflow(other, post=mailbox.post)
    show_recording(viewer, make_recording())
    show_recording(other, make_recording())

    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)

    assert "dish phase" in viewer.layers
    assert "dish phase" not in other.layers
    other_workflow.close()


def test_wavelength_and_pixel_size_can_be_filled_in_later(workflow, viewer, mailbox):
    bare = make_recording(wavelength_nm=None, pixel_size_um=None)
    layer = show_recording(viewer, bare)
    workflow.run_all()
    mailbox.follow(workflow)
    assert "dry_mass_pg" not in workflow.field.table
    assert "dry_mass_pg" in workflow.field.missing_columns

    workflow.set_instrument(wavelength_nm=532.0)
    workflow.set_instrument(pixel_size_um=0.5)
    assert workflow.next_step() is StepName.MEASURE
    workflow.run(StepName.MEASURE)
    mailbox.follow(workflow)

    assert (workflow.field.table["dry_mass_pg"] > 0).all()
    assert tuple(layer.scale) == (60.0, 0.5, 0.5)
    assert tuple(viewer.layers["dish cells"].scale) == (60.0, 0.5, 0.5)
    record = layer.metadata[METADATA_KEY]
    assert record["instrument"]["wavelength_nm"] == 532.0
    assert workflow.pipeline().instrument == {
        "wavelength_nm": 532.0,
        "pixel_size_um": 0.5,
    }


def test_a_fact_that_the_phase_depends_on_asks_to_retrieve_again(
    workflow, viewer, mailbox
):
    show_recording(viewer, make_recording())
    workflow.run_all()
    mailbox.follow(workflow)

    workflow.set_instrument(phase_unit="waves")
    assert workflow.next_step() is StepName.RETRIEVE
    assert workflow.field.phase_map.acquisition.instrument.phase_unit == "rad"
    before = np.array(viewer.layers["dish phase"].data)
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)

    assert workflow.is_done(StepName.RETRIEVE)
    # One wave is 2 pi radians; both were levelled by the same fit.
    scaled = viewer.layers["dish phase"].data / (2 * np.pi)
    np.testing.assert_allclose(scaled, before, atol=1e-4)


def test_closing_a_viewer_examines_no_layer_on_its_way(viewer, mailbox):
    workflow = Workflow(viewer, post=mailbox.post)
    for _ in range(3):
        viewer.add_image(np.zeros((64, 64), np.uint8))

    viewer.layers.clear()
    mailbox.deliver()

    assert workflow.job is None
    workflow.close()


def test_an_impossible_wavelength_changes_nothing(workflow, viewer):
    show_recording(viewer, make_recording())

    with pytest.raises(ParameterError, match="positive"):
        workflow.set_instrument(wavelength_nm=-1.0)

    assert workflow.acquisition.instrument.wavelength_nm == 532.0


def test_a_wrong_kind_can_be_corrected(workflow, viewer):
    layer = show_recording(viewer, make_recording())

    workflow.set_modality(Modality.OFF_AXIS)

    assert workflow.settings.engine(StepName.RETRIEVE, workflow.modality) == "fourier"
    assert layer.metadata[METADATA_KEY]["modality"] == "off-axis"


def test_a_hologram_without_fringes_fails_in_words(workflow, viewer, mailbox, messages):
    show_recording(viewer, make_recording())
    workflow.set_modality(Modality.OFF_AXIS)

    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)

    assert len(messages) == 1
    assert "Error" not in messages[0]
    assert "dish phase" not in viewer.layers


def test_layers_of_others_are_examined_off_the_gui_thread(workflow, viewer, mailbox):
    y, x = np.mgrid[:256, :256]
    rng = np.random.default_rng(0)
    fringes = 100 + 60 * np.cos(2 * np.pi * (0.25 * x + 0.2 * y))
    jobs = []
    workflow.changed.connect(lambda: jobs.append(workflow.job))
    viewer.add_image((fringes + rng.normal(0, 2, fringes.shape)).astype(np.uint8))

    mailbox.deliver()
    mailbox.follow(workflow)

    assert any(job is not None for job in jobs)

    assert workflow.modality is Modality.OFF_AXIS
    assert workflow.availability(StepName.RETRIEVE).is_ready


def test_an_unknown_kind_asks_for_it(workflow, viewer, mailbox):
    viewer.add_image(np.zeros((64, 64), np.uint8))
    mailbox.follow(workflow)

    assert "choose it under Kind" in workflow.availability(StepName.RETRIEVE).reason


def test_a_layer_with_unclear_axes_is_explained(workflow, viewer):
    viewer.add_image(np.zeros((2, 3, 8, 8)))

    assert "name the axes" in workflow.availability(StepName.RETRIEVE).reason


def test_every_job_waits_for_compiled_code(viewer, mailbox):
    calls = []
    workflow = Workflow(
        viewer, post=mailbox.post, before_job=lambda token, report: calls.append(1)
    )
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    workflow.close()

    assert calls == [1]


def test_corrected_cells_are_measured_as_they_are_and_flagged(
    workflow, viewer, mailbox
):
    show_recording(viewer, make_recording())
    workflow.run_all()
    mailbox.follow(workflow)
    cells = viewer.layers["dish cells"]
    first = np.nonzero(np.asarray(cells.data[0]) == 1)
    where = (np.zeros_like(first[0][:5]), first[0][:5], first[1][:5])
    before = workflow.field.table

    cells.data_setitem(where, 0)
    assert workflow.next_step() is StepName.MEASURE
    workflow.run(StepName.MEASURE)
    mailbox.follow(workflow)

    table = workflow.field.table
    edited = table[table["edited_by_hand"]]
    assert edited[["frame", "label"]].to_numpy().tolist() == [[0, 1]]
    assert edited["area_px"].item() == before["area_px"].iloc[0] - 5


def test_a_row_leads_to_its_cell(workflow, viewer, mailbox):
    show_recording(viewer, make_recording())
    workflow.run_all()
    mailbox.follow(workflow)

    workflow.show_cell(2, 1)

    assert viewer.layers["dish cells"].selected_label == 2
    assert workflow.current_frame() == 1


def test_export_writes_table_and_settings(workflow, viewer, mailbox, tmp_path):
    show_recording(viewer, make_recording())
    workflow.run_all()
    mailbox.follow(workflow)

    workflow.export_table(tmp_path / "cells")
    mailbox.follow(workflow)

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "cells-tracks.csv",
        "cells-tracks.parquet",
        "cells.csv",
        "cells.parquet",
        "cells.pipeline.yaml",
        "cells.script.py",
    ]
    kept = Pipeline.load(tmp_path / "cells.pipeline.yaml")
    assert kept == workflow.pipeline()
    assert "cells.csv" in workflow.note


def test_export_keeps_cells_that_were_corrected_by_hand(
    workflow, viewer, mailbox, tmp_path
):
    show_recording(viewer, make_recording())
    workflow.run_all()
    mailbox.follow(workflow)
    cells = viewer.layers["dish cells"]
    cells.data_setitem((np.array([1]), np.array([0]), np.array([0])), 9)
    workflow.run(StepName.MEASURE)
    mailbox.follow(workflow)

    workflow.export_table(tmp_path / "cells")
    mailbox.follow(workflow)

    written = tifffile.imread(tmp_path / "cells.labels.tif")
    np.testing.assert_array_equal(written, cells.data)


def test_a_place_that_cannot_be_written_is_told_and_the_table_stays(
    workflow, viewer, mailbox, messages, tmp_path
):
    show_recording(viewer, make_recording())
    workflow.run_all()
    mailbox.follow(workflow)
    (tmp_path / "file").write_text("in the way")

    workflow.export_table(tmp_path / "file" / "cells")
    mailbox.follow(workflow)

    assert len(messages) == 1
    assert "cannot be written" in messages[0]
    assert workflow.field.table is not None


def test_phase_of_a_single_image_needs_no_time_axis(workflow, viewer, mailbox):
    viewer.add_image(cells_phase(1)[0], name="still")
    mailbox.follow(workflow)
    workflow.set_modality(Modality.PHASE)
    workflow.set_instrument(phase_unit="rad")

    workflow.run_all()
    mailbox.follow(workflow)

    assert viewer.layers["still cells"].data.shape == (1, 48, 64)
    assert len(workflow.field.table) == 2


def make_hologram():
    """A hologram of one cell, in the workflow's form."""
    y, x = np.mgrid[:128, :128]
    cell = 3 * np.exp(-(((y - 64) ** 2 + (x - 60) ** 2) ** 2) / (2 * 20.0**4))
    frame = 1000 * (1 + 0.7 * np.cos(2 * np.pi * (0.24 * y + 0.2 * x) + cell))
    return Acquisition.from_array(frame[None], "off-axis", name="hologram")


def test_sideband_and_sign_are_shown_once_they_are_found(workflow, viewer, mailbox):
    show_recording(viewer, make_hologram())
    assert not any("Sideband" in note for note in workflow.recording_notes())
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    notes = " ".join(workflow.recording_notes())
    assert "Sideband found at" in notes
    assert "thicker than the medium" in notes


def test_sign_can_be_turned(workflow, viewer, mailbox):
    show_recording(viewer, make_hologram())
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    assert workflow.field.phase_map.read(0)[10:-10, 10:-10].max() > 2.5
    workflow.set_instrument(phase_sign=-1)
    assert workflow.next_step() is StepName.RETRIEVE
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    assert workflow.field.phase_map.read(0)[10:-10, 10:-10].min() < -2.5


def test_a_gap_that_was_filled_in_is_no_longer_noted(workflow, viewer):
    recording = make_recording(1, phase_unit="unknown")
    show_recording(viewer, recording.replace(notes=(UNIT_UNKNOWN,)))
    assert UNIT_UNKNOWN in workflow.recording_notes()

    workflow.set_instrument(phase_unit="rad")

    assert UNIT_UNKNOWN not in workflow.recording_notes()
