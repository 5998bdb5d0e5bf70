import numpy as np
import pytest
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.layer_keys import LayerKeys
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.shortcuts import SHORTCUTS, Act

KEY = SHORTCUTS[Act.RETRIEVE]


@pytest.fixture
def pressed():
    return []


@pytest.fixture
def keys(workflow, pressed):
    made = LayerKeys(workflow, {Act.RETRIEVE: lambda: pressed.append("retrieve")})
    yield made
    made.close()


def keymap(layer):
    return {str(key): call for key, call in layer.keymap.items()}


def test_keys_work_on_recording_phase_and_cells(
    keys, workflow, viewer, mailbox, pressed
):
    show_recording(viewer, make_recording())
    for step in (StepName.RETRIEVE, StepName.SEGMENT):
        workflow.run(step)
        mailbox.follow(workflow)

    for role in (Role.RECORDING, Role.PHASE, Role.CELLS):
        layer = workflow.field.layer(role)
        keymap(layer)[KEY.shown](layer)

    assert pressed == ["retrieve"] * 3


def test_layers_of_others_keep_their_keys(keys, workflow, viewer):
    layer = viewer.add_image(np.zeros((3, 48, 64), np.float32), name="mine")

    assert workflow.field is not None
    assert not layer.keymap


def test_a_key_that_the_user_bound_stays(workflow, viewer, pressed):
    layer = show_recording(viewer, make_recording())
    layer.bind_key(KEY.key, lambda _: pressed.append("mine"))
    keys = LayerKeys(workflow, {Act.RETRIEVE: lambda: pressed.append("retrieve")})

    keymap(layer)[KEY.shown](layer)
    keys.close()

    assert pressed == ["mine"]
    assert KEY.shown in keymap(layer)


def test_closing_gives_the_keys_back(keys, workflow, viewer):
    layer = show_recording(viewer, make_recording())
    assert layer.keymap

    keys.close()
    keys._workflow.changed.connect(keys._on_workflow)  # for the fixture's own close

    assert not layer.keymap


def test_napari_can_name_every_key(keys, viewer):
    layer = show_recording(viewer, make_recording())

    # Any key that reaches napari makes it ask all functions for their names.
    assert all(call.__name__ for call in layer.keymap.values())
