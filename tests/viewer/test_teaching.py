import json
from pathlib import Path

import numpy as np
import pytest
from tests.viewer.conftest import show_recording

from napari_qpm.segmentation.annotated import load_frames
from napari_qpm.viewer.autosave import Autosave
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.results import present
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.teaching import Teaching
from napari_qpm.viewer.workflow import Scope

SCORES = {"ap50": 0.4, "dice": 0.7, "n_found": 4, "n_cells": 6}
RESULT = {
    "event": "result",
    "name": "my-cells",
    "base": "tiny-cells",
    "before": SCORES,
    "after": SCORES | {"ap50": 0.8},
    "frame": "1 frame",
    "is_honest": True,
    "n_frames": 2,
    "n_cells": 4,
    "steps": 40,
    "minutes": 1.0,
    "note": "",
}


class Child:
    """Stands for the child process: what it was asked, and what it answers."""

    def __init__(self):
        self.arguments, self.frames, self.shown = [], [], None
        self.result = dict(RESULT)

    def __call__(self, arguments):
        def run(token, report):
            self.arguments = arguments
            self.frames = load_frames(arguments[1])
            if "--preview" in arguments:
                (self.shown,) = load_frames(self.option("--preview"))
                training = Path(self.option("--folder"))
                training.mkdir()
                np.save(training / "preview.npy", np.ones((48, 64), np.int32))
            return self.result

        return run

    def option(self, name):
        return self.arguments[self.arguments.index(name) + 1]


@pytest.fixture(scope="session")
def cell_model_folder(tmp_path_factory):
    """Folder that holds "tiny-cells", an untrained network that finds cells."""
    import safetensors.torch
    import torch

    from napari_qpm.runtime import ModelSpec
    from napari_qpm.runtime.architectures import make_network
    from napari_qpm.runtime.store import sha256_of

    folder = tmp_path_factory.mktemp("models") / "tiny-cells"
    folder.mkdir()
    config = {"in_channels": 1, "inputs": "phase", "width": 2, "has_instances": True}
    torch.manual_seed(0)
    network = make_network("dm-qpmnet", config)
    weights = folder / "weights.safetensors"
    safetensors.torch.save_file(network.state_dict(), weights)
    # The torch runtime does not read the graph; tracing one takes seconds.
    (folder / "graph.onnx").touch()
    ModelSpec(
        name="tiny-cells",
        title="Tiny",
        kind="cells",
        architecture="dm-qpmnet",
        config=config,
        preprocessing={"channels": ["phase"]},
        sha256=sha256_of(weights),
    ).dump(folder / "model.json")
    return folder


@pytest.fixture
def cell_models(cell_model_folder, tmp_path, monkeypatch):
    """The user's models: "tiny-cells", and under another name what will be learned."""
    import shutil

    from napari_qpm.runtime import ModelStore

    folder = tmp_path / "models"
    monkeypatch.setenv("NAPARI_QPM_MODELS", str(folder))
    shutil.copytree(cell_model_folder, folder / "tiny-cells")
    ModelStore().install(cell_model_folder, "my-cells")
    return folder


@pytest.fixture
def taught(workflow, viewer, recording, mailbox, tmp_path, cell_models):
    """Three frames with cells by the classical engine, none of them done yet."""
    show_recording(viewer, recording)
    for step in (StepName.RETRIEVE, StepName.SEGMENT):
        workflow.run(step, Scope.ALL)
        mailbox.follow(workflow)
    autosave = Autosave(workflow, tmp_path / "recovery", settle_s=60.0)
    child = Child()
    made = Teaching(workflow, autosave, post=mailbox.post, make_command=child)
    made.child, made.mailbox, made.workflow = child, mailbox, workflow
    made.cells = present(viewer, workflow.field, Role.CELLS)
    yield made
    made.close()
    autosave.close()


def follow(teaching):
    teaching.mailbox.run_until(lambda: teaching.job is None)


def paint(teaching, t, label=9):
    rows, columns = np.mgrid[2:8, 40:46]
    where = (np.full(rows.size, t), rows.ravel(), columns.ravel())
    teaching.cells.data_setitem(where, label)


def test_nothing_teaches_before_something_is_corrected(taught):
    assert taught.rows() == []
    assert "mark each as done" in taught.availability().reason
    taught.start("my-cells", 5, "tiny-cells")
    assert taught.job is None


def test_done_frames_count_whole_and_others_by_their_corrections(taught):
    taught.workflow.field.annotate([0])
    paint(taught, 2)
    titles = [row.title for row in taught.rows()]
    assert titles == [
        "dish frame 0: 2 cells, done",
        "dish frame 2: 1 cell, not done: only these teach",
    ]
    assert (
        taught.summary() == "3 cells in 2 frames teach; a part is kept back to judge."
    )
    paint(taught, 0)
    assert taught.rows()[0].n_cells == 3


def test_the_child_gets_exactly_the_chosen_frames_and_the_settings(taught):
    workflow = taught.workflow
    workflow.field.annotate([0, 1])
    paint(taught, 2)
    taught.choose(taught.rows()[0].key, False)
    workflow.show_frame(2)
    workflow.settings.choose(StepName.SEGMENT, workflow.modality, "dm-qpmnet-phase")
    workflow.settings.change_engine(
        StepName.SEGMENT, "dm-qpmnet-phase", model="tiny-cells", cell_diameter=7.5
    )
    assert taught.chosen_model() == "tiny-cells"
    taught.start("my-cells", 2, "tiny-cells")
    follow(taught)
    child = taught.child
    assert child.arguments[0] == "fine-tune"
    assert child.option("--set-segment") == "cell_diameter=7.5"
    assert (child.option("--minutes"), child.option("--name")) == ("2", "my-cells")
    done, half = child.frames
    assert (done.is_done, done.n_cells, half.is_done, half.n_cells) == (1, 2, 0, 1)
    np.testing.assert_array_equal(done.labels, np.asarray(taught.cells.data[1]))
    assert child.shown.name.endswith("frame 2")


def test_a_better_model_is_chosen_and_tried_on_the_next_frame(taught):
    workflow = taught.workflow
    workflow.field.annotate([0])
    workflow.show_frame(0)
    kept = np.array(taught.cells.data[0])
    taught.start("my-cells", 2, "tiny-cells")
    follow(taught)
    taught.mailbox.follow(workflow)
    assert "It is chosen now" in taught.message
    assert taught.outcome.after.ap50 == 0.8
    values = workflow.settings.values(StepName.SEGMENT, workflow.modality)
    assert values["model"] == "my-cells"
    engine = workflow.settings.engine(StepName.SEGMENT, workflow.modality)
    assert engine == "dm-qpmnet-phase"
    assert workflow.current_frame() == 1
    assert workflow.field.cells_step.parameters["model"] == "my-cells"
    # Same layer, and what was outlined stays.
    assert present(workflow.viewer, workflow.field, Role.CELLS) is taught.cells
    np.testing.assert_array_equal(taught.cells.data[0], kept)
    assert workflow.field.annotated_frames == {0}


def test_a_model_that_is_no_better_changes_nothing(taught):
    workflow = taught.workflow
    workflow.field.annotate([0])
    before = np.array(taught.cells.data)
    taught.child.result |= {"name": None, "after": SCORES}
    taught.start("my-cells", 2, "tiny-cells")
    follow(taught)
    assert "No model was saved" in taught.message
    assert workflow.job is None
    engine = workflow.settings.engine(StepName.SEGMENT, workflow.modality)
    assert engine == "watershed"
    np.testing.assert_array_equal(taught.cells.data, before)


def test_the_frame_in_view_is_pictured_with_the_cells_found_by_now(taught):
    taught.workflow.field.annotate([0])
    taught.start("my-cells", 2, "tiny-cells")
    follow(taught)
    picture = taught.picture()
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8


def test_what_was_asked_can_be_asked_again_after_a_crash(taught, monkeypatch):
    taught.workflow.field.annotate([0])

    def killed(arguments):
        def work(token, report):
            training = Path(arguments[arguments.index("--folder") + 1])
            training.mkdir()
            (training / "checkpoint.pt").touch()
            raise RuntimeError("killed")

        return work

    monkeypatch.setattr(taught, "_make_command", killed)
    taught.start("my-cells", 2, "tiny-cells")
    run = taught.run
    follow(taught)
    about = json.loads((run.folder / "about.json").read_text())
    assert about["name"] == "my-cells"
    assert taught.waiting == run
    monkeypatch.setattr(taught, "_make_command", taught.child)
    (run.training / "checkpoint.pt").unlink()
    run.training.rmdir()
    taught.resume()
    follow(taught)
    assert taught.child.frames[0].n_cells == 2
    assert "--resume" in taught.child.arguments


def test_cells_of_another_size_than_the_phase_do_not_teach(taught):
    workflow = taught.workflow
    workflow.field.annotate([0])
    assert len(taught.rows()) == 1
    phase_map = workflow.field.phase_map
    workflow.field.phase_map = phase_map.replace(phase=phase_map.phase[:, ::2, ::2])
    assert taught.rows() == []
