"""A process that is killed leaves a result that continues to the same end."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.pipeline import Pipeline, RunResult, run_pipeline
from napari_qpm.specimens import simulate, write_sample

N_FRAMES = 6

# Runs the pipeline and dies, as by kill -9, at a chosen write of a frame.
KILLED_RUN = """
import os, signal, sys
import napari_qpm as qpm
from napari_qpm.io.frame_log import FrameLog
from napari_qpm.pipeline import run_pipeline

recording, folder, kind, fatal, before_log = sys.argv[1:]
finish, count = FrameLog.finish, 0

def dying_finish(self, written, *rest):
    global count
    count += written == kind
    if count > int(fatal):
        if before_log == "after":
            finish(self, written, *rest)
        os.kill(os.getpid(), signal.SIGKILL)
    finish(self, written, *rest)

FrameLog.finish = dying_finish
run_pipeline(qpm.Pipeline(), qpm.open(recording), folder)
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    sample = simulate("polarization", n_frames=N_FRAMES, shape=(160, 160), n_cells=2)
    return write_sample(sample, folder)


@pytest.fixture(scope="module")
def uninterrupted(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(recording, tmp_path_factory.mktemp("whole")).folder


def run(recording: Path, folder: Path) -> RunResult:
    from napari_qpm import open as open_recording

    return run_pipeline(Pipeline(), open_recording(recording), folder)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not on Windows")
@pytest.mark.parametrize(
    ("kind", "fatal", "moment"),
    [("phase", 3, "before"), ("phase", 3, "after"), ("labels", 2, "before")],
)
def test_killed_run_continues_to_the_same_result(
    recording: Path,
    uninterrupted: Path,
    tmp_path: Path,
    kind: str,
    fatal: int,
    moment: str,
) -> None:
    arguments = [str(recording), str(tmp_path), kind, str(fatal), moment]
    killed = subprocess.run([sys.executable, "-c", KILLED_RUN, *arguments], check=False)
    assert killed.returncode == -9
    half = ResultStore(tmp_path / "phase.ome.zarr")
    assert len(half.finished(kind)) == fatal + (moment == "after")

    result = run(recording, tmp_path)
    n_kept = N_FRAMES if kind == "labels" else fatal + (moment == "after")
    assert result.n_resumed == n_kept
    ended = ResultStore(tmp_path / "phase.ome.zarr")
    whole = ResultStore(uninterrupted / "phase.ome.zarr")
    for t in range(N_FRAMES):
        np.testing.assert_array_equal(ended.read_phase(t), whole.read_phase(t))
        np.testing.assert_array_equal(ended.read_labels(t), whole.read_labels(t))
    for name in ("cells.csv", "pipeline.yaml"):
        assert (tmp_path / name).read_bytes() == (uninterrupted / name).read_bytes()
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "cells.parquet"),
        pd.read_parquet(uninterrupted / "cells.parquet"),
    )


def test_shift_of_levels_is_not_repeated_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_qpm.acquisition import Acquisition

    y, x = np.indices((48, 48))
    cell = 1.5 * np.exp(-((y - 24) ** 2 + (x - 20) ** 2) / 60).astype(np.float32)
    frames = np.stack([cell + np.float32(2 * np.pi) * (t in (2, 4)) for t in range(6)])
    acquisition = Acquisition.from_array(
        frames, "phase", phase_unit="rad", wavelength_nm=532, pixel_size_um=1
    )
    pipeline = Pipeline(segment=None)
    whole = run_pipeline(pipeline, acquisition, tmp_path / "whole")
    write, n_shifted = ResultStore.write_phase, 0

    def dying_write(
        self: ResultStore, t: int, phase: np.ndarray, notes: dict[str, object]
    ) -> None:
        nonlocal n_shifted
        n_shifted += "level_offset_rad" in notes
        if n_shifted == 2:
            raise KeyboardInterrupt
        write(self, t, phase, notes)

    folder = tmp_path / "killed"
    with monkeypatch.context() as patched:
        patched.setattr(ResultStore, "write_phase", dying_write)
        with pytest.raises(KeyboardInterrupt):
            run_pipeline(pipeline, acquisition, folder)
    (plan,) = folder.glob(".levels-*.json")
    assert json.loads(plan.read_text())[2] != 0

    result = run_pipeline(pipeline, acquisition, folder)
    np.testing.assert_array_equal(result.phase_map.phase, whole.phase_map.phase)
    # One float32 rounding of a value near 2 pi.
    np.testing.assert_allclose(whole.phase_map.phase, np.stack([cell] * 6), atol=2e-6)
