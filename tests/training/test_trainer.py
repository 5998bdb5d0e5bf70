import csv
import dataclasses
import json

import pytest
import torch

from napari_qpm.errors import (
    FileFormatError,
    JobCancelled,
    OutputError,
    ParameterError,
    QPMError,
)
from napari_qpm.jobs import CancelToken, FinishReason, Job
from napari_qpm.training import StopReason, make_recipe, pick_device, train
from napari_qpm.training.checkpoint import load_state

SMALL = {
    "shape": [64, 64],
    "batch_size": 2,
    "steps": 4,
    "n_validation": 2,
    "validate_every": 4,
    "checkpoint_every": 100,
    "log_every": 1,
    "warmup_steps": 1,
}


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class CancelAt(CancelToken):
    """Is cancelled when it was asked so many times."""

    def __init__(self, count: int):
        super().__init__()
        self.left = count

    @property
    def is_cancelled(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.cancel()
        return super().is_cancelled


def assert_same(one, other, path=""):
    """Compare two checkpoints bit by bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            if key != "seconds":
                assert_same(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list):
        assert len(one) == len(other)
        for n, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{path}/{n}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    else:
        assert one == other, path


def test_training_learns_and_leaves_a_whole_folder(line_recipe, tmp_path):
    result = train(line_recipe, tmp_path / "run", seed=3)
    scores = rows(tmp_path / "run" / "validation.csv")
    assert [int(row["step"]) for row in scores] == [0, 20, 40, 60]
    assert float(scores[-1]["closeness"]) > float(scores[0]["closeness"]) / 10
    assert result.reason is StopReason.COMPLETED
    assert result.steps == 60
    best = max(float(row["closeness"]) for row in scores)
    # The table has six digits.
    assert result.scores["closeness"] == pytest.approx(best, rel=1e-5)
    log = rows(tmp_path / "run" / "training.csv")
    assert [int(row["step"]) for row in log] == [10, 20, 30, 40, 50, 60]
    assert float(log[0]["learning_rate"]) > float(log[-1]["learning_rate"])
    assert 0 < float(log[0]["data_share"]) < 1
    summary = json.loads((tmp_path / "run" / "run.json").read_text())
    assert summary["config"]["recipe"] == "line"
    assert summary["config"]["seed"] == 3
    assert summary["samples"] == 480
    assert summary["bias"] == result.facts["bias"]
    assert summary["origin"]["versions"]["torch"] == torch.__version__
    assert not list((tmp_path / "run").glob("*.part"))


def test_stopped_and_resumed_ends_with_the_same_bits(line_recipe, tmp_path):
    train(line_recipe, tmp_path / "straight", seed=1)
    with pytest.raises(JobCancelled):
        train(line_recipe, tmp_path / "broken", seed=1, token=CancelAt(33))
    assert load_state(tmp_path / "broken" / "checkpoint.pt")["step"] == 33
    torch.rand(7)  # other random numbers in between do not matter
    result = train(line_recipe, tmp_path / "broken", seed=1, resume=True)
    assert result.steps == 60
    states = [
        load_state(tmp_path / name / "checkpoint.pt") for name in ("straight", "broken")
    ]
    assert_same(*states)
    best = [
        (tmp_path / name / "best.safetensors").read_bytes()
        for name in ("straight", "broken")
    ]
    assert best[0] == best[1]
    for table in ("training.csv", "validation.csv"):
        steps = [
            [row["step"] for row in rows(tmp_path / name / table)]
            for name in ("straight", "broken")
        ]
        assert steps[0] == steps[1]


def test_a_kill_loses_only_what_follows_the_checkpoint(line_recipe, tmp_path):
    class KilledError(Exception):
        pass

    def kill(progress):
        if progress.done == 50:
            raise KilledError

    train(line_recipe, tmp_path / "straight")
    with pytest.raises(KilledError):
        train(line_recipe, tmp_path / "killed", report=kill)
    assert load_state(tmp_path / "killed" / "checkpoint.pt")["step"] == 40
    train(line_recipe, tmp_path / "killed", resume=True)
    assert_same(
        load_state(tmp_path / "straight" / "checkpoint.pt"),
        load_state(tmp_path / "killed" / "checkpoint.pt"),
    )
    steps = [int(r["step"]) for r in rows(tmp_path / "killed" / "training.csv")]
    assert steps == [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("name", ["nas-prnet", "nas-prnet-search"])
def test_real_recipes_resume_to_the_same_bits(name, tmp_path):
    changes = dict(SMALL)
    if name == "nas-prnet":
        changes["connections"] = ["E1->D1", "D3->D1", "E4->D3", "G->D3"]
    else:
        changes["weight_noise"] = 0.05
    recipe = make_recipe(name, changes)
    train(recipe, tmp_path / "straight")
    with pytest.raises(JobCancelled):
        train(recipe, tmp_path / "broken", token=CancelAt(2))
    train(recipe, tmp_path / "broken", resume=True)
    assert_same(
        load_state(tmp_path / "straight" / "checkpoint.pt"),
        load_state(tmp_path / "broken" / "checkpoint.pt"),
    )
    assert (tmp_path / "broken" / "mask.json").is_file()


def test_an_occupied_folder_is_kept_unless_resumed(line_recipe, tmp_path):
    train(line_recipe, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(OutputError, match="Resume it"):
        train(line_recipe, tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_training_goes_on_from_given_weights(line_recipe, tmp_path):
    first = train(line_recipe, tmp_path / "first", seed=3)
    best = tmp_path / "first" / "best.safetensors"
    train(line_recipe, tmp_path / "second", seed=4, initial=best)
    start = float(rows(tmp_path / "second" / "validation.csv")[0]["closeness"])
    fresh = float(rows(tmp_path / "first" / "validation.csv")[0]["closeness"])
    assert start == pytest.approx(first.scores["closeness"], rel=0.5)
    assert start > fresh / 10
    train(line_recipe, tmp_path / "third", initial=tmp_path / "second/best.safetensors")
    summary = json.loads((tmp_path / "third" / "run.json").read_text())
    assert [one["config"]["seed"] for one in summary["earlier"]] == [3, 4]
    assert summary["earlier"][0]["samples"] == 480


def test_weights_of_another_network_are_refused_as_a_start(line_recipe, tmp_path):
    train(line_recipe, tmp_path / "line")
    best = tmp_path / "line" / "best.safetensors"
    with pytest.raises(FileFormatError, match=r"best\.safetensors"):
        train(make_recipe("nas-prnet", SMALL), tmp_path / "other", initial=best)
    assert not (tmp_path / "other").exists()


def test_resuming_with_other_settings_names_them(line_recipe, tmp_path):
    train(line_recipe, tmp_path)
    other = dataclasses.replace(line_recipe, slope=3.0)
    with pytest.raises(ParameterError, match=r"slope was 2\.0, now 3\.0"):
        train(other, tmp_path, resume=True)
    with pytest.raises(ParameterError, match="seed was 0, now 4"):
        train(line_recipe, tmp_path, seed=4, resume=True)


def test_a_finished_training_resumes_to_nothing(line_recipe, tmp_path):
    first = train(line_recipe, tmp_path)
    again = train(line_recipe, tmp_path, resume=True)
    assert (again.steps, again.scores) == (first.steps, first.scores)


def test_time_budget_stops_and_leaves_weights(line_recipe, tmp_path):
    long = dataclasses.replace(
        line_recipe, trainer=dataclasses.replace(line_recipe.trainer, steps=10**7)
    )
    result = train(long, tmp_path, time_budget_s=3)
    assert result.steps < 10**6
    assert result.seconds < 60
    assert (tmp_path / "best.safetensors").is_file()
    # The schedule was shortened, so that the learning rate comes to its end in time.
    assert load_state(tmp_path / "checkpoint.pt")["total"] < 10**6


def test_sessions_of_a_long_training_keep_its_schedule(line_recipe, tmp_path):
    settings = dataclasses.replace(line_recipe.trainer, steps=10**7)
    long = dataclasses.replace(line_recipe, trainer=settings)
    session = {"time_budget_s": 0.3, "shortens_schedule": False}
    first = train(long, tmp_path, **session)
    second = train(long, tmp_path, resume=True, **session)
    assert first.reason is second.reason is StopReason.OUT_OF_TIME
    assert second.steps > first.steps > 0
    assert load_state(tmp_path / "checkpoint.pt")["total"] == 10**7


def test_a_cancelled_job_keeps_its_best_weights(line_recipe, tmp_path):
    job = Job(lambda token, report: train(line_recipe, tmp_path, token=token))
    job.connect(lambda status: job.token.cancel())
    with pytest.raises(JobCancelled):
        job.run()
    assert job.status.reason is FinishReason.CANCELLED
    assert (tmp_path / "best.safetensors").is_file()
    assert (tmp_path / "checkpoint.pt").is_file()


def test_a_loss_that_is_no_number_stops_with_advice(line_recipe, tmp_path, monkeypatch):
    def diverge(self, network, batch):
        return {"mse": network(batch.inputs).sum() * float("inf")}

    monkeypatch.setattr(type(line_recipe), "loss", diverge)
    with pytest.raises(QPMError, match="lower learning_rate"):
        train(line_recipe, tmp_path)


def test_no_device_is_replaced_unasked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"
    with pytest.raises(ParameterError, match="no CUDA device"):
        pick_device("cuda")
    with pytest.raises(ParameterError, match="tpu"):
        pick_device("tpu")


@pytest.mark.gpu
def test_training_runs_on_a_gpu(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    result = train(make_recipe("nas-prnet", SMALL), tmp_path, device="cuda")
    assert result.steps == 4
