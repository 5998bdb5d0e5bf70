"""Memory while a long recording is processed: it must not grow with the frames.

Frames are made when they are read, so that nothing but our own pipeline can hold them.
The resident memory of the process is noted as frames finish; what counts is its growth
after the first tenth, when every library is loaded and every cache is full.

    python benchmarks/bench_memory.py [--quick] [--json FILE]
"""

import gc
import sys
import tempfile
import time
from pathlib import Path

import _harness as harness
import numpy as np
import psutil

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.pipeline import Pipeline
from napari_qpm.pipeline.run import run_pipeline

SHAPE = (160, 160)
N_FRAMES, N_QUICK = 10_000, 1_000
CARRIER = (0.22, 0.18)
MOST_GROWTH_MIB = 32.0
"""Notes, offsets and the log of 10,000 frames are allowed; 10,000 frames of phase would
be 78 MiB on their cropped grid, raw ones 490 MiB."""
MIB = 2**20


class GeneratedSource:
    """Holograms of a drifting cell, made when they are read."""

    def __init__(self, n_frames):
        self.shape = (n_frames, 1, *SHAPE)
        self.dtype = np.dtype(np.uint16)
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
        self._y, self._x = y, x
        self._carrier = 2 * np.pi * (CARRIER[0] * y + CARRIER[1] * x)

    def read(self, t):
        centre = 80 + 30 * np.sin(t / 50)
        distance = (self._y - 80) ** 2 + (self._x - centre) ** 2
        phase = self._carrier + 3 * np.exp(-distance / 400)
        return (1000 * (1 + 0.8 * np.cos(phase))).astype(np.uint16)[None]


def main():
    arguments = harness.parse_arguments(__doc__.splitlines()[0])
    report = harness.Report("memory")
    n_frames = N_QUICK if arguments.quick else N_FRAMES
    acquisition = Acquisition(
        source=GeneratedSource(n_frames), modality=Modality.OFF_AXIS, name="generated"
    ).with_instrument(sideband_cycles_per_px=CARRIER, phase_sign=1)
    process, seen = psutil.Process(), []

    def note(progress):
        every = max(1, n_frames // 50)
        if progress.message == "Retrieving phase" and progress.done % every == 0:
            gc.collect()
            seen.append((progress.done, process.memory_info().rss / MIB))

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(segment=None, measure=None)
        run_pipeline(pipeline, acquisition, Path(folder) / "out", report=note)
    took = time.perf_counter() - started
    base = max(rss for done, rss in seen if done <= n_frames // 10)
    growth = max(rss for _, rss in seen) - base
    for done, rss in seen[:: max(1, len(seen) // 10)]:
        print(f"{done:7d} frames: {rss:8.1f} MiB")
    print(f"{n_frames} frames of {SHAPE} in {took:.0f} s")
    report.add_goal(
        harness.Goal(
            "memory",
            f"growth over {n_frames} frames [MiB]",
            growth,
            MOST_GROWTH_MIB,
            at_least=False,
        )
    )
    report.extra["rss_mib"] = seen
    return report.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
