import numpy as np
import pytest
from tests.viewer.conftest import cells_phase, make_recording, show_recording

from napari_qpm.acquisition import Acquisition
from napari_qpm.viewer.fields import Role, field_of
from napari_qpm.viewer.layers import (
    contrast_limits,
    geometry_of,
    layer_name,
    place_layers,
    recording_layer,
)


def test_a_recording_is_lazy_with_one_chunk_a_frame():
    data, keywords, kind = recording_layer(make_recording(n_frames=4))

    assert kind == "image"
    assert data.shape == (4, 48, 64)
    assert data.chunksize == (1, 48, 64)
    assert keywords["axis_labels"] == ("t", "y", "x")
    assert keywords["multiscale"] is False


def test_scale_and_units_come_from_the_metadata():
    _, keywords, _ = recording_layer(make_recording())

    assert keywords["scale"] == (60.0, 0.5, 0.5)
    assert keywords["units"] == ("s", "um", "um")


def test_unknown_sizes_stay_pixels():
    bare = make_recording(pixel_size_um=None, frame_interval_s=None)
    _, keywords, _ = recording_layer(bare)

    assert keywords["scale"] == (1.0, 1.0, 1.0)
    assert keywords["units"] == ("pixel", "pixel", "pixel")


def test_channels_come_first_so_that_results_lie_on_the_recording(viewer):
    frames = np.stack([cells_phase()] * 4, axis=1)
    four_angles = Acquisition.from_array(frames, "polarization", pixel_size_um=0.5)
    layer = show_recording(viewer, four_angles)
    result = viewer.add_image(cells_phase(), **geometry_of(field_of(layer)).keywords())

    assert layer.data.shape == (4, 3, 48, 64)
    assert tuple(layer.axis_labels) == ("c", "t", "y", "x")
    assert np.array_equal(layer.extent.world[:, 1:], result.extent.world)


def test_only_one_frame_is_read_to_open(recording):
    class Counting:
        shape, dtype, reads = recording.shape, recording.dtype, 0

        def read(self, t):
            Counting.reads += 1
            return recording.read(t)

    recording_layer(recording.replace(source=Counting()))

    assert Counting.reads == 1


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (np.full((8, 8), 7, np.uint8), (7.0, 8.0)),
        (np.full((8, 8), np.nan), (0.0, 1.0)),
        (np.array([[0.0, np.inf], [2.0, np.nan]]), (0.002, 1.998)),
    ],
)
def test_limits_are_usable_for_any_frame(frame, expected):
    assert contrast_limits([frame]) == pytest.approx(expected)


def test_a_new_pixel_size_keeps_the_grids_on_each_other(viewer):
    acquisition = make_recording(pixel_size_um=None)
    layer = show_recording(viewer, acquisition)
    field = field_of(layer)
    field.acquisition = acquisition.with_instrument(pixel_size_um=0.25)

    place_layers(field)

    assert tuple(layer.scale) == (60.0, 0.25, 0.25)
    assert [str(unit) for unit in layer.units] == ["second", "micrometer", "micrometer"]


def test_names_follow_the_layer_of_the_recording(viewer, recording):
    layer = show_recording(viewer, recording)
    field = field_of(layer)
    layer.name = "renamed"

    assert layer_name(field, Role.PHASE) == "renamed phase"
    assert layer_name(field, Role.CELLS) == "renamed cells"
