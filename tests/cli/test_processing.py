from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_qpm as qpm
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.pipeline import EngineStep, Pipeline, run_pipeline

Run = Any


def stored(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    store = ResultStore(folder / "phase.ome.zarr")
    frames = range(store.shape[0])
    return (
        np.stack([store.read_phase(t) for t in frames]),
        np.stack([store.read_labels(t) for t in frames]),
    )


def test_command_line_gives_what_python_gives(
    qpm_command: Run, recording: Path, tmp_path: Path
) -> None:
    step = EngineStep(engine="four-step", parameters={"background": "tilt"})
    pipeline = Pipeline(retrieve=step, measure={"alpha_ml_g": 0.2})
    python = run_pipeline(pipeline, qpm.open(recording), tmp_path / "python")
    pipeline.dump(tmp_path / "pipeline.yaml")
    for arguments in (
        ("run", tmp_path / "pipeline.yaml", recording, "-o", tmp_path / "one"),
        (
            "retrieve",
            recording,
            "-o",
            tmp_path / "three",
            "--set",
            "background=tilt",
        ),
        ("segment", tmp_path / "three" / "polarization-sample"),
        (
            *("measure", tmp_path / "three" / "polarization-sample"),
            *("--set", "alpha_ml_g=0.2"),
        ),
    ):
        assert qpm_command(*arguments).code == 0
    assert python.table is not None
    for name in ("one", "three"):
        folder = tmp_path / name / "polarization-sample"
        phase, labels = stored(folder)
        np.testing.assert_array_equal(phase, python.phase_map.phase)
        np.testing.assert_array_equal(labels, python.labels)
        table = pd.read_parquet(folder / "cells.parquet")
        pd.testing.assert_frame_equal(table, python.table, check_dtype=False)
        csv = (folder / "cells.csv").read_bytes()
        assert csv == (tmp_path / "python" / "cells.csv").read_bytes()
        yaml = (folder / "pipeline.yaml").read_bytes()
        assert yaml == (tmp_path / "python" / "pipeline.yaml").read_bytes()


def test_segment_takes_a_raw_recording_too(
    qpm_command: Run, recording: Path, tmp_path: Path
) -> None:
    outcome = qpm_command("segment", recording, "-o", tmp_path, "--json")
    assert outcome.code == 0
    _, labels = stored(tmp_path / "polarization-sample")
    assert labels.any(axis=(1, 2)).all()
    assert outcome.events[-1]["results"][0]["n_rows"] is None


def test_json_puts_only_json_on_stdout(
    qpm_command: Run, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_qpm.retrieval.polarization_engine import FourStepEngine

    original = FourStepEngine.retrieve

    def chatty(self, frames, acquisition, token):  # type: ignore[no-untyped-def]
        print("a library talks")  # noqa: T201
        return original(self, frames, acquisition, token)

    monkeypatch.setattr(FourStepEngine, "retrieve", chatty)
    outcome = qpm_command("retrieve", recording, "-o", tmp_path, "--json")
    assert outcome.code == 0
    assert "a library talks" in outcome.stderr
    *progress, result = outcome.events
    assert result["event"] == "result"
    assert progress
    for event in progress:
        assert set(event) == {"event", "done", "total", "unit", "message"}
        assert event["event"] == "progress"
    assert progress[-1]["done"] == progress[-1]["total"] == 3


def test_child_process_gives_the_same_events_to_a_job(
    recording: Path, tmp_path: Path
) -> None:
    from napari_qpm.jobs import Job, Progress, run_command

    seen: list[Progress] = []
    job = Job(run_command(["retrieve", str(recording), "-o", str(tmp_path)]))
    job.connect(lambda status: seen.append(status.progress))
    result = job.run()
    assert result["results"][0]["shape_tyx"] == [3, 160, 160]
    assert "Retrieving phase" in {progress.message for progress in seen}


def test_info_says_what_was_understood(qpm_command: Run, hologram: Path) -> None:
    text = qpm_command("info", hologram).stdout
    assert "off-axis" in text
    assert "532 nm" in text
    record = qpm_command("info", hologram, "--json").events[-1]["recordings"][0]
    assert record["modality"] == "off-axis"
    assert record["has_reference"]
    assert record["missing"] == {}


def test_the_channel_of_a_mixed_file_is_named(
    qpm_command: Run, hologram: Path, tmp_path: Path
) -> None:
    recording = qpm.open(hologram).read(0)[0]
    mixed = tmp_path / "mixed.npy"
    np.save(mixed, np.stack([recording, recording[::-1]])[None])

    told = qpm_command("info", mixed, "--channel", 1, "--json").events[-1]
    (record,) = told["recordings"]
    assert record["modality"] == "off-axis"
    assert record["history"][0]["parameters"]["channels"]["chosen"] == "1"

    outcome = qpm_command(
        *("retrieve", mixed, "-o", tmp_path / "out", "--channel", "GFP")
    )
    assert outcome.code == 1
    assert "GFP" in outcome.stderr
    outcome = qpm_command(
        *("retrieve", mixed, "-o", tmp_path / "out", "--channel", 1, "--json")
    )
    assert outcome.code == 0, outcome.stderr
    assert outcome.events[-1]["results"][0]["shape_tyx"][0] == 1


def test_options_override_the_file(
    qpm_command: Run, hologram: Path, tmp_path: Path
) -> None:
    outcome = qpm_command(
        *("retrieve", hologram, "-o", tmp_path, "--wavelength-nm", 633),
        *("--pixel-size-um", 0.25, "--set-instrument", "phase_sign=-1"),
        *("--set-instrument", "sideband_cycles_per_px=[0.2207, 0.2383]"),
        *("--set", "grid=full", "--no-stabilise"),
    )
    assert outcome.code == 0, outcome.stderr
    pipeline = Pipeline.load(tmp_path / "off-axis-sample" / "pipeline.yaml")
    assert pipeline.instrument == {
        "wavelength_nm": 633.0,
        "pixel_size_um": 0.25,
        "phase_sign": -1,
        "sideband_cycles_per_px": [0.2207, 0.2383],
    }
    assert pipeline.retrieve.parameters["grid"] == "full"
    assert not pipeline.stabilise
    opened = qpm.open(tmp_path / "off-axis-sample" / "phase.ome.zarr")
    assert opened.instrument.wavelength_nm == 633
    assert opened.shape[2:] == (192, 192)


def test_one_failing_input_among_three_makes_exit_code_1(
    qpm_command: Run, recording: Path, hologram: Path, tmp_path: Path
) -> None:
    absent = tmp_path / "absent.tif"
    outcome = qpm_command("retrieve", recording, absent, hologram, "-o", tmp_path)
    assert outcome.code == 1
    assert "1 of 3 recordings failed" in outcome.stderr
    assert str(absent) in outcome.stderr
    assert (tmp_path / "polarization-sample" / "phase.ome.zarr").is_dir()
    assert (tmp_path / "off-axis-sample" / "phase.ome.zarr").is_dir()

    outcome = qpm_command("retrieve", recording, absent, "-o", tmp_path, "--json")
    last = outcome.events[-1]
    assert outcome.code == 1
    assert [failure["input"] for failure in last["failed"]] == [str(absent)]
    assert "1 of 2 recordings failed" in last["message"]
    assert last["results"][0]["n_resumed"] == 3


def test_bad_pipeline_file_names_its_line(
    qpm_command: Run, recording: Path, tmp_path: Path
) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text("stabilise: true\nretrieve:\n  engine: fourrier\n")
    outcome = qpm_command("run", path, recording, "-o", tmp_path)
    assert outcome.code == 1
    assert "pipeline.yaml, line 3:" in outcome.stderr
    assert "Did you mean 'fourier'" in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "backgruond=tilt"), "Did you mean 'background'"),
        (("--set", "background=tlt"), "Input should be 'none', 'offset'"),
        (("--engine", "magic"), "There is no phase engine named 'magic'"),
        (("--engine", "fourier"), "takes off-axis recordings"),
        (("--modality", "offaxis"), "modality = 'offaxis' cannot be used"),
        (("--set-instrument", "wavelenght_nm=5"), "Did you mean 'wavelength_nm'"),
        (("--pixel-size-um", "-1"), "pixel_size_um is a positive number"),
        (("--reference", "absent.tif"), "absent.tif"),
        (("--scheduler", "nonsense"), "No dask scheduler answers at 'nonsense'"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_mistake_is_one_plain_line_and_exit_code_1(
    qpm_command: Run,
    recording: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    outcome = qpm_command("retrieve", recording, "-o", tmp_path, *arguments)
    assert outcome.code == 1
    assert message in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1
    assert outcome.stdout == ""

    told = qpm_command("retrieve", recording, "-o", tmp_path, *arguments, "--json")
    assert told.code == 1
    assert told.events[-1]["event"] == "error"
    assert message in told.events[-1]["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("retrieve", "x.tif"), "Missing option '--output'"),
        (("retrieve", "x.tif", "-o", "out", "--sett", "a=1"), "No such option"),
        (("retrieve", "x.tif", "-o", "out", "--set", "tilt"), "key=value"),
        (
            ("retrieve", "x.tif", "-o", "out", "--set", "a=1", "--set", "a=2"),
            "a is given twice",
        ),
        (("retrieve", "x.tif", "-o", "out", "--set", "a=[1,"), "not a list"),
        (("segment", "x.tif"), "Say where the results go with -o FOLDER"),
        (("retrive", "x.tif"), "No such command"),
    ],
)
def test_wrong_use_is_exit_code_2(
    qpm_command: Run, arguments: tuple[str, ...], message: str
) -> None:
    outcome = qpm_command(*arguments)
    assert outcome.code == 2
    assert message in outcome.stderr
    assert outcome.stdout == ""
    told = qpm_command(*arguments, "--json")
    assert told.code == 2
    assert message in told.events[-1]["message"]


def test_measure_before_segment_says_what_to_do(
    qpm_command: Run, recording: Path, tmp_path: Path
) -> None:
    assert qpm_command("retrieve", recording, "-o", tmp_path).code == 0
    outcome = qpm_command("measure", tmp_path / "polarization-sample")
    assert outcome.code == 1
    assert "holds no cells yet. Run napari-qpm segment" in outcome.stderr


def test_measure_of_something_else_says_what_it_takes(
    qpm_command: Run, recording: Path
) -> None:
    outcome = qpm_command("measure", recording)
    assert outcome.code == 1
    assert "is not a result of napari-qpm" in outcome.stderr


def test_other_segmentation_replaces_cells_only_when_asked(
    qpm_command: Run, recording: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "polarization-sample"
    qpm_command("retrieve", recording, "-o", tmp_path)
    qpm_command("segment", folder)
    _, before = stored(folder)
    again = ("segment", folder, "--set", "threshold=1.0")
    refused = qpm_command(*again)
    assert refused.code == 1
    assert "outlined with other settings" in refused.stderr
    np.testing.assert_array_equal(stored(folder)[1], before)
    assert qpm_command(*again, "--overwrite").code == 0
    _, after = stored(folder)
    assert 0 < (after > 0).sum() < (before > 0).sum()


def test_missing_calibration_is_named_when_mass_is_required(
    qpm_command: Run, tmp_path: Path
) -> None:
    y, x = np.indices((64, 64))
    cell = np.maximum(0, 1 - ((y - 32) ** 2 + (x - 32) ** 2) / 150.0)
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, cell.astype(np.float32))
    pipeline = Pipeline(
        modality="phase",
        instrument={"phase_unit": "rad", "pixel_size_um": 0.5},
        measure={"require_mass": True},
    )
    pipeline.dump(tmp_path / "p.yaml")
    outcome = qpm_command("run", tmp_path / "p.yaml", path, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "needs wavelength_nm" in outcome.stderr
    assert "--set-instrument wavelength_nm=" in outcome.stderr
    remedy = ("--set-instrument", "wavelength_nm=532")
    assert not (tmp_path / "out" / "plain" / "phase.ome.zarr").exists()
    arguments = ("run", tmp_path / "p.yaml", path, "-o", tmp_path / "out")
    assert qpm_command(*arguments, *remedy).code == 0
    assert "dry_mass_pg" in pd.read_csv(tmp_path / "out" / "plain" / "cells.csv")


@pytest.mark.parametrize(
    ("modality", "message"),
    [("polarization", "no fringes"), ("off-axis", "sideband")],
)
def test_recording_without_fringes_fails_with_its_reason(
    qpm_command: Run, tmp_path: Path, modality: str, message: str
) -> None:
    flat = tmp_path / "flat.tif"
    tifffile.imwrite(flat, np.full((64, 64), 100, np.uint8))
    out = tmp_path / "out"
    outcome = qpm_command("retrieve", flat, "-o", out, "--modality", modality)
    assert outcome.code == 1
    assert message in outcome.stderr.lower()
    assert not (out / "flat" / "phase.ome.zarr").exists()


def test_cells_from_a_file_go_into_a_result(
    qpm_command: Run, recording: Path, tmp_path: Path
) -> None:
    assert qpm_command("retrieve", recording, "-o", tmp_path / "out").code == 0
    folder = tmp_path / "out" / "polarization-sample"
    phase, _ = stored(folder)
    labels = np.zeros(phase.shape, np.uint16)
    labels[:, 4:20, 4:20] = 3
    tifffile.imwrite(tmp_path / "mine.tif", labels, photometric="minisblack")

    path = f"path={tmp_path / 'mine.tif'}"
    arguments = ("segment", folder, "--engine", "file", "--set", path)
    assert qpm_command(*arguments).code == 0
    assert qpm_command("measure", folder).code == 0

    np.testing.assert_array_equal(stored(folder)[1], labels)
    assert set(pd.read_csv(folder / "cells.csv")["label"]) == {3}
