import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_qpm as qpm

Run = Any


def test_simulate_writes_a_recording_that_opens(
    qpm_command: Run, tmp_path: Path
) -> None:
    outcome = qpm_command(
        *("simulate", "phase", "-o", tmp_path, "--json"),
        *("--set", "n_frames=2", "--set", "shape=[96, 96]", "--set", "seed=5"),
    )
    assert outcome.code == 0, outcome.stderr
    recording = qpm.open(outcome.events[-1]["path"])
    assert recording.shape == (2, 1, 96, 96)
    assert recording.modality is qpm.Modality.PHASE
    truth = json.loads((tmp_path / "truth" / "cells.json").read_text())
    assert truth["cells"]
    assert np.load(tmp_path / "truth" / "phase.npy").shape == (2, 96, 96)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hologram",), "There is no sample named 'hologram'"),
        (("phase", "--set", "n_frame=2"), "Did you mean 'n_frames'"),
        (("phase", "--set", "n_frames=two"), "n_frames = 'two'"),
    ],
)
def test_simulate_names_mistakes(
    qpm_command: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = qpm_command("simulate", *arguments, "-o", tmp_path)
    assert outcome.code == 1
    assert message in outcome.stderr


def test_engines_lists_every_parameter_with_default_and_choices(
    qpm_command: Run,
) -> None:
    text = qpm_command("engines").stdout
    for name in ("four-step", "fourier", "as-is", "watershed", "measure"):
        assert f"\n{name}  (" in f"\n{text}"
    assert "--set background=quadratic [none, offset, tilt" in text
    (one,) = qpm_command("engines", "fourier", "--json").events[-1]["engines"]
    assert one["parameters"]["background"]["default"] == "quadratic"


def test_unknown_engine_lists_engines(qpm_command: Run) -> None:
    outcome = qpm_command("engines", "fourrier")
    assert outcome.code == 1
    assert "Did you mean 'fourier'" in outcome.stderr


def test_warm_compiles_the_kernels_of_every_engine(qpm_command: Run) -> None:
    outcome = qpm_command("warm", "--json")
    assert outcome.code == 0
    assert set(outcome.events[-1]["seconds"]) == {"four-step", "fourier", "as-is"}


def test_view_hands_paths_to_the_viewer(
    qpm_command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[list[Path]] = []
    monkeypatch.setattr("napari_qpm.viewer.launch.launch", opened.append)
    assert qpm_command("view", tmp_path).code == 0
    assert opened == [[tmp_path]]
