import errno
import threading

import pytest
from tests.viewer.conftest import Mailbox, show_recording

from napari_qpm.errors import OutputError, QPMError
from napari_qpm.io import open_acquisition
from napari_qpm.jobs import Progress
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer import adapting as adapting_module
from napari_qpm.viewer.adapting import Adapting
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

JUDGED = {
    "residual": 3.0,
    "verdict": "doubtful",
    "rms_rad": 0.5,
    "correlation": 0.9,
    "inside_rms_rad": 0.8,
    "inside_correlation": None,
}
RESULT = {
    "event": "result",
    "name": "my-scope",
    "base": "tiny",
    "before": JUDGED,
    "after": JUDGED | {"inside_rms_rad": 0.2},
    "frame": "dish",
    "held_out": "which taught nothing",
    "n_own": 1,
    "n_frames": 2,
    "steps": 40,
    "minutes": 1.0,
    "note": "",
}


class Child:
    """Stands for the child process: what it was asked, and what it answers."""

    def __init__(self):
        self.arguments, self.recording = [], None
        self.result, self.error = dict(RESULT), None
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, arguments):
        def run(token, report):
            self.arguments = arguments
            self.recording = open_acquisition(arguments[1])
            self.last = self.recording.read(-1)  # the files are gone afterwards
            report(Progress(1, 4, "steps", "Learning"))
            while not self.go_on.wait(0.01) and not token.is_cancelled:
                pass
            if self.error is not None:
                raise self.error
            return self.result

        return run

    def option(self, name):
        return self.arguments[self.arguments.index(name) + 1]


@pytest.fixture
def child():
    return Child()


@pytest.fixture
def adapting(workflow, viewer, child, tiny_models):
    mailbox = Mailbox()
    recording = simulate("off-axis", n_frames=2, shape=(96, 96)).acquisition
    show_recording(viewer, recording)
    workflow.settings.choose(StepName.RETRIEVE, workflow.modality, "nas-prnet")
    workflow.settings.change_engine(StepName.RETRIEVE, "nas-prnet", model="tiny")
    made = Adapting(workflow, post=mailbox.post, make_command=child)
    made.mailbox = mailbox
    yield made
    made.close()
    child.go_on.set()


def follow(adapting):
    while adapting.job is not None:
        adapting.mailbox.deliver()


def test_child_gets_frames_facts_and_the_chosen_model(adapting, workflow, child):
    adapting.start("my-scope", 3)
    follow(adapting)
    assert child.arguments[0] == "adapt"
    assert child.option("--name") == "my-scope"
    assert child.option("--model") == "tiny"
    assert child.option("--minutes") == "3"
    sent, own = child.recording, workflow.acquisition
    assert sent.shape == own.shape
    assert sent.modality is own.modality
    assert sent.reference is not None
    assert (child.last == own.read(1)).all()


def test_a_saved_model_is_chosen_and_its_figures_kept(adapting, workflow):
    told = []
    workflow.settings_changed.connect(lambda: told.append(True))
    adapting.start("my-scope", 3)
    follow(adapting)
    assert adapting.outcome.after.inside_rms_rad == 0.2
    assert "Saved as model my-scope" in adapting.message
    values = workflow.settings.values(StepName.RETRIEVE, workflow.modality)
    assert values["model"] == "my-scope"
    assert told


def test_a_model_that_is_no_better_leaves_the_choice(adapting, workflow, child):
    child.result["name"] = None
    adapting.start("my-scope", 3)
    follow(adapting)
    assert "No model was saved" in adapting.message
    values = workflow.settings.values(StepName.RETRIEVE, workflow.modality)
    assert values["model"] == "tiny"


def test_the_dock_stays_free_while_a_model_learns(adapting, workflow, child):
    child.go_on.clear()
    adapting.start("my-scope", 3)
    assert adapting.job is not None
    assert not adapting.availability().is_ready
    assert workflow.job is None
    assert workflow.availability(StepName.RETRIEVE).is_ready
    adapting.start("another", 3)  # ignored
    child.go_on.set()
    follow(adapting)
    assert child.option("--name") == "my-scope"


def test_stopping_keeps_what_the_child_gives(adapting, child):
    child.go_on.clear()
    adapting.start("my-scope", 3)
    adapting.stop()
    follow(adapting)
    assert adapting.outcome is not None


def test_errors_are_told_and_it_can_begin_again(adapting, child):
    child.error = OutputError("There is a model named my-scope already.")
    adapting.start("my-scope", 3)
    follow(adapting)
    assert "already" in adapting.message
    assert adapting.outcome is None
    assert adapting.availability().is_ready


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA error: device-side assert"), "CUDA error"),
        (QPMError("The child process failed: Unexpected RuntimeError: x"), "failed: U"),
        (OutputError("The disk is full: free some space."), "disk is full"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
    ],
)
def test_errors_of_any_kind_are_told_with_a_report(
    adapting, workflow, child, error, words
):
    told = []
    workflow.failed.connect(told.append)
    child.error = error
    adapting.start("my-scope", 3)
    follow(adapting)

    assert words in adapting.message
    assert told == [adapting.message]
    assert "Failed: Adapt to this microscope" in workflow.failure.report()
    assert adapting.availability().is_ready


def test_a_full_disk_before_the_child_begins_is_told(adapting, child, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("napari_qpm.viewer.adapting._write_sample", fail)
    adapting.start("my-scope", 3)
    follow(adapting)

    assert "Free some space" in adapting.message
    assert child.arguments == []


def test_an_error_does_not_stop_the_steps_that_wait(adapting, workflow, child):
    workflow._queue = [(StepName.SEGMENT, Scope.ALL)]
    child.error = RuntimeError("x")
    adapting.start("my-scope", 3)
    follow(adapting)

    assert workflow._queue
    workflow._queue.clear()


def test_stop_at_once_saves_nothing(adapting, child, monkeypatch):
    def cancelled(token, report):
        token.raise_if_cancelled()
        raise AssertionError("was not cancelled")

    begin = threading.Event()
    write = adapting_module._write_sample

    def slow(*arguments):
        assert begin.wait(10)
        return write(*arguments)

    monkeypatch.setattr(adapting_module, "_write_sample", slow)
    monkeypatch.setattr(adapting, "_make_command", lambda arguments: cancelled)
    adapting.start("my-scope", 3)
    adapting.stop()
    begin.set()
    follow(adapting)

    assert adapting.message.startswith("Stopped before anything was learned")
    assert adapting.outcome is None
    assert adapting.availability().is_ready


def test_stop_too_late_keeps_the_model(adapting):
    adapting.start("my-scope", 3)
    assert adapting.job.wait(10)
    adapting.stop()
    follow(adapting)
    adapting.stop()

    assert adapting.outcome is not None


def test_deleted_layers_do_not_disturb_the_learning(adapting, child, viewer):
    child.go_on.clear()
    adapting.start("my-scope", 3)
    viewer.layers.clear()
    child.go_on.set()
    follow(adapting)

    assert adapting.outcome is not None
    assert "Select a recording" in adapting.availability().reason


def test_a_closed_viewer_stops_the_child_and_hears_nothing(adapting, child, workflow):
    heard = []
    adapting.changed.connect(lambda: heard.append("changed"))
    child.go_on.clear()
    adapting.start("my-scope", 3)
    job, heard[:] = adapting.job, []

    workflow.close()
    adapting.close()
    assert job.wait(10)
    adapting.mailbox.deliver()

    assert job.token.is_cancelled
    assert heard == []
    assert adapting.outcome is None


def test_names_offered_are_free(adapting, tiny_models, tmp_path, monkeypatch):
    assert adapting.free_name() == "my-scope"
    import shutil

    from napari_qpm.runtime import ModelStore

    monkeypatch.setenv("NAPARI_QPM_MODELS", str(tmp_path))
    shutil.copytree(tiny_models / "tiny", tmp_path / "tiny")
    ModelStore().install(tiny_models / "tiny", "my-scope")
    assert adapting.free_name() == "my-scope-2"


def test_nothing_selected_cannot_teach(workflow, child):
    adapting = Adapting(workflow, make_command=child)
    assert "Select a recording" in adapting.availability().reason
    adapting.start("my-scope", 3)
    assert adapting.job is None
