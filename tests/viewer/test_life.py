"""A whole window closed in the middle of a job, as the user's close button does it.

In a child process: fixtures own their viewers and must not see them closed.
"""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.gui

CHILD = """
import gc, json, threading, time, weakref

import napari
from qtpy.QtWidgets import QApplication
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.viewer import tasks, warmup
from napari_qpm.viewer.settings import StepName

warmup.start_warmup = lambda folder=None: None
started = threading.Event()


def wait_to_be_cancelled(pipeline, recording, frames, token, *rest):
    started.set()
    while True:
        token.raise_if_cancelled()
        time.sleep(0.005)


def settle(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def close_in_the_middle_of_a_job():
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    show_recording(viewer, make_recording())
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    dock.open_plots()
    dock.run_step(StepName.RETRIEVE)
    assert started.wait(60)
    job = dock.workflow.job
    things = {"viewer": viewer, "dock": dock, "workflow": dock.workflow}
    alive = {name: weakref.ref(thing) for name, thing in things.items()}
    viewer.close()
    assert job.wait(60)
    return str(job.status.reason), alive


tasks.retrieve_frames = wait_to_be_cancelled
reason, alive = close_in_the_middle_of_a_job()
for _ in range(20):
    settle(0.1)
    gc.collect()
    if not any(thing() for thing in alive.values()):
        break
print(json.dumps({
    "reason": reason,
    "alive": [name for name, thing in alive.items() if thing() is not None],
    "threads": [t.name for t in threading.enumerate() if t.name.startswith("qpm")],
    "widgets": [
        type(widget).__name__
        for widget in QApplication.topLevelWidgets()
        if type(widget).__module__.startswith("napari_qpm")
    ],
}))
"""


def test_a_window_closed_during_a_job_leaves_nothing(project_root, tmp_path):
    environment = os.environ | {"NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=project_root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.stdout, done.stderr
    left = json.loads(done.stdout.splitlines()[-1])
    assert left == {"reason": "cancelled", "alive": [], "threads": [], "widgets": []}
