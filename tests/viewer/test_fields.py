import gc
import json
import weakref

from napari.components import ViewerModel
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.viewer.fields import METADATA_KEY, Role, field_of
from napari_qpm.viewer.layers import recording_layer


def test_a_layer_from_our_reader_finds_its_live_recording(viewer, recording):
    layer = show_recording(viewer, recording)

    field = field_of(layer)

    assert field is not None
    assert field.acquisition is recording
    assert field.role_of(layer) is Role.RECORDING


def test_a_layer_of_others_has_no_field(viewer):
    layer = viewer.add_image(make_recording().read(0))

    assert field_of(layer) is None
    assert field_of(None) is None


def test_the_record_of_a_layer_is_plain_and_says_what_is_missing():
    _, keywords, _ = recording_layer(make_recording(wavelength_nm=None))

    record = keywords["metadata"][METADATA_KEY]

    assert json.loads(json.dumps(record)) == record
    assert record["role"] == "recording"
    assert "wavelength_nm" in record["missing"]


def test_a_copied_layer_finds_the_same_recording(viewer, recording):
    layer = show_recording(viewer, recording)
    data, state, kind = layer.as_layer_data_tuple()
    copy = viewer.add_image(data, **{**state, "name": "copy"})

    assert kind == "image"
    assert field_of(copy).acquisition is recording


def test_a_recording_waits_for_the_dock_as_long_as_its_layer(viewer):
    layer = show_recording(viewer, make_recording())
    gc.collect()

    assert field_of(layer).acquisition.name == "dish"


def test_closing_a_viewer_frees_its_fields():
    viewer = ViewerModel()
    gone = weakref.ref(field_of(show_recording(viewer, make_recording())))

    del viewer
    gc.collect()

    assert gone() is None
