import pytest

from napari_qpm.acquisition import Modality
from napari_qpm.viewer import state_file
from napari_qpm.viewer.choice_memory import ChoiceMemory
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Workflow

TILT = {"background": "tilt"}


@pytest.fixture
def session(viewer):
    """Open a dock's state, as a napari that was just started does."""
    opened = []

    def start():
        workflow = Workflow(viewer)
        opened.append((workflow, ChoiceMemory(workflow)))
        return opened[-1]

    yield start
    for workflow, memory in opened:
        memory.close()
        workflow.close()


def choose_all(workflow):
    settings = workflow.settings
    settings.choose(StepName.RETRIEVE, Modality.OFF_AXIS, "qpretrieve")
    settings.set_values(StepName.RETRIEVE, Modality.PHASE, TILT)
    settings.set_link_values({"max_gap": 3})
    workflow.changed.emit()


def test_choices_are_there_in_the_next_session(session):
    workflow, _ = session()
    choose_all(workflow)

    settings = session()[0].settings

    assert settings.engine(StepName.RETRIEVE, Modality.OFF_AXIS) == "qpretrieve"
    assert settings.values(StepName.RETRIEVE, Modality.PHASE) == TILT
    assert settings.link_values == {"max_gap": 3}


def test_what_is_not_possible_any_more_is_left_out(session):
    workflow, _ = session()
    choose_all(workflow)
    kept = workflow.settings.to_dict()
    kept["values"]["retrieve"] |= {"gone": {"x": 1}, "fourier": {"grid": "bent"}}
    kept["values"]["segment"] = "damaged"
    kept["engines"]["retrieve"]["phase"] = "gone"

    settings = Workflow(workflow.viewer).settings
    settings.restore(kept)

    assert settings.values(StepName.RETRIEVE, Modality.PHASE) == TILT
    assert settings.engine(StepName.RETRIEVE, Modality.PHASE) == "as-is"
    assert settings.engine(StepName.RETRIEVE, Modality.OFF_AXIS) == "qpretrieve"
    settings.choose(StepName.RETRIEVE, Modality.OFF_AXIS, "fourier")
    assert settings.values(StepName.RETRIEVE, Modality.OFF_AXIS) == {}


def test_a_damaged_file_is_put_aside_and_told(session, tmp_path):
    place = tmp_path / "state" / "choices.json"
    place.parent.mkdir()
    place.write_text("{")

    workflow, memory = session()

    assert "cannot be read" in memory.problem
    assert workflow.settings.to_dict()["engines"] == {}
    assert place.with_name(place.name + state_file.ASIDE).exists()


def test_a_folder_that_cannot_be_written_is_told(session, tmp_path):
    workflow, memory = session()
    (tmp_path / "state").write_text("a file where the folder should be")

    choose_all(workflow)

    assert "not remembered" in memory.problem
