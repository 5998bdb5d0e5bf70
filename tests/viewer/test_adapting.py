import errno
import threading
from pathlib import Path

import pytest
from tests.viewer.conftest import Mailbox, show_recording

from napari_qpm.errors import JobCancelled, OutputError, QPMError
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


TRAINING = "step,seconds,loss\n5,1,0.9\n10,2,0.7\n15,3,0.6\n"
VALIDATION = "step,mean_psnr_db\n0,20.5\n5,24.0\n10,23.0\n"


class Child:
    """Stands for the child process: what it was asked, and what it answers."""

    def __init__(self):
        self.arguments, self.recording = [], None
        self.result, self.error = dict(RESULT), None
        self.checkpoint = False
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, arguments):
        def run(token, report):
            self.arguments = arguments
            self.recording = open_acquisition(arguments[1])
            self.last = self.recording.read(-1)  # the files are gone afterwards
            if self.checkpoint:
                training = Path(arguments[arguments.index("--folder") + 1])
                training.mkdir(exist_ok=True)
                (training / "checkpoint.pt").touch()
                (training / "training.csv").write_text(TRAINING)
                (training / "validation.csv").write_text(VALIDATION)
            report(Progress(1, 4, "steps", "Learning"))
            while not self.go_on.wait(0.01) and not token.is_cancelled:
                pass
            paused = Path(arguments[arguments.index("--folder") + 1]) / "pause"
            if token.is_cancelled and paused.exists():
                raise JobCancelled("paused")
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
    adapting.start("my-scope", 3, "tiny")
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
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)
    assert adapting.outcome.after.inside_rms_rad == 0.2
    assert "Saved as model my-scope" in adapting.message
    values = workflow.settings.values(StepName.RETRIEVE, workflow.modality)
    assert values["model"] == "my-scope"
    assert told


def test_a_model_that_is_no_better_leaves_the_choice(adapting, workflow, child):
    child.result["name"] = None
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)
    assert "No model was saved" in adapting.message
    values = workflow.settings.values(StepName.RETRIEVE, workflow.modality)
    assert values["model"] == "tiny"


def test_the_dock_stays_free_while_a_model_learns(adapting, workflow, child):
    child.go_on.clear()
    adapting.start("my-scope", 3, "tiny")
    assert adapting.job is not None
    assert not adapting.availability().is_ready
    assert workflow.job is None
    assert workflow.availability(StepName.RETRIEVE).is_ready
    adapting.start("another", 3, "tiny")  # ignored
    child.go_on.set()
    follow(adapting)
    assert child.option("--name") == "my-scope"


def test_stopping_keeps_what_the_child_gives(adapting, child):
    child.go_on.clear()
    adapting.start("my-scope", 3, "tiny")
    adapting.stop()
    follow(adapting)
    assert adapting.outcome is not None


def test_errors_are_told_and_it_can_begin_again(adapting, child):
    child.error = OutputError("There is a model named my-scope already.")
    adapting.start("my-scope", 3, "tiny")
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
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)

    assert words in adapting.message
    assert told == [adapting.message]
    assert "Failed: Adapt to this microscope" in workflow.failure.report()
    assert adapting.availability().is_ready


def test_a_full_disk_before_the_child_begins_is_told(adapting, child, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("napari_qpm.viewer.adapting._write_sample", fail)
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)

    assert "Free some space" in adapting.message
    assert child.arguments == []


def test_an_error_does_not_stop_the_steps_that_wait(adapting, workflow, child):
    workflow._queue = [(StepName.SEGMENT, Scope.ALL)]
    child.error = RuntimeError("x")
    adapting.start("my-scope", 3, "tiny")
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
    adapting.start("my-scope", 3, "tiny")
    adapting.stop()
    begin.set()
    follow(adapting)

    assert adapting.message.startswith("Stopped before anything was learned")
    assert adapting.outcome is None
    assert adapting.availability().is_ready


def test_stop_too_late_keeps_the_model(adapting):
    adapting.start("my-scope", 3, "tiny")
    assert adapting.job.wait(10)
    adapting.stop()
    follow(adapting)
    adapting.stop()

    assert adapting.outcome is not None


def test_deleted_layers_do_not_disturb_the_learning(adapting, child, viewer):
    child.go_on.clear()
    adapting.start("my-scope", 3, "tiny")
    viewer.layers.clear()
    child.go_on.set()
    follow(adapting)

    assert adapting.outcome is not None
    assert "Select a recording" in adapting.availability().reason


def test_a_closed_viewer_stops_the_child_and_hears_nothing(adapting, child, workflow):
    heard = []
    adapting.changed.connect(lambda: heard.append("changed"))
    child.go_on.clear()
    adapting.start("my-scope", 3, "tiny")
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
    adapting.start("my-scope", 3, "tiny")
    assert adapting.job is None


# --- Pausing, and what is left by a crash ------------------------------------------


def test_paused_it_waits_and_goes_on_where_it_was(adapting, child):
    child.checkpoint = True
    child.go_on.clear()
    adapting.start("my-scope", 3, "tiny")
    asked = wait_for_checkpoint(adapting)
    adapting.pause()
    assert adapting.is_pausing
    follow(adapting)
    assert adapting.message == "Paused."
    assert adapting.waiting_sentence() == "my-scope has learned 15 steps and waits."

    child.go_on.set()
    adapting.resume()
    follow(adapting)
    assert child.arguments == asked
    assert adapting.outcome.name == "my-scope"
    assert adapting.waiting is None
    assert list(adapting.root.iterdir()) == []


def wait_for_checkpoint(adapting):
    """Return what the child was asked, once it has learned something."""
    while not (adapting.run.has_learned and adapting.run.curves().scores):
        adapting.mailbox.deliver()
    return adapting._make_command.arguments


def test_curves_tell_the_best_and_stay_when_the_folder_is_gone(adapting, child):
    child.checkpoint = True
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)
    curves = adapting.curves()
    assert curves.losses == [0.9, 0.7, 0.6]
    assert curves.best == (5, 24.0)
    assert curves.score_title == "Mean PSNR (dB)"


def test_what_a_crash_left_is_offered_by_the_next_session(adapting, child, workflow):
    child.checkpoint = True
    child.error = RuntimeError("killed")
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)
    assert "What was learned until then is kept" in adapting.message

    after = Adapting(workflow, post=adapting.mailbox.post, make_command=child)
    after.mailbox = adapting.mailbox
    assert "15 steps and waits" in after.waiting_sentence()
    child.error = None
    after.resume()
    follow(after)
    assert after.outcome.name == "my-scope"


def test_closing_the_viewer_lets_it_wait(adapting, child, workflow):
    child.checkpoint = True
    child.go_on.clear()
    adapting.start("my-scope", 3, "tiny")
    wait_for_checkpoint(adapting)
    job = adapting.job
    adapting.close()
    assert job.wait(10)
    after = Adapting(workflow, make_command=child)
    assert after.waiting is not None
    after.discard()
    assert after.waiting is None
    assert Adapting(workflow, make_command=child).waiting is None


def test_a_training_that_runs_in_another_window_is_not_offered(
    adapting, child, workflow
):
    child.checkpoint = True
    child.go_on.clear()
    adapting.start("my-scope", 3, "tiny")
    wait_for_checkpoint(adapting)

    other = Adapting(workflow, post=adapting.mailbox.post, make_command=child)
    other.mailbox = adapting.mailbox
    assert other.waiting is None
    # It was offered before the first window went on with it.
    other.waiting = adapting.run
    other.resume()
    follow(other)
    assert "in another window of napari" in other.message
    other.discard()
    assert adapting.run.has_learned

    child.go_on.set()
    follow(adapting)
    assert adapting.outcome.name == "my-scope"


def test_without_locks_of_files_it_learns_all_the_same(adapting, child, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise NotImplementedError("no locks on this disk")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)
    assert adapting.outcome.name == "my-scope"


def test_nothing_is_left_of_a_failure_before_anything_was_learned(adapting, child):
    child.error = RuntimeError("x")
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)
    assert adapting.waiting is None
    assert list(adapting.root.iterdir()) == []


def test_frames_that_are_unticked_do_not_teach(adapting, child):
    rows = adapting.rows()
    assert [row.title.split()[-1] for row in rows] == ["0", "1"]
    adapting.choose(rows[0].key, False)
    adapting.start("my-scope", 3, "tiny")
    follow(adapting)
    assert child.recording.n_frames == 1
    adapting.choose(rows[1].key, False)
    assert "Choose a frame" in adapting.availability().reason
