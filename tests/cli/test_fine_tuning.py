"""The command passes everything on; what teaching does is tested in its own room."""

import json

import numpy as np
import pytest

from napari_qpm.adaptation import CellScores, FineTuning
from napari_qpm.cli import main
from napari_qpm.io import open_acquisition
from napari_qpm.segmentation import annotated_frames
from napari_qpm.segmentation.annotated import save_frames


@pytest.fixture
def asked(monkeypatch):
    """What the command asked for; the answer is made up."""
    seen = {}

    def answer(frames, **options):
        seen.update(options, frames=frames)
        scores = CellScores(0.5, 0.8, 9, 10), CellScores(0.7, 0.9, 10, 10)
        return FineTuning(
            options["name"], options["model"], *scores, "1 frame", True, 2, 20, 60, 0.5
        )

    monkeypatch.setattr("napari_qpm.adaptation.fine_tune", answer)
    return seen


@pytest.fixture
def dish(tmp_path):
    """Phase of three frames, and cells in the first and last."""
    phase = np.zeros((3, 32, 40), np.float32)
    labels = np.zeros(phase.shape, np.int32)
    labels[::2, 4:9, 5:11] = 2
    np.save(tmp_path / "phase.npy", phase)
    np.save(tmp_path / "cells.npy", labels)
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(one) for one in arguments])
    return stopped.value.code


def test_outlined_frames_and_options_reach_the_function(dish, asked, capfd):
    code = run(
        *("fine-tune", dish / "phase.npy", "--labels", dish / "cells.npy"),
        *("--name", "mine", "--minutes", 2, "--device", "cpu", "--seed", 4),
        *("--modality", "phase", "--set-instrument", "phase_unit=rad"),
        *("--done", "0,1", "--set", "learning_rate=1e-4", "--folder", dish / "run"),
        *("--set-segment", "cell_diameter=12", "--resume", "--json"),
    )
    assert code == 0
    assert [frame.is_done for frame in asked["frames"]] == [True, True, False]
    assert [frame.n_cells for frame in asked["frames"]] == [1, 0, 1]
    assert asked["parameters"] == {"cell_diameter": "12"}
    assert asked["settings"] == {"learning_rate": "1e-4"}
    assert (asked["seed"], asked["resume"], asked["minutes"]) == (4, True, 2)
    assert asked["folder"] == dish / "run"
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert result["is_better"] is True
    assert FineTuning.from_dict(result).after.ap50 == 0.7


def test_folders_of_annotated_frames_need_no_labels(dish, asked, capfd):
    import napari_qpm as qpm

    recording = open_acquisition(dish / "phase.npy", modality="phase")
    frames = annotated_frames(qpm.retrieve(recording), np.load(dish / "cells.npy"))
    save_frames(frames, dish / "set")
    save_frames(frames[:1], dish / "shown")
    assert (
        run("fine-tune", dish / "set", "--name", "a", "--preview", dish / "shown") == 0
    )
    assert len(asked["frames"]) == 2
    assert asked["preview"].shape == (1, 32, 40)
    assert "0.5 before, 0.7 after" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--labels", "a.npy", "--labels", "b.npy"), "1 recordings, but 2"),
        (("--labels", "cells.npy", "--done", "x"), "not of the form"),
    ],
)
def test_wrong_use_is_told(dish, asked, capfd, options, words):
    assert run("fine-tune", dish / "phase.npy", "--name", "a", *options) == 2
    assert words in capfd.readouterr().err
