from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_qpm.errors import FileFormatError, OutputError
from napari_qpm.jobs import Progress
from napari_qpm.pipeline import Pipeline, run_batch
from napari_qpm.pipeline.batch import result_names

PIPELINE = Pipeline(
    modality="phase",
    instrument={"phase_unit": "rad", "wavelength_nm": 532, "pixel_size_um": 0.5},
)


def recording(path: Path, height: float = 1.0) -> Path:
    y, x = np.indices((48, 48))
    cell = height * np.maximum(0, 1 - ((y - 24) ** 2 + (x - 24) ** 2) / 100)
    noise = np.random.default_rng(1).normal(0, 0.01, (2, 48, 48))
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, (cell + noise).astype(np.float32))
    return path


def test_one_failing_input_does_not_stop_the_others(tmp_path: Path) -> None:
    good = [recording(tmp_path / "a.tif"), recording(tmp_path / "c.tif", 2.0)]
    broken = tmp_path / "b.tif"
    broken.write_bytes(good[0].read_bytes()[:200])
    batch = run_batch(PIPELINE, [good[0], broken, good[1]], tmp_path / "out")
    assert [result.folder.name for result in batch.results] == ["a", "c"]
    ((path, error),) = batch.failures
    assert path == broken
    assert isinstance(error, FileFormatError)
    assert batch.describe_failures().startswith("1 of 3 recordings failed. ")
    assert "b.tif" in batch.describe_failures()


def test_unexpected_error_stops_only_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_qpm.pipeline import batch as module

    paths = [recording(tmp_path / "a.tif"), recording(tmp_path / "b.tif")]
    original = module.run_pipeline

    def fails_once(pipeline, acquisition, *rest):  # type: ignore[no-untyped-def]
        if acquisition.name == "a":
            raise IndexError("surprise")
        return original(pipeline, acquisition, *rest)

    monkeypatch.setattr(module, "run_pipeline", fails_once)
    batch = run_batch(PIPELINE, paths, tmp_path / "out")
    assert len(batch.results) == 1
    assert "Unexpected IndexError: surprise" in batch.describe_failures()


def test_progress_names_the_recording(tmp_path: Path) -> None:
    paths = [recording(tmp_path / "a.tif"), recording(tmp_path / "b.tif")]
    seen: list[Progress] = []
    run_batch(PIPELINE, paths, tmp_path / "out", report=seen.append)
    assert seen[0].message == "a: Retrieving phase"
    assert seen[-1].message == "b: Measuring cells"


def test_output_that_is_a_file_fails_every_input_plainly(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("in the way")
    batch = run_batch(PIPELINE, [recording(tmp_path / "a.tif")], out)
    assert isinstance(batch.failures[0][1], OutputError)
    assert "cannot be made" in str(batch.failures[0][1])
    assert out.read_text() == "in the way"


def test_names_of_results_are_stems_and_never_collide(tmp_path: Path) -> None:
    inputs = [
        Path("day1/cells.ome.tif"),
        Path("day2/cells.ome.tif"),
        Path("day2/cells.tif"),
        Path("HeLa 0.5 um.tif"),
        Path("plate.ome.zarr"),
    ]
    assert result_names(inputs) == [
        "day1-cells",
        "day2-cells",
        "day2-cells-2",
        "HeLa 0.5 um",
        "plate",
    ]
