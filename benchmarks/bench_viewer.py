"""How the viewer feels: slider latency, GUI blocks, first result, memory over time.

A watchdog timer on the GUI thread notes the longest time in which napari could not
react: with our layers and dock, and with the same arrays in napari alone. Wall times
need a quiet machine; beside them stand processor times of the GUI thread and of the
parts of a preview, which hold on a busy one, too. Needs a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/bench_viewer.py
        [--quick] [--json FILE]
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _harness import BUSY_LOAD, Goal, Report, load_average, parse_arguments

# Neither read nor change the settings of whoever runs this.
os.environ.setdefault(
    "NAPARI_CONFIG", str(Path(tempfile.mkdtemp(prefix="qpm-bench-")) / "settings.yaml")
)

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_qpm.acquisition import Acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.frame_maker import Kind
from napari_qpm.viewer.frame_views import FrameView
from napari_qpm.viewer.layers import recording_layer
from napari_qpm.viewer.results import outline_style
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.warmup import wait_until_warm
from napari_qpm.viewer.workflow import Scope

KINDS = {"off-axis": (1024, 1024), "polarization": (2048, 2448)}
PHASE_GOAL_S = {"off-axis": 0.1, "polarization": 0.2}
CELLS_GOAL_S = {"off-axis": 0.5, "polarization": 1.5}
EXTRA_BLOCK_GOAL_S = 0.05
MEMORY_GOAL_MB = 600.0
N_FRAMES = 1000
N_DISTINCT = 3
LIMIT_S = 60.0
STARTED = "QPM_BENCH_STARTED"


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


@dataclass
class Felt:
    """What was measured with one kind of recording, in seconds."""

    phase: list[float] = field(default_factory=list)
    cells: list[float] = field(default_factory=list)
    prefetched: list[float] = field(default_factory=list)
    blocks: dict[str, float] = field(default_factory=dict)
    blocks_cpu: dict[str, float] = field(default_factory=dict)
    parts_cpu: dict[str, float] = field(default_factory=dict)

    def note_blocks(self, what: str, watchdog: Watchdog) -> None:
        """Keep what a watchdog saw."""
        self.blocks[what] = watchdog.longest_s
        self.blocks_cpu[what] = watchdog.longest_cpu_s


def main() -> int:
    arguments = parse_arguments(__doc__.splitlines()[0])
    if STARTED in os.environ:
        return first_result()
    report = Report("viewer")
    report.extra["load"] = load_average()
    n_jumps = 5 if arguments.quick else 20
    for kind, shape in KINDS.items():
        recording = long_recording(kind, shape)
        felt = Felt()
        with_dock(recording, felt, n_jumps)
        napari_alone(recording, felt, n_jumps)
        tell(report, kind, felt)
    start = first_result_time()
    print(f"napari shown after {start[0]:.2f} s, first phase after {start[1]:.2f} s")
    report.extra["first_result_s"] = {"napari": start[0], "phase": start[1]}
    n_scrubbed = 200 if arguments.quick else N_FRAMES
    memory = memory_of_long_runs(n_scrubbed)
    report.extra["memory_mb"] = memory
    for what, grown in memory.items():
        report.add_goal(
            Goal(f"memory {what}", "grown [MB]", grown, MEMORY_GOAL_MB, False)
        )
    return report.finish(arguments.json)


def long_recording(kind: str, shape: tuple[int, int]) -> Acquisition:
    """Return a recording of a thousand frames, three of them distinct."""
    from napari_qpm.specimens import simulate

    made = simulate(kind, n_frames=N_DISTINCT, shape=shape).acquisition
    frames = np.stack([made.read(t) for t in range(N_DISTINCT)])
    return made.replace(source=RepeatedFrames(frames, N_FRAMES), name=kind)


def tell(report: Report, kind: str, felt: Felt) -> None:
    """Print and judge what was felt with one kind of recording."""
    load = load_average()
    for what, times in (
        ("phase", felt.phase),
        ("cells", felt.cells),
        ("phase that was prefetched", felt.prefetched),
    ):
        print(
            f"{kind}: {what} after median {statistics.median(times):.3f} s, "
            f"p95 {percentile_95(times):.3f} s (n={len(times)}, load {load:.1f})"
        )
    for what, seconds in felt.blocks.items():
        cpu = felt.blocks_cpu[what]
        print(f"{kind}: GUI blocked at most {seconds:.3f} s (cpu {cpu:.3f}): {what}")
    for what, seconds in felt.parts_cpu.items():
        print(f"{kind}: processor time {seconds:.3f} s: {what}")
    report.extra[kind] = {
        "phase_s": felt.phase,
        "cells_s": felt.cells,
        "prefetched_s": felt.prefetched,
        "blocks_s": felt.blocks,
        "blocks_cpu_s": felt.blocks_cpu,
        "parts_cpu_s": felt.parts_cpu,
    }
    for what, times, goal in (
        ("phase", felt.phase, PHASE_GOAL_S[kind]),
        ("cells", felt.cells, CELLS_GOAL_S[kind]),
    ):
        measured = statistics.median(times)
        report.add_goal(
            Goal(f"slider {kind}", f"{what} [s]", measured, goal, at_least=False)
        )
    for what in ("adding layers", "scrubbing"):
        # Processor time where others keep the machine busy.
        seen = felt.blocks_cpu if load > BUSY_LOAD else felt.blocks
        ours, theirs = seen[f"{what}, with us"], seen[f"{what}, napari"]
        report.add_goal(
            Goal(
                f"block {kind}",
                f"{what}, beyond napari alone [s]",
                ours - theirs,
                EXTRA_BLOCK_GOAL_S,
                at_least=False,
            )
        )


def percentile_95(times: list[float]) -> float:
    return float(np.percentile(times, 95))


# ------------------------------------------------------------------ with us


def with_dock(recording: Acquisition, felt: Felt, n_jumps: int) -> None:
    """Measure the preview: frames at random, then one after the other."""
    viewer, dock = open_dock(recording)
    arrivals = Arrivals(dock)
    watchdog = Watchdog()
    with watchdog.watch():
        show_frame(viewer, 10)
        arrivals.wait(Kind.CELLS)
        wait_for_rest(dock)
    felt.note_blocks("adding layers, with us", watchdog)
    chosen = random.Random(0).sample(range(20, N_FRAMES - 20), n_jumps)
    with watchdog.watch():
        for t in chosen:
            before = arrivals.start()
            show_frame(viewer, t)
            felt.phase.append(arrivals.wait(Kind.PHASE) - before)
            felt.cells.append(arrivals.wait(Kind.CELLS) - before)
            wait_for_rest(dock)
    felt.note_blocks("scrubbing, with us", watchdog)
    # Two steps forward, so that the frames after them are prefetched.
    for t in (1, 2):
        show_frame(viewer, t)
        arrivals.start()
        arrivals.wait(Kind.CELLS)
        wait_for_rest(dock)
    for t in range(3, 3 + n_jumps):
        before = arrivals.start()
        # It waits in the cache, so napari's own slicing shows it.
        assert dock.preview.layers.has(Kind.PHASE, t)
        show_frame(viewer, t)
        QApplication.processEvents()
        felt.prefetched.append(time.perf_counter() - before)
        arrivals.wait(Kind.CELLS)
        wait_for_rest(dock)
    felt.parts_cpu = parts_of_a_preview(recording, dock)
    close(viewer)


def parts_of_a_preview(recording: Acquisition, dock: QPMDock) -> dict[str, float]:
    """Return processor seconds of phase, cells and drawing, each the least of five."""
    from napari_qpm.pipeline import retrieve_step, segment_step

    pipeline = dock.workflow.pipeline()
    retrieval, segmentation = retrieve_step(pipeline, recording), segment_step(pipeline)
    phase_map = retrieval.frame(0)
    layers = [dock.preview.layers.layer(kind) for kind in (Kind.PHASE, Kind.CELLS)]

    def draw(layer: Any) -> None:
        layer.refresh(thumbnail=False, extent=False)
        QApplication.processEvents()

    work: dict[str, Callable[[], Any]] = {
        "phase": lambda: retrieval.frame(1),
        "cells": lambda: segmentation.frame(phase_map, 0),
        "drawing phase": lambda: draw(layers[0]),
        "drawing cells": lambda: draw(layers[1]),
    }
    spent = {}
    for name, call in work.items():
        times = []
        for _ in range(5):
            before = time.process_time()
            call()
            times.append(time.process_time() - before)
        spent[name] = min(times)
    return spent


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
        deadline = time.perf_counter() + LIMIT_S
        while kind not in self._at:
            if time.perf_counter() > deadline:
                sys.exit(f"No {kind.value} came within {LIMIT_S:.0f} s.")
            QApplication.processEvents()
            time.sleep(0.0005)
        QApplication.processEvents()
        return time.perf_counter()


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


# ------------------------------------------------------------------ napari alone


def napari_alone(recording: Acquisition, felt: Felt, n_jumps: int) -> None:
    """Measure the same layers in napari alone: raw frames, phase, outlines."""
    from napari_qpm.pipeline import Pipeline, retrieve_step, segment_step

    pipeline = Pipeline()
    retrieval = retrieve_step(pipeline, recording)
    maps = [retrieval.frame(t) for t in range(N_DISTINCT)]
    phases = [one.read(0) for one in maps]
    segmentation = segment_step(pipeline)
    labels = [segmentation.frame(one, 0) for one in maps]
    scale = (1.0, *maps[0].grid_scale)
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    data, keywords, _ = recording_layer(recording)
    viewer.add_image(data, **keywords | {"scale": None, "units": None})
    viewer.dims.set_current_step(0, 0)
    spin(0.5)
    shape = (N_FRAMES, *phases[0].shape)
    phase_view = FrameView(shape, np.float32, lambda t: phases[t % N_DISTINCT])
    labels_view = FrameView(shape, np.int32, lambda t: labels[t % N_DISTINCT], 0)
    low, high = np.percentile(phases[0], (0.5, 99.9))
    watchdog = Watchdog()

    def add_phase() -> None:
        viewer.add_image(
            phase_view, scale=scale, contrast_limits=(low, high), multiscale=False
        )

    def add_labels() -> None:
        outline_style(viewer.add_labels(labels_view, scale=scale))

    with watchdog.watch():
        show_frame(viewer, 10)
        spin(0.3)
        for add in (add_phase, add_labels):
            QTimer.singleShot(0, add)
            spin(1.0)
    felt.note_blocks("adding layers, napari", watchdog)
    with watchdog.watch():
        for t in random.Random(0).sample(range(20, N_FRAMES - 20), n_jumps):
            show_frame(viewer, t)
            spin(0.3)
    felt.note_blocks("scrubbing, napari", watchdog)
    close(viewer)


# ------------------------------------------------------------------ start, memory


def first_result_time() -> tuple[float, float]:
    """Return seconds from a process's start to napari, and to the first phase."""
    environment = os.environ | {STARTED: repr(time.time())}
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True
    )
    last = done.stdout.strip().splitlines()[-1:]
    if done.returncode or not last:
        sys.exit(f"The first result did not come: {done.stderr}")
    shown, phase = map(float, last[0].split())
    return shown, phase


def first_result() -> int:
    """Show the phase of a hologram as soon as possible; print when it was there."""
    started = float(os.environ[STARTED])
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    QApplication.processEvents()
    shown = time.time() - started
    viewer.open_sample("napari-qpm", "off-axis")
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    arrivals = Arrivals(dock)
    viewer.dims.set_current_step(0, 0)
    dock.preview.show(Kind.OPD)
    arrivals.wait(Kind.OPD)
    print(shown, time.time() - started)
    viewer.close()
    return 0


def memory_of_long_runs(n_frames: int) -> dict[str, float]:
    """Return by how many MB memory grows: scrubbing, and retrieving all frames."""
    recording = long_recording("off-axis", KINDS["off-axis"])
    recording = recording.replace(
        source=RepeatedFrames(
            np.stack([recording.read(t) for t in range(N_DISTINCT)]), n_frames
        )
    )
    viewer, dock = open_dock(recording)
    arrivals = Arrivals(dock)
    show_frame(viewer, 1)
    arrivals.wait(Kind.CELLS)
    before = resident_mb()
    for t in range(2, n_frames):
        arrivals.start()
        show_frame(viewer, t)
        arrivals.wait(Kind.PHASE)
    wait_for_rest(dock)
    scrubbed = resident_mb()
    print(
        f"memory after scrubbing {n_frames} frames: {before:.0f} -> {scrubbed:.0f} MB"
    )
    dock.preview.is_following = False
    dock.workflow.run(StepName.RETRIEVE, Scope.ALL)
    highest, started = scrubbed, time.perf_counter()
    while dock.workflow.job is not None:
        QApplication.processEvents()
        time.sleep(0.02)
        highest = max(highest, resident_mb())
    took = time.perf_counter() - started
    print(f"all {n_frames} frames in {took:.1f} s: at most {highest:.0f} MB")
    close(viewer)
    return {"scrubbing": scrubbed - before, "all frames": highest - scrubbed}


def resident_mb() -> float:
    """Return the resident memory of this process without files that are mapped."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return float("nan")


# ------------------------------------------------------------------ small help


def show_frame(viewer: napari.Viewer, t: int) -> None:
    """Move the time slider, as the event loop would."""
    viewer.dims.set_current_step(viewer.dims.ndim - 3, t)


def wait_for_rest(dock: QPMDock) -> None:
    wait_until(lambda: dock.preview.is_idle)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + LIMIT_S
    while not condition() and time.perf_counter() < deadline:
        QApplication.processEvents()
        time.sleep(0.0005)
    QApplication.processEvents()


def spin(seconds: float) -> None:
    """Let Qt work for a while."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        QApplication.processEvents()
        time.sleep(0.0005)


def close(viewer: napari.Viewer) -> None:
    viewer.close()
    spin(0.3)


if __name__ == "__main__":
    sys.exit(main())
