"""Facts are filled in from the folder's memory, said where from, and taken back."""

import numpy as np
import pytest
from tests.viewer.conftest import cells_phase, show_recording

import napari_qpm as qpm
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.fields import METADATA_KEY
from napari_qpm.viewer.recording_facts import RecordingFacts
from napari_qpm.viewer.scripts import script_of
from napari_qpm.viewer.workflow import Workflow


@pytest.fixture
def facts(workflow, mailbox):
    made = RecordingFacts(workflow, post=mailbox.post)
    yield made
    made.close()


@pytest.fixture
def open_file(viewer, tmp_path, mailbox):
    """Write phase images into the folder of the test, and open them."""

    def open_it(name, n_frames=3, **known):
        path = tmp_path / f"{name}.npy"
        np.save(path, cells_phase(n_frames))
        recording = qpm.open(path, modality="phase", **known)
        layer = show_recording(viewer, recording)
        mailbox.deliver()
        return layer

    return open_it


def instrument(workflow):
    return workflow.acquisition.instrument


def test_the_next_recording_of_the_folder_is_filled_in_and_says_so(
    workflow, facts, open_file
):
    open_file("first")
    facts.set(wavelength_nm=532.0, phase_unit="rad")
    facts.set(pixel_size_um=0.5, frame_interval_s=60.0, numerical_aperture=0.8)

    layer = open_file("second")

    assert instrument(workflow).wavelength_nm == 532.0
    assert instrument(workflow).phase_unit == "rad"
    assert instrument(workflow).numerical_aperture == 0.8
    assert tuple(layer.scale) == (60.0, 0.5, 0.5)
    told = facts.recalled_in_words()
    assert told.startswith("Filled in as for 'first' in this folder")
    assert "the wavelength 532 nm" in told
    assert told in layer.metadata[METADATA_KEY]["notes"]
    assert facts.origin("wavelength_nm").word == "folder"
    assert workflow.pipeline().instrument["pixel_size_um"] == 0.5


def test_what_the_file_states_is_not_replaced(workflow, facts, open_file):
    open_file("first")
    facts.set(wavelength_nm=532.0, pixel_size_um=0.5)

    open_file("second", wavelength_nm=633)

    assert instrument(workflow).wavelength_nm == 633
    assert instrument(workflow).pixel_size_um == 0.5
    assert "wavelength" not in facts.recalled_in_words()


def test_a_single_image_gets_no_frame_interval(workflow, facts, open_file):
    open_file("first")
    facts.set(frame_interval_s=60.0)

    open_file("second", n_frames=1)

    assert instrument(workflow).frame_interval_s is None
    assert facts.recalled_in_words() == ""


def test_what_was_filled_in_can_be_taken_back(workflow, facts, open_file, mailbox):
    open_file("first")
    facts.set(wavelength_nm=532.0, pixel_size_um=0.5)
    layer = open_file("second")

    facts.undo_recalled()
    mailbox.deliver()

    assert instrument(workflow).wavelength_nm is None
    assert tuple(layer.scale)[-1] == 1.0
    assert facts.recalled_in_words() == ""
    assert not any("Filled in" in note for note in workflow.acquisition.notes)
    assert workflow.pipeline().instrument == {}
    # Selecting it again, in this dock or another, fills in nothing.
    other = RecordingFacts(workflow, post=mailbox.post)
    workflow.changed.emit()
    mailbox.deliver()
    assert instrument(workflow).wavelength_nm is None
    other.close()


def test_a_fact_that_is_typed_over_is_the_users(workflow, facts, open_file):
    open_file("first")
    facts.set(wavelength_nm=532.0, pixel_size_um=0.5)
    open_file("second")

    facts.set(wavelength_nm=633.0)

    assert facts.origin("wavelength_nm").word == "yours"
    assert facts.origin("pixel_size_um").word == "folder"
    assert "wavelength" not in facts.recalled_in_words()
    said = [n for n in workflow.acquisition.notes if n.startswith("Filled in")]
    assert said == [facts.recalled_in_words()]
    open_file("third")
    assert instrument(workflow).wavelength_nm == 633.0


def test_results_are_not_put_out_of_date_by_memory(
    viewer, workflow, facts, open_file, mailbox
):
    facts.close()
    open_file("first")
    workflow.run_all()
    mailbox.follow(workflow)
    late = RecordingFacts(workflow, post=mailbox.post)
    late.memory.remember(workflow.acquisition, {"wavelength_nm": 532.0})
    mailbox.deliver()

    assert instrument(workflow).wavelength_nm is None
    assert workflow.field.table is not None
    late.close()


def test_the_copied_script_knows_what_was_filled_in(
    workflow, facts, open_file, mailbox
):
    open_file("first")
    facts.set(wavelength_nm=532.0, phase_unit="rad", pixel_size_um=0.5)
    open_file("second")
    workflow.run_all()
    mailbox.follow(workflow)

    text = script_of(workflow.field).text

    assert "'wavelength_nm': 532.0" in text
    assert "'pixel_size_um': 0.5" in text


def test_an_impossible_value_is_told_and_not_remembered(workflow, facts, open_file):
    told = []
    workflow.failed.connect(told.append)
    open_file("first")

    facts.set(wavelength_nm=-1.0)

    assert "positive" in told[0]
    assert facts.memory.recall(workflow.acquisition) is None


def test_every_fact_says_who_stated_it(workflow, facts, open_file, viewer, mailbox):
    open_file("first", wavelength_nm=532)
    assert facts.origin("wavelength_nm").word == "yours"
    assert facts.origin("pixel_size_um").word == ""
    show_recording(viewer, simulate("polarization", shape=(64, 64)).acquisition)
    mailbox.deliver()
    assert facts.origin("wavelength_nm").word == "sample"
    viewer.add_image(
        np.zeros((8, 64, 64)), scale=(1, 0.3, 0.3), units=("s", "um", "um")
    )
    mailbox.follow(workflow)
    assert facts.origin("pixel_size_um").word == "layer"


def test_a_sidecar_is_named(workflow, facts, open_file, tmp_path):
    (tmp_path / "first.qpm.yaml").write_text("pixel_size_um: 0.25")

    open_file("first")

    assert facts.origin("pixel_size_um").word == "sidecar"
    assert "first.qpm.yaml" in facts.origin("pixel_size_um").sentence


def test_closing_the_viewer_fills_in_nothing_on_its_way(viewer, mailbox, tmp_path):
    workflow = Workflow(viewer, post=mailbox.post)
    facts = RecordingFacts(workflow, post=mailbox.post)
    np.save(tmp_path / "a.npy", cells_phase(1))
    recording = qpm.open(tmp_path / "a.npy", modality="phase")
    facts.memory.remember(recording, {"wavelength_nm": 532.0})
    layer = show_recording(viewer, recording)
    workflow.close()
    facts.close()

    mailbox.deliver()

    assert layer.metadata[METADATA_KEY]["instrument"].get("wavelength_nm") is None


def test_the_shown_frame_stays_when_the_interval_changes(
    workflow, facts, open_file, viewer
):
    layer = open_file("first")
    viewer.dims.set_point(0, 2.0)
    assert workflow.current_frame() == 2

    facts.set(frame_interval_s=60.0)

    assert workflow.current_frame() == 2
    assert layer.scale[0] == 60.0
    assert str(layer.units[0]) == "second"
