"""How long opening a sample for the first time keeps napari from reacting.

Beside it stands napari alone, which shows the same two layers: empty points to wait by,
then the recording, made beforehand. Each has a fresh process, because first layers load
what later ones share. The longest block is told as wall time, which needs a quiet
machine, and as what all threads of the process computed meanwhile: that holds on a busy
one, and sees threads that hold the GIL. Needs a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/bench_samples.py
        [--json FILE] [--markdown FILE]
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from _harness import Goal, Report, load_average, parse_arguments
from _viewer import Watchdog, close, spin, wait_until

import napari  # isort: skip  (after _viewer has set where settings go)
import numpy as np

from napari_qpm.specimens.samples import KINDS, simulate
from napari_qpm.viewer.layers import recording_layer

SAMPLE, ALONE = "QPM_BENCH_SAMPLE", "QPM_BENCH_NAPARI_ALONE"
EXTRA_BLOCK_GOAL_S = 0.05


def main() -> int:
    arguments = parse_arguments(__doc__.splitlines()[0])
    if SAMPLE in os.environ:
        measure = napari_alone if ALONE in os.environ else open_one
        print(json.dumps(measure(os.environ[SAMPLE])))
        return 0
    report = Report("samples")
    for kind in KINDS:
        blocks = {}
        seen = {"us": in_fresh_process(kind), "napari": in_fresh_process(kind, ALONE)}
        for whose, values in seen.items():
            wall, computed = values["block"]
            told = f"block {wall:.3f} s, computed {computed:.3f} s"
            report.add_figure(f"{kind}: {whose}", f"{told} (load {load_average():.1f})")
            blocks[whose] = computed
        took = seen["us"]["took"]
        report.add_figure(f"{kind}: sample is there after", f"{took:.2f} s")
        report.extra[kind] = seen
        extra = blocks["us"] - blocks["napari"]
        name = "computed beyond napari alone [s]"
        report.add_goal(Goal(f"block {kind}", name, extra, EXTRA_BLOCK_GOAL_S, False))
    return report.finish(arguments.json, arguments.markdown)


class ThreadsWatchdog(Watchdog):
    """Notes also the most that all threads computed while no event was handled."""

    def __init__(self) -> None:
        super().__init__()
        self.most_computed_s = 0.0
        self._last_computed = time.process_time()

    def _tick(self) -> None:
        super()._tick()
        computed = time.process_time()
        most = max(self.most_computed_s, computed - self._last_computed)
        self.most_computed_s, self._last_computed = most, computed

    @contextmanager
    def watch(self) -> Iterator["ThreadsWatchdog"]:
        with super().watch():
            self.most_computed_s = 0.0
            self._last_computed = time.process_time()
            yield self

    @property
    def seen(self) -> tuple[float, float]:
        """Wall time and computed time of the longest blocks."""
        return self.longest_s, self.most_computed_s


def in_fresh_process(kind: str, *flags: str) -> dict[str, Any]:
    """Return what is measured in a process of its own."""
    environment = os.environ | {SAMPLE: kind} | dict.fromkeys(flags, "1")
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True
    )
    last = done.stdout.strip().splitlines()[-1:]
    if done.returncode or not last:
        sys.exit(f"The sample {kind} was not opened: {done.stderr}")
    return json.loads(last[0])


def open_one(kind: str) -> dict[str, Any]:
    """Return seconds until a sample is there, and how long napari stood still."""
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    spin(1.0)
    started = time.perf_counter()
    watchdog = ThreadsWatchdog()
    with watchdog.watch():
        viewer.open_sample("napari-qpm", kind)
        wait_until(lambda: dock.workflow.job is None)
        took = time.perf_counter() - started
        spin(0.5)
    shown = [layer.name for layer in viewer.layers]
    assert shown == [f"{kind}-sample"], shown
    close(viewer)
    return {"took": took, "block": watchdog.seen}


def napari_alone(kind: str) -> dict[str, Any]:
    """Return how long napari stands still for the same layers without us."""
    data, keywords, _ = recording_layer(simulate(kind).acquisition)
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    spin(1.0)
    watchdog = ThreadsWatchdog()
    with watchdog.watch():
        viewer.add_points(np.empty((0, 2)))
        spin(0.5)
        viewer.layers.clear()
        viewer.add_image(data, **keywords)
        spin(0.5)
    close(viewer)
    return {"block": watchdog.seen}


if __name__ == "__main__":
    sys.exit(main())
