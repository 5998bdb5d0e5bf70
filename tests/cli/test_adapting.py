"""The command passes everything on; what adapting does is tested in its own room."""

import json

import pytest

from napari_qpm.adaptation import Adaptation, Judgement
from napari_qpm.cli import main
from napari_qpm.io.recording import write_recording
from napari_qpm.specimens.samples import simulate


@pytest.fixture
def recording(tmp_path):
    acquisition = simulate("off-axis", shape=(96, 96)).acquisition
    return write_recording(acquisition, tmp_path / "dish.ome.zarr")


@pytest.fixture
def asked(monkeypatch):
    """What the command asked for; the answer is made up."""
    seen = {}
    judged = Judgement(2.0, "good", 0.2, 0.9, 0.3, 0.8)

    def answer(recordings, **options):
        seen.update(options, recordings=recordings)
        return Adaptation(
            options["name"], options["model"], judged, judged, "dish", "x", 1, 1, 9, 0.1
        )

    monkeypatch.setattr("napari_qpm.adaptation.adapt", answer)
    return seen


def run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(one) for one in arguments])
    return stopped.value.code


def test_options_reach_the_function_and_the_outcome_is_json(recording, asked, capfd):
    code = run(
        *("adapt", recording, "--name", "my-scope", "--model", "start"),
        *("--minutes", 3, "--device", "cpu", "--scale", 2, "--seed", 7, "--json"),
        *("--set", "learning_rate=1e-4", "--overwrite"),
    )
    assert code == 0
    assert asked["name"] == "my-scope"
    assert asked["minutes"] == 3
    assert (asked["scale"], asked["seed"], asked["overwrite"]) == (2, 7, True)
    assert asked["settings"] == {"learning_rate": "1e-4"}
    assert asked["recordings"][0].modality.value == "off-axis"
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert result["event"] == "result"
    assert result["name"] == "my-scope"


def test_people_get_a_table_in_words(recording, asked, capfd):
    assert run("adapt", recording, "--name", "my-scope") == 0
    assert asked["model"] == "nas-prnet"
    assert asked["minutes"] == 10
    out = capfd.readouterr().out
    assert "Saved as model my-scope" in out
    assert "Difference to classical in cells" in out
