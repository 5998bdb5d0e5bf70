import json
import subprocess
import sys

import pytest

from napari_qpm.training.__main__ import main

QUICK = (
    "shape=[64,64]",
    "batch_size=2",
    "steps=2",
    "n_validation=2",
    "input=raw",
    "network=u-net",
    "width=4",
)


def settings(*values: str) -> list[str]:
    return [part for value in values for part in ("--set", value)]


def test_command_trains_and_prints_its_result(tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = ["nas-prnet", "--out", str(folder), "--device", "cpu", "--seed", "3"]
    assert main([*arguments, *settings(*QUICK)]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["steps"] == 2
    assert result["reason"] == "completed"
    config = json.loads((folder / "run.json").read_text())["config"]
    assert (config["seed"], config["width"]) == (3, 4)
    assert main([*arguments, *settings(*QUICK)]) == 1
    assert "Resume it" in capsys.readouterr().err
    assert main([*arguments, *settings(*QUICK), "--resume"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nas-prnet", *settings("colour=1")], "no setting named 'colour'"),
        (["nas-prnet", *settings("shape")], "NAME=VALUE"),
        (["unet"], "no recipe named 'unet'"),
        (["nas-prnet", "--device", "abacus"], "abacus"),
        (["nas-prnet", "--mask", "missing.json"], "missing.json"),
    ],
)
def test_mistakes_are_answered_in_words(arguments, message, tmp_path, capsys):
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_training_imports_nothing_that_a_bare_machine_lacks():
    code = "import sys, napari_qpm.training.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    plugin = {"napari", "qtpy", "pydantic", "pandas", "dask", "zarr", "numba", "typer"}
    assert not loaded & plugin
