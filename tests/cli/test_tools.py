from pathlib import Path
from typing import Any

import pytest

Run = Any


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
