import json
from pathlib import Path
from typing import Any

import pytest

from napari_qpm.runtime.store import USER_FOLDER_VARIABLE

Run = Any
QUICK = ("shape=[32,32]", "batch_size=2", "steps=2", "n_validation=2", "width=2")


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(USER_FOLDER_VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


def quick_training(folder: Path) -> list[str]:
    settings = [part for value in QUICK for part in ("--set", value)]
    return ["train", "nas-prnet", "--out", str(folder), "--device", "cpu", *settings]


def test_training_becomes_a_model_that_is_shown_checked_moved_and_removed(
    qpm_command: Run, tmp_path: Path, user_folder: Path
) -> None:
    folder = tmp_path / "run"
    trained = qpm_command(*quick_training(folder), "--set", "network=u-net", "--json")
    assert trained.code == 0, trained.stderr
    assert trained.events[-1]["steps"] == 2
    scores = tmp_path / "scores.json"
    scores.write_text('{"held_out": {"psnr_db": 31.5}}')
    exported = qpm_command(
        "models", "export", folder, "--name", "mine", "--metrics", scores, "--json"
    )
    assert exported.code == 0, exported.stderr
    assert exported.events[-1]["folder"] == str(user_folder / "mine")

    assert "mine  (phase, off-axis, yours)" in qpm_command("models", "list").stdout
    (listed,) = [
        model
        for model in qpm_command("models", "list", "--json").events[-1]["models"]
        if not model["is_bundled"]
    ]
    assert listed["metrics"]["held_out"] == {"psnr_db": 31.5}
    assert "31.5" in qpm_command("models", "show", "mine").stdout
    assert qpm_command("models", "check", "mine", "--json").events[-1]["differences"][
        "mine"
    ] == pytest.approx(0, abs=1e-4)

    again = qpm_command(
        *("models", "export", folder, "--name", "again"),
        *("--graph-of", user_folder / "mine", "--json"),
    )
    assert again.events[-1]["sha256"] == exported.events[-1]["sha256"]
    assert qpm_command("models", "remove", "again").code == 0

    copied = qpm_command(
        "models", "install", user_folder / "mine", "--name", "other", "--json"
    )
    assert copied.events[-1]["name"] == "other"
    assert qpm_command("models", "remove", "mine").code == 0
    assert [path.name for path in user_folder.iterdir()] == ["other"]


def test_unknown_model_offers_the_closest(qpm_command: Run) -> None:
    for command in ("show", "check", "remove"):
        outcome = qpm_command("models", command, "nas-prnot")
        assert outcome.code == 1
        assert "no model named 'nas-prnot'" in outcome.stderr


def test_damage_is_listed_and_fails_the_check(
    qpm_command: Run, user_folder: Path
) -> None:
    folder = user_folder / "broken"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text('{"format_version": 99}')
    listed = qpm_command("models", "list", "--json").events[-1]
    assert "newer napari-qpm" in listed["problems"]["broken"]
    checked = qpm_command("models", "check")
    assert checked.code == 1
    assert "broken" in checked.stderr


def test_what_is_no_training_or_model_is_named(
    qpm_command: Run, tmp_path: Path
) -> None:
    exported = qpm_command("models", "export", tmp_path, "--name", "mine")
    assert exported.code == 1
    assert "holds no training" in exported.stderr
    installed = qpm_command("models", "install", tmp_path)
    assert installed.code == 1
    assert "model.json is missing" in installed.stderr


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_scores_that_cannot_be_read_are_named(
    qpm_command: Run, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "scores.json"
    if content is not None:
        path.write_text(content)
    outcome = qpm_command(
        "models", "export", tmp_path, "--name", "mine", "--metrics", path
    )
    assert outcome.code == 1
    assert "scores.json" in outcome.stderr


def test_training_progress_is_json_for_programs(
    qpm_command: Run, tmp_path: Path
) -> None:
    outcome = qpm_command(
        *quick_training(tmp_path / "run"),
        *("--set", "network=sparse-mask", "--set", "validate_every=1", "--json"),
    )
    assert outcome.code == 0, outcome.stderr
    kinds = [event["event"] for event in outcome.events]
    assert kinds[-1] == "result"
    assert "progress" in kinds
    again = qpm_command(*quick_training(tmp_path / "run"), "--json")
    assert again.code == 1
    assert "Resume it" in json.loads(again.stdout.splitlines()[-1])["message"]


def test_help_of_training_lists_its_options(qpm_command: Run) -> None:
    outcome = qpm_command("train", "--help")
    assert outcome.code == 0
    assert "--time-budget" in outcome.stdout
    assert qpm_command("train").code == 2
