"""Every example runs on a simulated recording and prints what its text promises."""

import subprocess
import sys
from pathlib import Path

import pytest

from napari_qpm.specimens import simulate, write_sample


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sample = simulate("polarization", n_frames=4, shape=(192, 192), n_cells=2)
    return write_sample(sample, tmp_path_factory.mktemp("mosaics"))


@pytest.fixture(scope="module")
def hologram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sample = simulate("off-axis", shape=(256, 256), n_cells=2)
    return write_sample(sample, tmp_path_factory.mktemp("hologram"))


def run_example(project_root: Path, name: str, *arguments: Path) -> str:
    script = project_root / "examples" / name
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ten_lines(project_root: Path, mosaics: Path, tmp_path: Path) -> None:
    text = run_example(project_root, "ten_lines.py", mosaics, tmp_path / "out")
    assert "polarization-sample polarization (4, 192, 192)" in text
    assert (tmp_path / "out" / "cells.csv").is_file()


def test_off_axis_with_reference(
    project_root: Path, hologram: Path, tmp_path: Path
) -> None:
    reference = hologram.with_name("off-axis-sample.reference.tif")
    text = run_example(
        project_root, "off_axis_with_reference.py", hologram, reference, tmp_path
    )
    assert "sign of the phase: 1" in text
    assert "cell 1: " in text
    assert (tmp_path / "phase.ome.zarr").is_dir()


def test_polarization_time_lapse(
    project_root: Path, mosaics: Path, tmp_path: Path
) -> None:
    text = run_example(project_root, "polarization_time_lapse.py", mosaics, tmp_path)
    assert "per hour, doubling in" in text
    assert (tmp_path / "cells.parquet").is_file()


def test_batch(
    project_root: Path, mosaics: Path, hologram: Path, tmp_path: Path
) -> None:
    text = run_example(project_root, "batch.py", tmp_path, mosaics, hologram)
    assert "Segment cells with watershed" in text
    assert "polarization-sample: " in text
    assert "off-axis-sample: " in text
    assert (tmp_path / "pipeline.yaml").is_file()
