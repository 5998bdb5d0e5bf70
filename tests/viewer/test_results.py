import numpy as np
import pytest
from tests.viewer.conftest import FRAME, make_recording, show_recording

from napari_qpm.acquisition import PhaseMap
from napari_qpm.provenance import Step
from napari_qpm.viewer.adoption import adopt
from napari_qpm.viewer.fields import METADATA_KEY, Role, field_of
from napari_qpm.viewer.frames import FrameLabels, FramePhase
from napari_qpm.viewer.results import show_cells, show_phase

GRID = (2.0, 2.0)
COARSE = (FRAME[0] // 2, FRAME[1] // 2)


@pytest.fixture
def field(viewer, recording):
    return field_of(show_recording(viewer, recording))


def phase_of(field, frames, value=1.0, background="tilt", grid=(1.0, 1.0)):
    """Return phase of some frames, with `value` in one corner."""
    shape = (3, *(int(n / g) for n, g in zip(FRAME, grid, strict=True)))
    phase = np.full(shape, np.nan, np.float32)
    for t in frames:
        phase[t] = 0
        phase[t, :2, :2] = value
    step = Step("retrieve", "as-is", {"background": background})
    phase_map = PhaseMap(
        phase=phase,
        acquisition=field.acquisition,
        grid_scale=grid,
        frame_notes=({},) * 3,
        history=(step,),
    )
    return FramePhase(phase_map, frozenset(frames))


def labels_of(frames, label=1, **parameters):
    labels = np.zeros((3, *FRAME), np.int32)
    for t in frames:
        labels[t, :4, :4] = label
    return FrameLabels(
        labels, frozenset(frames), Step("segment", "watershed", parameters), {}
    )


def test_phase_lies_on_its_recording_at_any_grid(viewer, field):
    show_phase(viewer, field, phase_of(field, range(3), grid=GRID))

    layer = field.layer(Role.PHASE)
    recording = field.layer(Role.RECORDING)
    assert layer.data.shape == (3, *COARSE)
    assert tuple(layer.scale) == (60.0, 1.0, 1.0)
    assert layer.units == recording.units
    assert layer.name == "dish phase"


def test_phase_layers_carry_their_record_and_fixed_contrast(viewer, field):
    show_phase(viewer, field, phase_of(field, range(3), value=5.0))

    layer = field.layer(Role.PHASE)
    record = layer.metadata[METADATA_KEY]
    assert record["role"] == "phase"
    assert record["frames"] == [0, 1, 2]
    assert record["history"][-1]["engine"] == "as-is"
    limits = tuple(layer.contrast_limits)
    viewer.dims.set_point(0, 60.0)
    assert tuple(layer.contrast_limits) == limits


def test_our_recording_hides_under_its_phase_and_layers_of_others_do_not(viewer, field):
    show_phase(viewer, field, phase_of(field, range(3)))
    assert not field.layer(Role.RECORDING).visible

    mine = viewer.add_image(np.zeros((3, *FRAME), np.float32), name="mine")
    adopted = adopt(mine)
    show_phase(viewer, adopted, phase_of(adopted, range(3)))

    assert mine.visible


def test_running_again_updates_the_same_layer(viewer, field):
    show_phase(viewer, field, phase_of(field, range(3)))
    first = field.layer(Role.PHASE)

    show_phase(viewer, field, phase_of(field, range(3), value=4.0))

    assert field.layer(Role.PHASE) is first
    assert first.data[0, 0, 0] == 4.0
    assert len(viewer.layers) == 2


def test_a_frame_joins_a_series_that_was_made_alike(viewer, field):
    show_phase(viewer, field, phase_of(field, range(3), value=1.0))

    show_phase(viewer, field, phase_of(field, [1], value=9.0))

    corner = field.layer(Role.PHASE).data[:, 0, 0]
    assert corner.tolist() == [1.0, 9.0, 1.0]
    assert field.done[Role.PHASE] == {0, 1, 2}


def test_one_layer_never_mixes_two_settings(viewer, field):
    show_phase(viewer, field, phase_of(field, range(3), background="tilt"))

    show_phase(viewer, field, phase_of(field, [1], background="none"))

    assert field.done[Role.PHASE] == {1}
    assert np.isnan(field.layer(Role.PHASE).data[0]).all()


def test_a_deleted_phase_layer_is_made_anew(viewer, field):
    show_phase(viewer, field, phase_of(field, range(3)))
    viewer.layers.remove(field.layer(Role.PHASE))

    show_phase(viewer, field, phase_of(field, range(3)))

    assert "dish phase" in viewer.layers


def test_results_survive_the_deletion_of_their_recording(viewer, field):
    viewer.layers.remove(field.layer(Role.RECORDING))

    show_phase(viewer, field, phase_of(field, range(3)))

    assert tuple(viewer.layers["dish phase"].scale) == (60.0, 0.5, 0.5)


def test_layers_of_the_user_are_never_touched(viewer, field):
    mine = viewer.add_labels(np.ones((3, *FRAME), int), name="dish cells")

    show_cells(viewer, field, labels_of(range(3)))

    assert (mine.data == 1).all()
    assert field.layer(Role.CELLS) is not mine
    assert field.layer(Role.CELLS).name != "dish cells"


def test_cells_are_shown_as_outlines(viewer, field):
    show_cells(viewer, field, labels_of(range(3)))

    assert field.layer(Role.CELLS).contour > 0


def test_corrected_cells_are_kept_beside_new_ones(viewer, field):
    show_cells(viewer, field, labels_of(range(3)))
    old = field.layer(Role.CELLS)
    old.data_setitem((np.array([0]), np.array([9]), np.array([9])), 7)

    show_cells(viewer, field, labels_of(range(3), label=2))

    assert old in viewer.layers
    assert old.name == "dish cells (corrected)"
    assert old.data[0, 9, 9] == 7
    assert field.layer(Role.CELLS).data.max() == 2


def test_a_new_frame_among_corrected_cells_can_be_undone(viewer, field):
    show_cells(viewer, field, labels_of(range(3)))
    layer = field.layer(Role.CELLS)
    layer.data_setitem((np.array([0]), np.array([9]), np.array([9])), 7)

    show_cells(viewer, field, labels_of([1], label=3))
    assert layer.data[1, 0, 0] == 3
    assert layer.data[0, 9, 9] == 7
    layer.undo()

    assert layer.data[1, 0, 0] == 1


def test_cells_of_two_settings_are_never_mixed(viewer, field):
    show_cells(viewer, field, labels_of(range(3)))

    show_cells(viewer, field, labels_of([1], label=5, min_area=9))

    assert field.done[Role.CELLS] == {1}
    assert np.unique(field.layer(Role.CELLS).data).tolist() == [0, 5]


def test_uncorrected_cells_are_replaced_in_place(viewer, field):
    show_cells(viewer, field, labels_of(range(3)))
    layer = field.layer(Role.CELLS)

    show_cells(viewer, field, labels_of(range(3), label=2))

    assert field.layer(Role.CELLS) is layer
    assert layer.data.max() == 2


def test_a_result_leaves_the_selection_on_another_recording(viewer, field):
    other = show_recording(viewer, make_recording())
    viewer.layers.selection.active = other

    show_phase(viewer, field, phase_of(field, range(3)))

    assert viewer.layers.selection.active is other


def test_the_scale_bar_is_on_once_sizes_are_known(viewer, field):
    show_phase(viewer, field, phase_of(field, range(3)))

    assert viewer.canvas.overlays.scale_bar.visible
    assert field.layer(Role.PHASE).colorbar.visible
