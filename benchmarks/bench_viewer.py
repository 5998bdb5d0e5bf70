"""How the viewer feels: slider latency, GUI blocks, first result, memory over time.

A watchdog timer on the GUI thread notes the longest time in which napari could not
react: with our layers and dock, and with the same arrays in napari alone. Wall times
need a quiet machine; beside them stand processor times of the GUI thread and of the
parts of a preview, which hold on a busy one, too. Needs a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/bench_viewer.py
        [--quick] [--json FILE] [--markdown FILE]

The whole takes less than eight minutes on two quiet cores.
"""

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _background_training import BackgroundTraining
from _harness import BUSY_LOAD, Goal, Report, load_average, parse_arguments
from _viewer import (
    N_DISTINCT,
    N_FRAMES,
    Arrivals,
    RepeatedFrames,
    Watchdog,
    close,
    long_recording,
    open_dock,
    show_frame,
    spin,
    wait_for_rest,
    wait_until,
)

import napari  # isort: skip  (after _viewer has set where settings go)
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_qpm.acquisition import Acquisition
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.frame_maker import Kind
from napari_qpm.viewer.frame_views import FrameView
from napari_qpm.viewer.layers import recording_layer
from napari_qpm.viewer.results import outline_style
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

KINDS = {"off-axis": (1024, 1024), "polarization": (2048, 2448)}
PHASE_GOAL_S = {"off-axis": 0.1, "polarization": 0.2}
CELLS_GOAL_S = {"off-axis": 0.5, "polarization": 1.5}
EXTRA_BLOCK_GOAL_S = 0.05
MEMORY_GOAL_MB = 600.0
KEPT_PACE_GOAL = 0.9
PACE_ROUNDS = 4
SCRUB_S = 0.2
STARTED = "QPM_BENCH_STARTED"


@dataclass
class Felt:
    """What was measured with one kind of recording, in seconds."""

    phase: list[float] = field(default_factory=list)
    cells: list[float] = field(default_factory=list)
    prefetched: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
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
    training_pace(report, 5.0 if arguments.quick else 10.0)
    n_jumps = 5 if arguments.quick else 20
    for kind, shape in KINDS.items():
        recording = long_recording(kind, shape)
        felt = Felt()
        with_dock(recording, felt, n_jumps)
        napari_alone(recording, felt, n_jumps)
        tell(report, kind, felt)
    start = first_result_time()
    report.add_figure(
        "first result", f"napari {start[0]:.2f} s, first phase {start[1]:.2f} s"
    )
    report.extra["first_result_s"] = {"napari": start[0], "phase": start[1]}
    n_scrubbed = 200 if arguments.quick else N_FRAMES
    memory = memory_of_long_runs(n_scrubbed)
    report.extra["memory_mb"] = memory
    for what, grown in memory.items():
        report.add_figure(f"memory grown by {what}", f"{grown:.0f} MB ({n_scrubbed})")
        report.add_goal(
            Goal(f"memory {what}", "grown [MB]", grown, MEMORY_GOAL_MB, False)
        )
    return report.finish(arguments.json, arguments.markdown)


def tell(report: Report, kind: str, felt: Felt) -> None:
    """Print and judge what was felt with one kind of recording."""
    load = load_average()
    for what, times in (
        ("phase", felt.phase),
        ("cells", felt.cells),
        ("phase that was prefetched", felt.prefetched),
        ("raw frame, napari alone", felt.raw),
    ):
        report.add_figure(
            f"{kind}: slider to {what}",
            f"median {statistics.median(times):.3f} s, p95 {percentile_95(times):.3f}, "
            f"least {min(times):.3f} s (n={len(times)}, load {load:.1f})",
        )
    for what, seconds in felt.blocks.items():
        cpu = felt.blocks_cpu[what]
        report.add_figure(
            f"{kind}: GUI blocked at most, {what}", f"{seconds:.3f} s (cpu {cpu:.3f} s)"
        )
    for what, seconds in felt.parts_cpu.items():
        report.add_figure(f"{kind}: processor time, {what}", f"{seconds:.3f} s")
    report.extra[kind] = {
        "phase_s": felt.phase,
        "cells_s": felt.cells,
        "prefetched_s": felt.prefetched,
        "raw_napari_s": felt.raw,
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
    for t in random.Random(1).sample(range(20, N_FRAMES - 20), n_jumps):
        before = time.perf_counter()
        show_frame(viewer, t)
        QApplication.processEvents()
        felt.raw.append(time.perf_counter() - before)
        spin(0.05)
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
    wait_until(lambda: dock.workflow.job is None)
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
    print(f"memory of {n_frames} scrubbed frames: {before:.0f} -> {scrubbed:.0f} MB")
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


# ------------------------------------------------------------------ training


def training_pace(report: Report, seconds: float) -> None:
    """Tell the steps/s of a training in the background: no viewer, idle, scrubbing.

    Machines get faster and slower by themselves, so all are measured in turn, in
    `PACE_ROUNDS` rounds, and compared within a round.
    """
    training = BackgroundTraining()
    rounds = [pace_of_a_round(training, seconds) for _ in range(PACE_ROUNDS)]
    training.stop()
    for what in rounds[0]:
        steps = statistics.median(pace[what] for pace in rounds)
        share = statistics.median(pace[what] / pace["no viewer"] for pace in rounds)
        told = f"{steps:.1f} steps/s ({share:.0%} of the pace without viewer)"
        report.add_figure(f"training, {what}", told)
        if what == "viewer open":
            goal = Goal("training", "pace kept, viewer open", share, KEPT_PACE_GOAL)
            report.add_goal(goal)
    report.extra["training_steps_per_s"] = rounds


def pace_of_a_round(training: BackgroundTraining, seconds: float) -> dict[str, float]:
    """Return steps/s without viewer, and with one in three states."""
    pace = {"no viewer": training.steps_per_s(seconds, lambda: time.sleep(0.02))}
    viewer, dock = open_dock(long_recording("off-axis", KINDS["off-axis"]))
    pace["viewer open"] = training.steps_per_s(seconds, lambda: spin(0.02))
    frames = iter(range(1, N_FRAMES))

    def scrub() -> None:
        show_frame(viewer, next(frames))
        spin(SCRUB_S)

    pace["slider moving, preview on"] = training.steps_per_s(seconds, scrub)
    dock.preview.is_following = False
    pace["slider moving, preview off"] = training.steps_per_s(seconds, scrub)
    close(viewer)
    return pace


if __name__ == "__main__":
    sys.exit(main())
