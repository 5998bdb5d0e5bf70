import subprocess
import sys
import threading

import pytest

from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.viewer import warmup

start_warmup = warmup.start_warmup


@pytest.fixture
def child(monkeypatch):
    """Stand in for the child process, which would take half a minute."""

    class Child:
        release, runs, error = threading.Event(), 0, None
        napari_runs = 0

        def run_command(self, arguments):
            def run(token, report):
                self.runs += 1
                while not self.release.wait(0.005):
                    token.raise_if_cancelled()
                if self.error is not None:
                    raise self.error
                return {}

            return run

        def compile_napari(self):
            self.napari_runs += 1

    made = Child()
    monkeypatch.setattr(warmup, "run_command", made.run_command)
    monkeypatch.setattr(warmup, "compile_napari", made.compile_napari)
    yield made
    made.release.set()
    warmup.wait_until_warm(CancelToken(), lambda progress: None)


def test_jobs_wait_until_code_is_compiled(child, tmp_path):
    start_warmup(tmp_path)
    told = []
    threading.Timer(0.1, child.release.set).start()

    warmup.wait_until_warm(CancelToken(), told.append)

    assert child.runs == 1
    assert child.napari_runs == 1
    assert "first time" in told[0].message


def test_compiling_happens_once_for_each_version(child, tmp_path):
    child.release.set()
    for _ in range(3):
        start_warmup(tmp_path)
        warmup.wait_until_warm(CancelToken(), lambda progress: None)

    assert child.runs == 1


def test_a_job_can_be_cancelled_while_it_waits(child, tmp_path):
    start_warmup(tmp_path)
    token = CancelToken()
    token.cancel()

    with pytest.raises(JobCancelled):
        warmup.wait_until_warm(token, lambda progress: None)


def test_a_failed_child_is_tried_again_and_stops_nobody(child, tmp_path):
    child.error = QPMError("no compiler")
    child.release.set()
    for _ in range(2):
        start_warmup(tmp_path)
        warmup.wait_until_warm(CancelToken(), lambda progress: None)

    assert child.runs == 2


def test_slow_imports_are_done_before_a_recording_needs_them():
    script = (
        "import sys; from napari_qpm.viewer import dock, warmup\n"
        "assert 'zarr' not in sys.modules\n"
        "warmup.load_rooms().join()\n"
        "assert {'zarr', 'napari_qpm.pipeline'} <= set(sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True)

    assert done.returncode == 0, done.stderr.decode()
