"""The copied script gives the same table as the dock, to the last bit."""

import numpy as np
import pandas as pd
import pytest
from tests.viewer.conftest import cells_phase, make_recording, show_recording

import napari_qpm as qpm
from napari_qpm.acquisition import Modality
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer import scripts
from napari_qpm.viewer.scripts import script_of
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope


@pytest.fixture
def run_script(tmp_path, monkeypatch):
    """Run a script in a folder of its own and return its table."""

    def run(text):
        monkeypatch.chdir(tmp_path)
        names = {}
        exec(compile(text, "copied script", "exec"), names)
        return names["table"]

    return run


def assert_same(script_table, workflow):
    pd.testing.assert_frame_equal(
        script_table.reset_index(drop=True),
        workflow.field.table.reset_index(drop=True),
        check_exact=True,
    )


@pytest.mark.parametrize("kind", ["polarization", "phase"])
def test_the_script_of_a_sample_gives_the_same_table(
    workflow, viewer, mailbox, run_script, kind
):
    recording = simulate(kind, n_frames=3, shape=(192, 192)).acquisition
    show_recording(viewer, recording)
    workflow.settings.set_values(
        StepName.RETRIEVE, workflow.modality, {"background": "tilt"}
    )
    workflow.settings.set_values(StepName.MEASURE, None, {"alpha_ml_g": 0.18})
    workflow.settings.set_link_values({"max_gap": 1})
    workflow.set_instrument(wavelength_nm=540.0)
    workflow.run_all()
    mailbox.follow(workflow)
    # What the forms say afterwards does not matter.
    workflow.settings.set_values(
        StepName.RETRIEVE, workflow.modality, {"background": "none"}
    )

    script = script_of(workflow.field)

    assert "clipboard" in script.note
    assert "track_id" in workflow.field.table
    assert_same(run_script(script.text), workflow)


def test_the_script_of_a_file_opens_it_with_what_was_filled_in(
    workflow, viewer, mailbox, run_script, tmp_path
):
    np.save(tmp_path / "dish 1.npy", cells_phase(3))
    show_recording(viewer, qpm.open(tmp_path / "dish 1.npy", modality="phase"))
    for fact in ({"phase_unit": "rad"}, {"wavelength_nm": 532.0}):
        workflow.set_instrument(**fact)
    workflow.set_instrument(pixel_size_um=0.5, frame_interval_s=60.0)
    workflow.run_all()
    mailbox.follow(workflow)

    script = script_of(workflow.field)

    assert "dish 1.npy" in script.text
    assert (workflow.field.table["dry_mass_pg"] > 0).all()
    assert_same(run_script(script.text), workflow)


@pytest.mark.parametrize("scope", [Scope.CURRENT, Scope.ALL])
def test_a_quick_look_is_repeated_as_such(
    workflow, viewer, mailbox, run_script, tmp_path, scope
):
    np.save(tmp_path / "dish.npy", cells_phase(4))
    recording = qpm.open(
        tmp_path / "dish.npy", modality="phase", phase_unit="rad", wavelength_nm=532
    )
    show_recording(viewer, recording)
    workflow.run(StepName.RETRIEVE, scope)
    mailbox.follow(workflow)
    workflow.run(StepName.SEGMENT, scope)
    mailbox.follow(workflow)
    workflow.run(StepName.MEASURE, Scope.CURRENT)
    mailbox.follow(workflow)

    table = run_script(script_of(workflow.field).text)

    assert table["frame"].nunique() == 1
    assert_same(table, workflow)


def test_a_layer_of_others_says_where_its_path_goes(workflow, viewer, mailbox):
    viewer.add_image(cells_phase(2), name="loose")
    mailbox.follow(workflow)
    workflow.set_modality(Modality.PHASE)
    workflow.set_instrument(phase_unit="rad")
    workflow.run_all()
    mailbox.follow(workflow)

    script = script_of(workflow.field)

    assert script.note == scripts.NO_FILE
    assert "'phase_unit': 'rad'" in script.text
    compile(script.text, "copied script", "exec")


def test_cells_corrected_by_hand_are_not_hidden(workflow, viewer, mailbox):
    show_recording(viewer, make_recording())
    workflow.run_all()
    mailbox.follow(workflow)
    corner = tuple(np.zeros(1, int) for _ in range(3))
    viewer.layers["dish cells"].data_setitem(corner, 7)
    workflow.run(StepName.MEASURE)
    mailbox.follow(workflow)

    assert script_of(workflow.field).note == scripts.BY_HAND


def test_without_a_table_there_is_no_script(workflow, viewer):
    assert script_of(None) is None
    show_recording(viewer, make_recording())
    assert script_of(workflow.field) is None
