"""The whole way with an untrained network and some steps; not how good it gets."""

import hashlib

import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.acquisition import Acquisition
from napari_qpm.adaptation import adapt
from napari_qpm.errors import (
    JobCancelled,
    OutputError,
    ParameterError,
    UnknownNameError,
)
from napari_qpm.jobs import CancelToken
from napari_qpm.runtime import ModelStore

FEW = {
    "steps": 60,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "warmup_steps": 2,
    "validate_every": 10,
    "n_validation": 4,
    "checkpoint_every": 10,
    "ema_decay": 0.5,
    "log_every": 1,
}


def run(recording, **changes):
    options = {"model": "start", "minutes": 30.0, "device": "cpu", "settings": FEW}
    options["scale"] = 2  # on a coarse grid so few steps learn something
    return adapt(recording, **(options | {"name": "my-scope"} | changes))


def digest(folder):
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def test_a_better_model_is_saved_beside_the_old_one(models, recording):
    old = digest(models / "start")
    seen = []
    outcome = run(recording, report=seen.append)

    assert outcome.is_better
    assert outcome.name == "my-scope"
    assert outcome.n_own == 1  # the other frame is kept out
    assert outcome.held_out == "which taught nothing"
    assert digest(models / "start") == old
    spec = ModelStore().model("my-scope").spec
    assert spec.base == "start"
    assert spec.training["steps"] == outcome.steps == 60
    figures = spec.metrics["own_frame"]["after"]
    assert figures["rms_rad"] == pytest.approx(outcome.after.rms_rad)
    assert {"Classical phase", "Learning", "Judging and saving"} <= {
        progress.message for progress in seen
    }
    made = qpm.retrieve(recording, "nas-prnet", model="my-scope")
    assert np.isfinite(made.read(1)).all()
    # On the grid that it was adapted on.
    step = spec.preprocessing["scale"]
    assert made.grid_scale == (step, step)


def single_frame(width):
    y, x = np.mgrid[:192, :width]
    distance = np.hypot(y - 90, (x % 180) - 90) / 40
    phase = 4 * np.clip(1 - distance**2, 0, None) ** 2
    straight = 2 * np.pi * (0.2 * y + 0.15 * x)
    counts = 500 * (1 + 0.7 * np.cos(straight + phase))
    noise = np.random.default_rng(1).normal(0, 5, counts.shape)
    return Acquisition.from_array(counts + noise, "off-axis", name="dish")


@pytest.mark.parametrize(
    ("width", "worth"),
    [(400, "right quarter, which taught nothing"), (200, "too small")],
)
def test_a_single_frame_keeps_a_part_out_if_it_can(models, width, worth):
    outcome = run(single_frame(width))
    assert worth in outcome.held_out
    assert outcome.n_own == outcome.n_frames == 1


def test_a_model_that_is_no_better_is_not_saved(models, recording):
    outcome = run(recording, settings=FEW | {"steps": 1, "learning_rate": 1e-9})
    assert outcome.name is None
    assert not (models / "my-scope").exists()


def test_a_taken_name_is_refused_before_any_work(models, recording):
    with pytest.raises(OutputError, match="already"):
        run(recording, name="start")


def test_wrong_wishes_are_refused(models, recording):
    with pytest.raises(ParameterError, match="minutes"):
        run(recording, minutes=0)
    with pytest.raises(ParameterError, match="no name"):
        run(recording, name="My Scope!")
    with pytest.raises(UnknownNameError, match="'start'"):
        run(recording, model="stat")
    with pytest.raises(UnknownNameError, match="'learning_rate'"):
        run(recording, settings={"learning_rat": "1e-4"})


def test_cancelled_before_it_learned_anything_leaves_nothing(models, recording):
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        run(recording, token=token)
    assert [path.name for path in models.iterdir()] == ["start"]


def test_cancelled_while_learning_keeps_the_best(models, recording):
    token = CancelToken()

    def watch(progress):
        if progress.message == "Learning" and progress.done >= 50:
            token.cancel()

    outcome = run(
        recording,
        token=token,
        report=watch,
        settings=FEW | {"steps": 500, "warmup_steps": 1},
    )
    assert 50 <= outcome.steps < 500
    assert "Stopped early" in outcome.note
    assert outcome.name == "my-scope"
