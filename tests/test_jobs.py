"""Jobs: whatever happens inside, listeners hear how it ended."""

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from napari_qpm.errors import FileFormatError, JobCancelled, QPMError
from napari_qpm.jobs import (
    CancelToken,
    FinishReason,
    Job,
    JobState,
    Progress,
    Status,
    run_command,
)

WAIT_S = 10


def heard(job: Job) -> list[Status]:
    statuses: list[Status] = []
    job.connect(statuses.append)
    return statuses


def finish(job: Job) -> Status:
    """Return the last status of a started job, after its listeners heard it."""
    assert job.wait(WAIT_S)
    job._thread.join(WAIT_S)
    return job.status


def test_success_keeps_the_result_and_tells_listeners():
    def count(token, report):
        for done in range(1, 4):
            report(Progress(done, 3))
        return "result"

    job = Job(count, "Count")
    statuses = heard(job)
    assert job.run() == "result"
    assert job.result == "result"
    assert [s.state for s in statuses] == [JobState.RUNNING] * 4 + [JobState.FINISHED]
    assert [s.progress.done for s in statuses] == [0, 1, 2, 3, 3]
    assert statuses[-1].reason is FinishReason.COMPLETED
    assert statuses[-1].error is None


def test_started_job_runs_in_its_own_named_thread():
    job = Job(lambda token, report: threading.current_thread().name, "Count cells")
    assert job.start() is job
    assert finish(job).reason is FinishReason.COMPLETED
    assert job.result == "qpm: Count cells"
    assert not job.is_running


@pytest.mark.parametrize("error", [FileFormatError("torn"), RuntimeError("CUDA")])
def test_an_error_fails_the_job_and_is_kept(error):
    def fail(token, report):
        raise error

    job = Job(fail)
    statuses = heard(job)
    status = finish(job.start())
    assert status.reason is FinishReason.FAILED
    assert status.error is error
    assert status.describe() == str(error)
    assert statuses[-1].state is JobState.FINISHED


def test_run_raises_what_the_function_raised():
    def fail(token, report):
        raise RuntimeError("CUDA out of memory")

    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        Job(fail).run()


def test_cancel_stops_at_the_next_safe_point():
    started = threading.Event()

    def work(token, report):
        started.set()
        while True:
            token.raise_if_cancelled()

    job = Job(work)
    statuses = heard(job)
    job.start()
    assert started.wait(WAIT_S)
    job.cancel()
    status = finish(job)
    assert status.reason is FinishReason.CANCELLED
    assert isinstance(status.error, JobCancelled)
    states = [s.state for s in statuses]
    assert JobState.CANCELLING in states
    assert states[-1] is JobState.FINISHED


def test_late_cancel_does_not_undo_a_completed_job():
    started, may_return = threading.Event(), threading.Event()

    def work(token, report):
        started.set()
        may_return.wait(WAIT_S)
        return 42

    job = Job(work).start()
    assert started.wait(WAIT_S)
    job.cancel()
    assert job.status.describe() == "Cancelling…"
    may_return.set()
    assert finish(job).reason is FinishReason.COMPLETED
    assert job.result == 42


def test_cancel_of_an_idle_or_finished_job_does_nothing():
    job = Job(lambda token, report: 1)
    statuses = heard(job)
    job.cancel()
    assert job.status.state is JobState.IDLE
    assert not statuses
    job.run()
    job.cancel()
    assert job.status.state is JobState.FINISHED
    assert not job.token.is_cancelled


def test_failing_listener_does_not_stop_the_job_or_the_others(caplog):
    def broken(status):
        raise ValueError("widget is gone")

    job = Job(lambda token, report: "done")
    job.connect(broken)
    statuses = heard(job)
    with caplog.at_level(logging.ERROR, "napari_qpm.jobs"):
        assert job.run() == "done"
    assert statuses[-1].reason is FinishReason.COMPLETED
    assert "A listener of Job failed" in caplog.text


def test_disconnected_listener_hears_nothing():
    job = Job(lambda token, report: None)
    statuses = heard(job)
    job.disconnect(job._listeners[0])
    job.disconnect(print)
    job.run()
    assert statuses == []


def test_a_job_runs_once():
    job = Job(lambda token, report: None, "Retrieve phase")
    job.run()
    with pytest.raises(QPMError, match="'Retrieve phase' was started before"):
        job.start()


def test_remaining_time_follows_from_progress():
    seen = []

    def work(token, report):
        job.report(Progress(0, 4))
        seen.append(job.status.remaining_s)
        job.report(Progress(1, 4))
        seen.append(job.status.remaining_s)

    job = Job(work)
    job.run()
    assert seen[0] is None
    assert seen[1] >= 0
    assert job.status.remaining_s is None


@pytest.mark.parametrize(
    ("progress", "remaining", "text"),
    [
        (Progress(12, 200), 8.2, "12 of 200 frames, 8 s left"),
        (Progress(1, 2, unit="files"), 0.1, "1 of 2 files"),
        (Progress(0, 0, message="Opening"), None, "Opening"),
    ],
)
def test_progress_is_described_in_words(progress, remaining, text):
    status = Status(JobState.RUNNING, None, progress, 1.0, remaining, None)
    assert status.describe() == text


def test_the_end_is_described_in_words():
    progress = Progress(2, 2)
    status = Status(
        JobState.FINISHED, FinishReason.COMPLETED, progress, 2.34, None, None
    )
    assert status.describe() == "Completed after 2.3 s"


# --- The child process -------------------------------------------------------------

CHILD = """
import json, os, sys, time
arguments = sys.argv[3:]  # after "-m", "napari_qpm"
say = lambda **event: print(json.dumps(event), flush=True)
assert arguments[-1] == "--json", arguments
match arguments[0]:
    case "run":
        print("a log line", file=sys.stderr)
        say(event="progress", done=1, total=2, unit="frames", message="")
        say(event="progress", done=2, total=2, unit="frames", message="")
        say(table=arguments[1])
    case "fail":
        say(event="error", message="The file is torn.")
        sys.exit(1)
    case "break":
        say(event="error", message="Unexpected RuntimeError: x", traceback="line 7")
        sys.exit(1)
    case "chatter":
        print("Loading the model...")
    case "die":
        os._exit(7)
    case "sleep":
        say(event="progress", done=0, total=1, unit="frames", message="")
        time.sleep(60)
"""


@pytest.fixture
def fake_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``python -m napari_qpm`` be a child that only speaks our protocol."""
    if sys.platform == "win32":
        pytest.skip("the fake child is a shell script")
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    launcher.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(launcher))


@pytest.mark.usefixtures("fake_python")
def test_child_reports_progress_and_its_result():
    job = Job(run_command(["run", "cells.csv"]))
    statuses = heard(job)
    assert job.run() == {"table": "cells.csv"}
    assert [s.progress.done for s in statuses[1:3]] == [1, 2]


@pytest.mark.usefixtures("fake_python")
def test_unforeseen_errors_of_a_child_keep_its_traceback():
    status = finish(Job(run_command(["break"])).start())

    assert "Unexpected RuntimeError: x" in str(status.error)
    assert "line 7" in status.error.__notes__[0]


@pytest.mark.usefixtures("fake_python")
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fail", "The file is torn."),
        ("die", "exit status 7"),
        ("chatter", "not JSON: 'Loading the model...'"),
    ],
)
def test_failing_child_fails_the_job_with_its_message(command, message):
    job = Job(run_command([command]))
    status = finish(job.start())
    assert status.reason is FinishReason.FAILED
    assert isinstance(status.error, QPMError)
    assert message in str(status.error)


@pytest.mark.usefixtures("fake_python")
def test_cancel_ends_the_child():
    job = Job(run_command(["sleep"]))
    running = threading.Event()
    job.connect(lambda status: status.progress.total and running.set())
    job.start()
    assert running.wait(WAIT_S)
    job.cancel()
    assert finish(job).reason is FinishReason.CANCELLED


def test_token_raises_only_when_cancelled():
    token = CancelToken()
    token.raise_if_cancelled()
    token.cancel()
    assert token.is_cancelled
    with pytest.raises(JobCancelled):
        token.raise_if_cancelled()


def test_result_of_a_child_that_ended_early_is_kept_if_asked(monkeypatch):
    program = (
        "import signal, sys, time, json\n"
        "def end(*_):\n"
        "    print(json.dumps({'event': 'result', 'steps': 3}), flush=True)\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print(json.dumps({'event': 'progress', 'done': 1, 'total': 9,"
        " 'unit': 'steps', 'message': ''}), flush=True)\n"
        "time.sleep(30)\n"
    )
    original = subprocess.Popen
    monkeypatch.setattr(
        subprocess,
        "Popen",
        lambda command, **options: original([sys.executable, "-c", program], **options),
    )
    token = CancelToken()
    run = run_command(["adapt"], keeps_result=True)
    assert run(token, lambda progress: token.cancel())["steps"] == 3
    token = CancelToken()
    with pytest.raises(JobCancelled):
        run_command(["adapt"])(token, lambda progress: token.cancel())


def test_a_pause_ends_when_the_work_is_cancelled():
    token = CancelToken()
    token.pause(0.001)
    threading.Timer(0.02, token.cancel).start()

    with pytest.raises(JobCancelled):
        token.pause(60)
