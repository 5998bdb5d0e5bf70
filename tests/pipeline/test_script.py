import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import napari_qpm as qpm
from napari_qpm.pipeline import EngineStep, Pipeline, run_pipeline, to_python
from napari_qpm.specimens import simulate, write_sample


def test_script_does_what_the_pipeline_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = simulate("polarization", n_frames=2, shape=(96, 96), n_cells=2)
    path = write_sample(sample, tmp_path / "raw")
    pipeline = Pipeline(
        modality="polarization",
        instrument={"wavelength_nm": 532.0, "handedness": "positive"},
        retrieve=EngineStep(engine="four-step", parameters={"background": "tilt"}),
        measure={"alpha_ml_g": 0.18},
    )
    acquisition = qpm.open(path, modality="polarization", **pipeline.instrument)
    result = run_pipeline(pipeline, acquisition, tmp_path / "run")

    script = to_python(pipeline, path, output=os.fspath(tmp_path / "script"))
    compile(script, "script", "exec")
    exec(script, {})
    saved = qpm.open(tmp_path / "script" / "phase.ome.zarr")
    np.testing.assert_array_equal(saved.frames[:, 0], result.phase_map.phase)
    assert result.table is not None
    table = pd.read_parquet(tmp_path / "script" / "cells.parquet")
    expected = result.table.assign(segmentation_engine="")
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)


def test_script_leaves_out_what_the_pipeline_leaves_out() -> None:
    script = to_python(Pipeline(segment=None, stabilise=False), "cells.tif")
    assert script.splitlines() == [
        "import napari_qpm as qpm",
        "",
        "recording = qpm.open('cells.tif')",
        "phase = qpm.retrieve(recording)",
        "qpm.save('result', phase)",
    ]
