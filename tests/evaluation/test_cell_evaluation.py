import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from napari_qpm.errors import JobCancelled, ParameterError, UnknownNameError
from napari_qpm.evaluation import Evaluation, cell_evaluation, evaluate
from napari_qpm.evaluation.cell_set import make_field
from napari_qpm.evaluation.phase_evaluation import keepable
from napari_qpm.evaluation.rows import Row
from napari_qpm.jobs import CancelToken


@pytest.fixture(autouse=True)
def small_fields(monkeypatch):
    monkeypatch.delenv(cell_evaluation.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(
        cell_evaluation, "make_field", lambda number: make_field(number, (64, 64))
    )


@pytest.fixture
def evaluator():
    return cell_evaluation.CellEvaluator(
        "dm-qpmnet", None, CancelToken(), lambda progress: None, with_latency=False
    )


def test_rows_that_cannot_run_say_why_and_the_classical_ones_run(evaluator):
    evaluation = evaluator.run(2, None)
    rows = {row.key: row for row in evaluation.rows}
    assert list(rows)[:3] == ["model", "watershed", "otsu"]
    assert not rows["model"].was_run
    assert "no such model" in rows["model"].source
    assert "QPM_SHARED_DATA" in rows["a2780-watershed"].source
    comparisons = {"five-channel", "angles-only", "concat", "gate", "without-45"}
    assert comparisons < set(rows)
    assert "not run" in rows["gate"].source
    assert rows["watershed"].n == 2
    assert rows["watershed"].metrics["dice"] > 0.5
    assert set(rows["watershed"].groups) == {"adherent", "colony"}
    assert "| dm-qpmnet | not run |" in evaluation.table()
    assert "AP@0.5" in evaluation.table()


def test_result_is_json_that_can_be_read_again(evaluator):
    evaluation = evaluator.run(1, ["otsu"])
    values = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert values["rows"][0]["metrics"] == dict.fromkeys(
        ("dice", "dice_sd", "ap50", "ap50_sd", "count_error")
    )
    assert [row["key"] for row in values["rows"]] == ["model", "otsu"]
    assert Evaluation.from_dict(values).table() == evaluation.table()


def test_a_method_that_answers_runs_and_remarks_compare_it(evaluator, monkeypatch):
    class Truth:
        def __call__(self, field, token):
            return field.labels

    candidates = evaluator._candidates()
    candidates[0] = dataclasses.replace(candidates[0], method=Truth(), name="truth")
    monkeypatch.setattr(evaluator, "_candidates", lambda: candidates)
    evaluation = evaluator.run(1, ["otsu"])
    assert evaluation.rows[0].metrics["dice"] == 1
    gain = 1 - evaluation.rows[1].metrics["dice"]
    expected = f"its Dice is {gain:.3f} above that of Otsu's threshold."
    assert expected in " ".join(evaluation.facts["remarks"])
    np.testing.assert_allclose(evaluation.rows[0].metrics["ap50"], 1)


def test_rows_on_real_cells_are_kept_beside_those_on_simulated_ones():
    rows = [
        Row(key=key, method=key, metrics={"dice": dice}, n=3)
        for key, dice in (("model", 0.9), ("a2780-model", 0.8), ("a2780-otsu", 0.7))
    ]
    evaluation = Evaluation(model="mine", data="set", seed=1, rows=tuple(rows))
    spec = SimpleNamespace(
        kind="segmentation",
        name="mine",
        title="Mine",
        architecture="dm-qpmnet",
        config={"width": 16},
        training={"recipe": "dm-qpmnet", "seed": 5},
        sha256="0" * 64,
    )

    kept = keepable(SimpleNamespace(spec=spec), evaluation)

    assert [one.key for one in kept] == ["mine", "a2780-mine"]
    assert [one.metrics["dice"] for one in kept] == [0.9, 0.8]
    assert [one.method for one in kept] == ["Mine", "a2780-model"]


def test_unknown_rows_and_impossible_limits_are_refused(evaluator):
    with pytest.raises(UnknownNameError, match="otsu"):
        evaluator.run(1, ["otsuu"])
    with pytest.raises(ParameterError, match="at least 1"):
        evaluate("dm-qpmnet", limit=0)
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        evaluate("dm-qpmnet-phase", limit=1, token=token)
