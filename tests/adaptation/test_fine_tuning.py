"""The whole way with an untrained network and some steps; not how good it gets."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_qpm as qpm
from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.adaptation import FineTuning, fine_tune
from napari_qpm.adaptation.run_folder import PAUSE, PREVIEW
from napari_qpm.errors import (
    JobCancelled,
    LayoutError,
    ModalityError,
    OutOfDeviceMemoryError,
    OutputError,
    ParameterError,
    UnknownNameError,
)
from napari_qpm.jobs import CancelToken
from napari_qpm.runtime import ModelStore
from napari_qpm.segmentation import annotated_frames
from napari_qpm.segmentation.annotated import save_frames
from napari_qpm.training.checkpoint import load_state

CONFIG = {"in_channels": 1, "inputs": "phase", "width": 2, "has_instances": True}
FEW = {
    "steps": 40,
    "batch_size": 2,
    "shape": [64, 64],
    "learning_rate": 2e-2,
    "warmup_steps": 2,
    "validate_every": 10,
    "n_validation": 4,
    "checkpoint_every": 10,
    "ema_decay": 0.5,
    "log_every": 5,
    "replay_share": 0.0,
    "augments": False,
}


@pytest.fixture(scope="session")
def round_folder(tmp_path_factory):
    """Folder that holds "round": an untrained network that finds cells."""
    from napari_qpm.runtime.architectures import make_network
    from napari_qpm.runtime.export import save_model

    folder = tmp_path_factory.mktemp("cells")
    torch.manual_seed(0)
    network = make_network("dm-qpmnet", CONFIG)
    network.normalise.set(
        low=torch.tensor([-1.0]),
        high=torch.tensor([8.0]),
        deviation=torch.tensor([2.0]),
    )
    fields = {
        "name": "round",
        "title": "Round",
        "kind": "cells",
        "architecture": "dm-qpmnet",
        "config": CONFIG,
        "preprocessing": {"channels": ["phase"]},
        "valid": {"size_px": [16, 56]},
        "tile": {"multiple": 32, "tile_px": 128, "overlap_px": 32},
    }
    save_model(folder / "round", fields, network, half_graph=False)
    return folder


@pytest.fixture
def models(round_folder, tmp_path, monkeypatch):
    """The user's models: a copy of "round" alone."""
    folder = tmp_path / "models"
    shutil.copytree(round_folder, folder)
    monkeypatch.setenv("NAPARI_QPM_MODELS", str(folder))
    return folder


def dish(n_frames: int = 2, n_cells: int = 9) -> tuple[PhaseMap, np.ndarray]:
    """Return phase of round cells ``(T, 96, 160)``, and the cells."""
    random = np.random.default_rng(3)
    y, x = np.indices((96, 160))
    phase = random.normal(0, 0.05, (n_frames, 96, 160))
    labels = np.zeros(phase.shape, np.int32)
    for t in range(n_frames):
        number = 0
        while number < n_cells:
            cy, cx = random.uniform(8, 88), random.uniform(8, 152)
            distance = np.hypot(y - cy, x - cx) / 10
            if (labels[t][distance < 1] > 0).any():
                continue
            number += 1
            labels[t][distance < 1] = number
            phase[t] += 4 * np.clip(1 - distance**2, 0, None)
    recording = Acquisition.from_array(
        phase.astype(np.float32), "phase", name="dish", phase_unit="rad"
    )
    return qpm.retrieve(recording), labels


@pytest.fixture(scope="module")
def frames():
    return annotated_frames(*dish())


def run(frames, **changes) -> FineTuning:
    options = {"model": "round", "name": "mine", "minutes": 60.0, "device": "cpu"}
    return fine_tune(frames, **(options | {"settings": FEW} | changes))


def digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def test_a_better_model_is_saved_beside_the_old_one(models, frames):
    old, seen = digest(models / "round"), []
    outcome = run(frames, report=seen.append)

    assert outcome.is_better
    assert outcome.name == "mine"
    assert outcome.frame == "the right quarter of each of 2 frames"
    assert outcome.is_honest
    assert outcome.after.mean > outcome.before.mean + 0.1
    assert (outcome.n_frames, outcome.n_cells, outcome.steps) == (2, 18, 40)
    assert digest(models / "round") == old
    spec = ModelStore().model("mine").spec
    assert spec.base == "round"
    assert spec.metrics["own_frames"]["after"]["dice"] == outcome.after.dice
    assert [row["step"] for row in spec.training["validation"]][:2] == [0, 10]
    assert len(spec.training["config"]["frames"]) == 2
    assert {"Judging the present model", "Learning", "Judging and saving"} <= {
        progress.message for progress in seen
    }
    # The engine runs it as it was judged.
    found = qpm.segment(frames[0].phase_map, "dm-qpmnet-phase", model="mine")
    assert np.asarray(found).max() > 0


def test_a_model_that_is_no_better_is_not_saved_unless_wanted(models, frames):
    still = FEW | {"steps": 1, "learning_rate": 1e-9}
    outcome = run(frames, settings=still)
    assert outcome.name is None
    assert "no better" in outcome.describe()
    assert "give it more minutes" in outcome.note
    assert not (models / "mine").exists()
    kept = run(frames, settings=still, keep_worse=True)
    assert kept.name == "mine"
    assert "It is no better" in kept.describe()


def test_the_outcome_comes_back_from_json(models, frames):
    outcome = run(frames, settings=FEW | {"steps": 1})
    values = json.loads(json.dumps(outcome.to_dict()))
    assert FineTuning.from_dict(values) == outcome


def test_a_frame_is_shown_by_the_best_weights_meanwhile(models, frames, tmp_path):
    run(frames, folder=tmp_path / "run", preview=frames[1].phase_map)
    shown = np.load(tmp_path / "run" / PREVIEW)
    assert shown.shape == (96, 160)


def test_cells_that_are_not_of_done_frames_teach_with_advice(models):
    phase, labels = dish()
    outcome = run(
        annotated_frames(phase, labels, done=()), settings=FEW | {"steps": 20}
    )
    assert "Nothing says where no cells are" in outcome.note


def test_one_cell_teaches_but_cannot_judge_by_itself(models):
    phase, labels = dish(1)
    outcome = run(
        annotated_frames(phase, np.where(labels == 1, 1, 0)),
        settings=FEW | {"steps": 2},
    )
    assert not outcome.is_honest
    assert "also taught" in outcome.describe()
    assert outcome.n_cells == 1


def cancel_at(step: int, token: CancelToken):
    def watch(progress):
        if progress.message == "Learning" and progress.done >= step:
            token.cancel()

    return watch


def test_stopped_early_keeps_the_best(models, frames):
    token = CancelToken()
    outcome = run(
        frames,
        token=token,
        report=cancel_at(25, token),
        settings=FEW | {"steps": 1000},
        keep_worse=True,
    )
    assert 25 <= outcome.steps < 100
    assert "Stopped early" in outcome.note
    assert outcome.name == "mine"


def test_stopped_before_it_learned_anything_leaves_nothing(models, frames):
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        run(frames, token=token)
    assert [path.name for path in models.iterdir()] == ["round"]


def test_paused_and_resumed_ends_as_if_it_had_not_been(models, frames, tmp_path):
    token, folder = CancelToken(), tmp_path / "paused"

    def watch(progress):
        if progress.message == "Learning" and progress.done >= 15:
            (folder / PAUSE).touch()
            token.cancel()

    with pytest.raises(JobCancelled):
        run(frames, folder=folder, token=token, report=watch)
    assert not (models / "mine").exists()
    assert load_state(folder / "checkpoint.pt")["step"] < 40
    outcome = run(frames, folder=folder, resume=True)
    straight = run(frames, folder=tmp_path / "straight", name="straight")
    assert outcome.steps == straight.steps == 40
    assert outcome.after == straight.after
    best = [
        (tmp_path / one / "best.safetensors").read_bytes()
        for one in ("paused", "straight")
    ]
    assert best[0] == best[1]


def test_a_killed_child_goes_on_where_it_was(models, frames, tmp_path):
    save_frames(frames, tmp_path / "frames")
    folder = tmp_path / "run"
    command = [
        *(sys.executable, "-m", "napari_qpm", "fine-tune", str(tmp_path / "frames")),
        *("--name", "mine", "--model", "round", "--minutes", "60", "--device", "cpu"),
        *("--folder", str(folder), "--resume", "--json"),
    ]
    endless = {k: v for k, v in FEW.items() if k != "augments"} | {"steps": 100_000}
    for key, value in endless.items():
        command += ["--set", f"{key}={value}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        deadline = time.monotonic() + 120
        while not (folder / "checkpoint.pt").is_file():
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    before = load_state(folder / "checkpoint.pt")["step"]
    assert before > 0

    token = CancelToken()
    outcome = run(
        frames,
        folder=folder,
        resume=True,
        token=token,
        report=cancel_at(before + 10, token),
        settings=endless,
    )
    assert outcome.steps >= before + 10


def test_a_full_disk_at_a_checkpoint_keeps_what_was_saved(
    models, frames, tmp_path, monkeypatch
):
    folder, save, count = tmp_path / "run", torch.save, []

    def fill_up(*arguments):
        count.append(1)
        if len(count) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*arguments)

    monkeypatch.setattr(torch, "save", fill_up)
    with pytest.raises(OutputError, match=r"No space left.*make room and resume"):
        run(frames, folder=folder)
    assert not (models / "mine").exists()
    assert load_state(folder / "checkpoint.pt")["step"] == 20
    monkeypatch.setattr(torch, "save", save)
    assert run(frames, folder=folder, resume=True).steps == 40


def test_too_little_memory_is_told_with_advice(models, frames, monkeypatch):
    def fail(*_):
        raise RuntimeError("[enforce fail] not enough memory: you tried to allocate")

    monkeypatch.setattr("napari_qpm.training.own_cells.FineTuneRecipe.loss", fail)
    with pytest.raises(OutOfDeviceMemoryError, match="smaller batch_size"):
        run(frames)


def test_what_cannot_teach_is_refused_before_any_work(models, frames):
    phase, labels = dish()
    with pytest.raises(ParameterError, match="No cell is outlined"):
        run(annotated_frames(phase, 0 * labels, done=[0, 1]))
    with pytest.raises(ParameterError, match="No cell is outlined"):
        run([])
    with pytest.raises(LayoutError, match="have shape"):
        annotated_frames(phase, labels[:, :50])
    with pytest.raises(OutputError, match="already"):
        run(frames, name="round")
    with pytest.raises(ParameterError, match="minutes"):
        run(frames, minutes=0)
    with pytest.raises(UnknownNameError, match="'round'"):
        run(frames, model="roud")
    with pytest.raises(ModalityError, match="not cells"):
        run(frames, model="nas-prnet")


def test_a_model_that_needs_angles_is_refused_for_phase(models, frames):
    path = models / "round" / "model.json"
    spec = json.loads(path.read_text())
    spec["preprocessing"]["channels"] = ["angle 0", "phase"]
    path.write_text(json.dumps(spec))
    with pytest.raises(ModalityError, match=r"four polarization angles.*'dish'"):
        run(frames)


def test_a_folder_in_use_is_not_taken(models, frames, tmp_path):
    run(frames, folder=tmp_path, settings=FEW | {"steps": 1})
    with pytest.raises(OutputError, match="Resume it"):
        run(frames, folder=tmp_path, name="other")
