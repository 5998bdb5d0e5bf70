"""The evaluation of an installed model, on the first few frames."""

import dataclasses
import json

import pytest

from napari_qpm.errors import JobCancelled, ParameterError, UnknownNameError
from napari_qpm.evaluation import evaluate
from napari_qpm.evaluation.phase_evaluation import describe_training, keepable
from napari_qpm.jobs import CancelToken
from napari_qpm.runtime import ModelStore


@pytest.fixture(scope="module")
def evaluation(models_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_QPM_MODELS", str(models_folder))
        return evaluate("tiny-net", limit=2, with_latency=False)


def test_the_evaluated_model_comes_first_and_ran_now(evaluation):
    first = evaluation.rows[0]
    assert (evaluation.model, first.key) == ("tiny-net", "model")
    assert first.n == 2
    assert first.source.startswith("this run on the camera's grid, weights ")
    assert "seed 3, 10 steps, 160 samples" in first.source
    assert first.params > 0
    assert first.macs > 0


def test_every_row_is_there_with_scores_or_the_reason(evaluation):
    keys = [row.key for row in evaluation.rows]
    assert keys[:8] == [
        "model",
        "model-calibrated",
        "model-alone",
        "nothing",
        "classical",
        "classical-tuned",
        "classical-crowded",
        "classical-calibrated",
    ]
    assert {"u-net", "sparse-mask", "super-prnet"} <= set(keys)
    for row in evaluation.rows:
        assert row.was_run or "not run" in row.source
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_knowing_nothing_scores_what_the_set_makes_of_it(evaluation):
    nothing, calibrated = (
        evaluation.row(key) for key in ("nothing", "classical-calibrated")
    )
    # Cells cover the frames: 0 everywhere is a bad answer, far below a good one.
    assert nothing.metrics["psnr_db"] < 20
    assert calibrated.metrics["psnr_db"] > 35
    assert calibrated.metrics["ssim"] > 0.95


def test_facts_describe_the_set(evaluation):
    facts = evaluation.to_dict()["set"]
    assert facts["n"] == 2
    assert facts["least_cover"] >= 0.3
    assert facts["share_above_6_rad"] == 0.5
    assert len(facts["fingerprint"]) == 16
    assert any("dB below" in remark for remark in evaluation.facts["remarks"])


def test_rows_can_be_chosen(tiny_model):
    found = evaluate(tiny_model, limit=1, rows=["nothing"], with_latency=False)
    assert [row.key for row in found.rows] == ["model", "nothing"]
    with pytest.raises(UnknownNameError, match="classical"):
        evaluate(tiny_model, limit=1, rows=["clasical"])


def test_latency_is_of_the_whole_way_and_of_the_network(tiny_model, monkeypatch):
    from napari_qpm.evaluation import latency

    monkeypatch.setattr(latency.latency_frame, "__defaults__", ((256, 256),))
    found = evaluate(tiny_model, limit=1, rows=["classical"])
    model, classical = found.rows
    assert 0 < model.network_ms < model.latency_ms
    assert classical.latency_ms > 0
    assert classical.network_ms is None
    assert any("times" in remark for remark in found.facts["remarks"])


def test_kept_row_is_of_the_network_s_answer_alone(evaluation, tiny_model):
    [kept] = keepable(ModelStore().model(tiny_model), evaluation)
    assert kept.key == kept.architecture == "u-net"
    # Not of what the fringes make of it.
    assert kept.metrics == evaluation.row("model-alone").metrics
    assert kept.metrics != evaluation.rows[0].metrics
    assert kept.seed == evaluation.seed
    assert "napari-qpm train nas-prnet, seed 3" in kept.source
    assert kept.row(evaluation.seed).metrics == kept.metrics


def test_what_cannot_be_evaluated_says_why(tiny_model, monkeypatch):
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny-net'"):
        evaluate("tiny-nett")
    with pytest.raises(ParameterError, match="at least 1"):
        evaluate(tiny_model, limit=0)
    model = ModelStore().model(tiny_model)
    other = dataclasses.replace(
        model, spec=dataclasses.replace(model.spec, kind="segmentation")
    )
    monkeypatch.setattr(ModelStore, "check", lambda self, name: other)
    with pytest.raises(ParameterError, match="gives segmentation of off-axis"):
        evaluate(tiny_model)


def test_cancel_stops_at_the_next_frame(tiny_model):
    token = CancelToken()
    seen = []

    def stop(progress):
        seen.append(progress)
        token.cancel()

    with pytest.raises(JobCancelled):
        evaluate(tiny_model, token=token, report=stop)
    assert len(seen) == 1


def test_training_is_described_in_words():
    assert describe_training({}) == "an unknown training"
    text = describe_training(
        {"recipe": "nas-prnet", "seed": 0, "samples": 96000, "minutes": 71.5}
    )
    assert text == "napari-qpm train nas-prnet, seed 0, 96,000 samples, 71.5 min"
