import json
from pathlib import Path

import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.instrument_file import load_instrument

from .conftest import Run


def test_simulate_writes_zarr_with_truth_beside_it(
    qpm_command: Run, tmp_path: Path
) -> None:
    outcome = qpm_command(
        *("simulate", "phase", "-o", tmp_path, "--json"),
        *("--set", "n_frames=2", "--set", "shape=[96, 96]", "--set", "seed=5"),
    )
    assert outcome.code == 0, outcome.stderr
    recording = qpm.open(outcome.events[-1]["path"])
    assert recording.path.name.endswith(".ome.zarr")
    assert recording.shape == (2, 1, 96, 96)
    assert recording.modality is qpm.Modality.PHASE
    truth = json.loads((tmp_path / "truth" / "cells.json").read_text())
    assert truth["cells"]
    phase = qpm.open(tmp_path / "truth" / "phase.ome.zarr")
    assert phase.shape == (2, 1, 96, 96)
    labels = qpm.open(tmp_path / "truth" / "phase.ome.zarr" / "labels" / "cells")
    inside = labels.read(0)[0] > 0
    assert phase.read(0)[0][inside].mean() > 2 * phase.read(0)[0].mean() > 0


@pytest.mark.parametrize("kind", ["polarization", "off-axis", "chromatic"])
def test_truth_beside_a_simulation_explains_it_at_the_noise_floor(
    qpm_command: Run, tmp_path: Path, kind: str
) -> None:
    made = qpm_command(
        *("simulate", kind, "-o", tmp_path, "--json", "--set", "n_frames=1"),
        *("--set", "shape=[256, 256]", "--set", "n_cells=1"),
    )
    assert made.code == 0, made.stderr
    recording = qpm.open(made.events[-1]["path"])
    assert recording.modality is qpm.Modality(kind)
    assert recording.shape == (1, 3 if kind == "chromatic" else 1, 256, 256)
    truth = tmp_path / "truth" / "phase.ome.zarr"
    found = qpm_command("check", recording.path, "--phase", truth, "--json")
    assert found.code == 0, found.stderr
    (frame,) = found.events[-1]["recordings"][0]["frames"]
    assert 0.9 < frame["residual"]["score"] < 1.1
    assert frame["residual"]["verdict"] == "good"


def test_simulate_writes_tiff_when_asked(qpm_command: Run, tmp_path: Path) -> None:
    outcome = qpm_command(
        *("simulate", "phase", "-o", tmp_path, "--format", "tiff", "--json"),
        *("--set", "n_frames=2", "--set", "shape=[96, 96]"),
    )
    assert outcome.code == 0, outcome.stderr
    assert outcome.events[-1]["path"].endswith(".ome.tif")
    assert np.load(tmp_path / "truth" / "phase.npy").shape == (2, 96, 96)


def test_colours_are_channels_of_the_tiff(qpm_command: Run, tmp_path: Path) -> None:
    outcome = qpm_command(
        *("simulate", "chromatic", "-o", tmp_path, "--format", "tiff", "--json"),
        *("--set", "n_frames=2", "--set", "shape=[96, 96]", "--set", "n_cells=1"),
    )
    assert outcome.code == 0, outcome.stderr
    recording = qpm.open(outcome.events[-1]["path"])
    assert recording.modality is qpm.Modality.CHROMATIC
    assert recording.shape == (2, 3, 96, 96)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hologram",), "There is no sample named 'hologram'"),
        (("phase", "--set", "n_frame=2"), "Did you mean 'n_frames'"),
        (("phase", "--set", "n_frames=two"), "n_frames = 'two'"),
        (("phase", "--instrument", "none.yaml"), "none.yaml cannot be read"),
    ],
)
def test_simulate_names_mistakes(
    qpm_command: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = qpm_command("simulate", *arguments, "-o", tmp_path)
    assert outcome.code == 1
    assert message in outcome.stderr


def test_fitted_instrument_is_simulated_and_opens_recordings(
    qpm_command: Run, tmp_path: Path, hologram: Path
) -> None:
    file = tmp_path / "instrument.yaml"
    fitted = qpm_command("fit-instrument", hologram, "-o", file, "--json")
    assert fitted.code == 0, fitted.stderr
    result = fitted.events[-1]
    assert result["report"]["visibility"]["value"] == pytest.approx(0.8, rel=0.03)
    instrument = load_instrument(file)
    assert instrument.to_dict() == result["instrument"]
    assert "# dark_counts: unknown." in file.read_text()

    folder = tmp_path / "sample"
    outcome = qpm_command(
        *("simulate", "off-axis", "-o", folder, "--instrument", file, "--json"),
        *("--set", "shape=[192, 192]", "--set", "n_cells=2"),
    )
    assert outcome.code == 0, outcome.stderr
    simulated = qpm.open(outcome.events[-1]["path"])
    assert simulated.instrument.visibility == instrument.visibility
    assert any("dark_counts=0" in note for note in outcome.events[-1]["notes"])

    opened = qpm.open(hologram, instrument=file, medium_index=1.4)
    assert opened.instrument.visibility == instrument.visibility
    assert opened.instrument.medium_index == 1.4


def test_fit_prints_a_report_and_keeps_an_existing_file(
    qpm_command: Run, tmp_path: Path, recording: Path
) -> None:
    file = tmp_path / "instrument.yaml"
    file.write_text("wavelength_nm: 500\n")
    outcome = qpm_command("fit-instrument", recording, "-o", file)
    assert outcome.code == 1
    assert "exists" in outcome.stderr
    assert file.read_text() == "wavelength_nm: 500\n"
    outcome = qpm_command("fit-instrument", recording, "-o", file, "--overwrite")
    assert outcome.code == 0, outcome.stderr
    assert "visibility: 0." in outcome.stdout
    assert "gain_e_per_count: " in outcome.stdout
    assert load_instrument(file).wavelength_nm == 532


def test_dark_recording_gives_the_dark_level(
    qpm_command: Run, tmp_path: Path, hologram: Path
) -> None:
    rng = np.random.default_rng(0)
    dark = rng.normal(20, 1.5, (3, 192, 192)).round().astype(np.uint8)
    np.save(tmp_path / "dark.npy", dark)
    file = tmp_path / "instrument.yaml"
    outcome = qpm_command(
        *("fit-instrument", hologram, "-o", file, "--dark", tmp_path / "dark.npy")
    )
    assert outcome.code == 0, outcome.stderr
    assert load_instrument(file).dark_counts == pytest.approx(20, abs=0.05)
