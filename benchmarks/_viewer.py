"""A napari window with the dock on a long recording, and means to watch it.

Import this module before napari: it keeps the settings of whoever runs it out.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Neither read nor change the settings of whoever runs this.
os.environ.setdefault(
    "NAPARI_CONFIG", str(Path(tempfile.mkdtemp(prefix="qpm-bench-")) / "settings.yaml")
)

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_qpm.acquisition import Acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.frame_maker import Kind
from napari_qpm.viewer.layers import recording_layer
from napari_qpm.viewer.warmup import wait_until_warm

__all__ = [
    "N_DISTINCT",
    "N_FRAMES",
    "Arrivals",
    "RepeatedFrames",
    "Watchdog",
    "close",
    "long_recording",
    "open_dock",
    "show_frame",
    "spin",
    "wait_for_rest",
    "wait_until",
]

N_FRAMES = 1000
N_DISTINCT = 3
LIMIT_S = 60.0
POLL_MS = 5


class RepeatedFrames:
    """A long recording that fits in memory: a few frames, again and again."""

    def __init__(self, frames: NDArray[Any], n_frames: int):
        self._frames = frames
        self.shape = (n_frames, *frames.shape[1:])
        self.dtype = frames.dtype

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        return self._frames[t % len(self._frames)]


class Watchdog:
    """Notes the longest time in which the GUI thread handled no event.

    The processor time of that thread is what the block would take on a machine with
    nothing else to do.
    """

    def __init__(self) -> None:
        self.longest_s = self.longest_cpu_s = 0.0
        self._last = self._last_cpu = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        self.longest_s = max(self.longest_s, now - self._last)
        self.longest_cpu_s = max(self.longest_cpu_s, cpu - self._last_cpu)
        self._last, self._last_cpu = now, cpu

    @contextmanager
    def watch(self) -> Iterator["Watchdog"]:
        """Watch from here to the end of the block."""
        spin(0.1)
        self.longest_s = self.longest_cpu_s = 0.0
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()
        self._timer.start()
        yield self
        self._timer.stop()


class Arrivals:
    """When pictures of the shown frame were on the screen."""

    def __init__(self, dock: QPMDock):
        self._at: dict[Kind, float] = {}
        dock.preview.pictured.connect(self._on_picture)

    def _on_picture(self, kind: Kind) -> None:
        self._at[kind] = time.perf_counter()

    def start(self) -> float:
        """Forget what came; return the time."""
        self._at.clear()
        return time.perf_counter()

    def wait(self, kind: Kind) -> float:
        """Return when a picture of this kind was drawn."""
        wait_until(lambda: kind in self._at)
        if kind not in self._at:
            sys.exit(f"No {kind.value} came within {LIMIT_S:.0f} s.")
        return time.perf_counter()


def long_recording(kind: str, shape: tuple[int, int]) -> Acquisition:
    """Return a recording of a thousand frames, three of them distinct."""
    from napari_qpm.specimens import simulate

    made = simulate(kind, n_frames=N_DISTINCT, shape=shape).acquisition
    frames = np.stack([made.read(t) for t in range(N_DISTINCT)])
    return made.replace(source=RepeatedFrames(frames, N_FRAMES), name=kind)


def open_dock(recording: Acquisition) -> tuple[napari.Viewer, QPMDock]:
    """Return a viewer that shows a recording, with the dock."""
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    data, keywords, _ = recording_layer(recording)
    viewer.add_image(data, **keywords)
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    viewer.dims.set_current_step(0, 0)
    spin(0.5)
    wait_for_warmth(dock)
    return viewer, dock


def wait_for_warmth(dock: QPMDock) -> None:
    """Compile what the first frame needs, so that it counts with none of the times."""
    from napari_qpm.pipeline import retrieve_step, segment_step

    wait_until_warm(CancelToken(), lambda progress: None)
    pipeline = dock.workflow.pipeline()
    acquisition = dock.workflow.acquisition
    assert acquisition is not None
    phase_map = retrieve_step(pipeline, acquisition).frame(0)
    segment_step(pipeline).frame(phase_map, 0)


def show_frame(viewer: napari.Viewer, t: int) -> None:
    """Move the time slider, as the event loop would."""
    viewer.dims.set_current_step(viewer.dims.ndim - 3, t)


def wait_for_rest(dock: QPMDock) -> None:
    wait_until(lambda: dock.preview.is_idle)


def wait_until(condition: Callable[[], bool]) -> None:
    """Let Qt work until a condition holds, or the limit has passed.

    Qt sleeps between events, as in an application: a loop that polls would take from
    the other threads what it measures.
    """
    deadline = time.perf_counter() + LIMIT_S
    ticks = QTimer()
    ticks.start(POLL_MS)
    while not condition() and time.perf_counter() < deadline:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    QApplication.processEvents()


def spin(seconds: float) -> None:
    """Let Qt work for a while."""
    deadline = time.perf_counter() + seconds
    wait_until(lambda: time.perf_counter() >= deadline)


def close(viewer: napari.Viewer) -> None:
    viewer.close()
    spin(0.3)
