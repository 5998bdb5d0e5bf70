"""Small recordings, viewers without Qt, and a thread-free way to follow jobs."""

import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_qpm.acquisition import Acquisition
from napari_qpm.viewer import (
    autosave,
    choice_memory,
    folder_memory,
    training_runs,
    warmup,
)
from napari_qpm.viewer.layers import recording_layer
from napari_qpm.viewer.workflow import Workflow

FRAME = (48, 64)
CENTRES = ((14, 16), (32, 46))
PEAK_RAD = 2.0


@pytest.fixture(autouse=True)
def no_child_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave compiling to the first use; no test needs the child process."""
    monkeypatch.setattr(warmup, "start_warmup", lambda folder=None: None)


@pytest.fixture(autouse=True)
def own_recovery_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep corrections that tests make away from those of the user."""
    monkeypatch.setattr(autosave, "recovery_folder", lambda: tmp_path / "recovery")


@pytest.fixture(autouse=True)
def own_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what tests state of their folders away from the user's memory."""
    for module in (choice_memory, folder_memory, training_runs):
        monkeypatch.setattr(module, "state_folder", lambda: tmp_path / "state")


def cells_phase(n_frames: int = 3) -> np.ndarray:
    """Return ``(T, Y, X)`` phase of two round cells that grow by 10 % a frame."""
    y, x = np.mgrid[: FRAME[0], : FRAME[1]]
    cells = sum(
        np.exp(-(((y - cy) ** 2 + (x - cx) ** 2) / (2 * 4.0**2))) for cy, cx in CENTRES
    )
    growth = 1.1 ** np.arange(n_frames)
    return (PEAK_RAD * growth[:, None, None] * cells).astype(np.float32)


def make_recording(n_frames: int = 3, **instrument: Any) -> Acquisition:
    """Return phase images of two cells, calibrated unless told otherwise."""
    facts = {
        "phase_unit": "rad",
        "wavelength_nm": 532.0,
        "pixel_size_um": 0.5,
        "frame_interval_s": 60.0,
    } | instrument
    known = {name: value for name, value in facts.items() if value is not None}
    return Acquisition.from_array(cells_phase(n_frames), "phase", name="dish", **known)


@pytest.fixture
def plugins(npe2pm: Any) -> Iterator[Any]:
    """Plugin manager that knows napari's own readers and us, and nobody else."""
    with npe2pm.tmp_plugin(package="napari"), npe2pm.tmp_plugin(package="napari-qpm"):
        yield npe2pm


@pytest.fixture
def recording() -> Acquisition:
    return make_recording()


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def show_recording(viewer: Any, acquisition: Acquisition) -> Any:
    """Add a recording's layer as napari does after our reader, and return it."""
    data, keywords, _ = recording_layer(acquisition)
    return viewer.add_image(data, **keywords)


def paint(layer: Any, t: int, rows: slice, columns: slice, label: int) -> None:
    """Write a label into a block of one frame, as a stroke that can be undone."""
    y, x = (places.ravel() for places in np.mgrid[rows, columns])
    layer.data_setitem((np.full_like(y, t), y, x), label)


class Mailbox:
    """Calls that a job posts, run by the test when it wants to."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], None]] = queue.Queue()

    def post(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def deliver(self) -> None:
        """Run what was posted so far."""
        while not self._calls.empty():
            self._calls.get_nowait()()

    def follow(self, workflow: Workflow, timeout_s: float = 30.0) -> None:
        """Run posted calls until no job is left."""
        self.deliver()
        self.run_until(lambda: workflow.job is None, timeout_s)

    def run_until(self, is_over: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Run posted calls until something is seen."""
        deadline = time.monotonic() + timeout_s
        while not is_over():
            assert time.monotonic() < deadline, "what was waited for did not come"
            self.deliver()
            time.sleep(0.002)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def workflow(viewer: ViewerModel, mailbox: Mailbox) -> Iterator[Workflow]:
    """A workflow on an empty viewer without Qt."""
    made = Workflow(viewer, post=mailbox.post)
    yield made
    made.close()
