import json

import pytest

from napari_qpm.evaluation import Evaluation, Row


@pytest.fixture
def asked(monkeypatch):
    """Record what the command asks for; answer with one row."""
    calls = []

    def evaluate(name, **options):
        calls.append((name, options))
        row = Row(key="model", method="Net", metrics={"psnr_db": 30.0}, n=3)
        return Evaluation(model=name, data="three frames", seed=1, rows=(row,))

    monkeypatch.setattr("napari_qpm.evaluation.evaluate", evaluate, raising=False)
    return calls


def test_evaluate_prints_one_json_object(qpm_command, asked):
    done = qpm_command("evaluate", "net", "--json", "--limit", 3, "--no-latency")
    assert done.code == 0
    (result,) = done.events
    assert result["model"] == "net"
    assert result["rows"][0]["metrics"] == {"psnr_db": 30.0}
    name, options = asked[0]
    assert (name, options["limit"], options["rows"]) == ("net", 3, None)
    assert options["with_latency"] is False


def test_rows_are_separated_by_commas_or_repeated(qpm_command, asked):
    qpm_command("evaluate", "net", "--rows", "nothing, classical", "--rows", "u-net")
    assert asked[0][1]["rows"] == ["nothing", "classical", "u-net"]


def test_people_get_a_table(qpm_command, asked):
    done = qpm_command("evaluate", "net")
    assert "| Net | 30.00 |" in done.stdout


def test_unknown_model_is_one_line(qpm_command, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_QPM_MODELS", str(tmp_path))
    done = qpm_command("evaluate", "no-such-model", "--json")
    assert done.code == 1
    assert "no model named" in json.loads(done.stdout)["message"]


def test_scores_are_recorded_and_kept_on_demand_only(
    qpm_command, asked, monkeypatch, tmp_path
):
    done = []
    for place, name in (
        ("model_card", "record"),
        ("baselines", "keep_baseline"),
        ("phase_evaluation", "keepable"),
    ):
        monkeypatch.setattr(
            f"napari_qpm.evaluation.{place}.{name}",
            lambda *arguments, _name=name: done.append(_name) or ["row"],
        )
    monkeypatch.setattr("napari_qpm.runtime.ModelStore.model", lambda self, name: name)
    assert qpm_command("evaluate", "net").code == 0
    assert not done
    kept = tmp_path / "baselines.json"
    assert qpm_command("evaluate", "net", "--record", "--keep", kept).code == 0
    assert done == ["keepable", "keep_baseline", "record"]
