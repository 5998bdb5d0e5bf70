"""One selected cell for canvas, table and plots."""

import numpy as np
import pandas as pd
import pytest
from tests.viewer.conftest import CENTRES, make_recording, show_recording

from napari_qpm.viewer.cell_index import CellIndex
from napari_qpm.viewer.settings import StepName

N_FRAMES = 6
PIXEL_UM = 0.5


@pytest.fixture
def measured(workflow, viewer, mailbox):
    """A workflow whose two cells were measured and followed."""
    show_recording(viewer, make_recording(N_FRAMES))
    workflow.run_all()
    mailbox.follow(workflow)
    return workflow


class Press:
    """What napari hands to a mouse callback."""

    def __init__(self, world, pos=(100.0, 100.0)):
        self.type, self.position, self.pos = "mouse_press", world, np.array(pos)
        self.modifiers = ()


def world_of(cell, frame):
    y, x = CENTRES[cell]
    return (60.0 * frame, y * PIXEL_UM, x * PIXEL_UM)


def click(viewer, world, moved_px=0.0):
    """Press and release at a place, perhaps dragging in between."""
    event = Press(world)
    calls = [
        generator
        for callback in viewer.mouse_drag_callbacks
        if (generator := callback(viewer, event)) is not None
    ]
    for step in ("start", "mouse_move", "mouse_release"):
        event.type = step if step != "start" else "mouse_press"
        if step == "mouse_move":
            event.pos = event.pos + moved_px
        for call in calls:
            next(call, None)


def test_a_click_on_a_cell_selects_its_row(measured, viewer):
    viewer.dims.set_point(0, 120.0)
    click(viewer, world_of(1, 2))

    row = measured.field.table.iloc[measured.selection.row]
    assert row["frame"] == 2
    assert row["centroid_x_px"] == pytest.approx(CENTRES[1][1], abs=1)
    assert viewer.layers["dish cells"].selected_label == row["label"]


def test_a_click_works_whichever_layer_is_selected(measured, viewer):
    viewer.layers.selection.active = viewer.layers["dish phase"]
    click(viewer, world_of(0, measured.current_frame()))

    assert measured.selection.row is not None


def test_panning_selects_nothing(measured, viewer):
    click(viewer, world_of(0, measured.current_frame()), moved_px=30.0)

    assert measured.selection.row is None


def test_painting_selects_nothing(measured, viewer):
    viewer.layers["dish cells"].mode = "paint"
    click(viewer, world_of(0, measured.current_frame()))

    assert measured.selection.row is None


def test_a_click_beside_cells_keeps_the_selection(measured, viewer):
    measured.selection.select_row(0)
    click(viewer, (0.0, 0.0, 0.0))

    assert measured.selection.row == 0


def test_the_selection_follows_its_track_over_time(measured, viewer):
    measured.selection.select_row(0)
    track = measured.selection.track

    viewer.dims.set_point(0, 240.0)

    row = measured.field.table.iloc[measured.selection.row]
    assert row["frame"] == 4
    assert row["track_id"] == track
    assert viewer.layers["dish cells"].selected_label == row["label"]


def test_a_track_that_is_absent_waits_for_its_frame(measured, viewer, mailbox):
    cells = viewer.layers["dish cells"]
    gone = np.nonzero(np.asarray(cells.data[3]) == 1)
    cells.data_setitem((np.full_like(gone[0], 3), *gone), 0)
    measured.run(StepName.MEASURE)
    mailbox.follow(measured)
    measured.selection.select_cell(2, 1)

    viewer.dims.set_point(0, 180.0)
    assert measured.selection.row is None
    viewer.dims.set_point(0, 240.0)
    assert measured.selection.key == (4, 1)


def test_measuring_again_keeps_the_selected_cell(measured, mailbox):
    measured.selection.select_cell(3, 2)
    measured.run(StepName.MEASURE)
    mailbox.follow(measured)

    assert measured.selection.key == (3, 2)


def test_looking_at_another_layer_keeps_the_selected_cell(measured, viewer):
    measured.selection.select_cell(3, 2)
    track = measured.selection.track
    viewer.add_points([[0, 0]])
    assert measured.selection.table is None

    viewer.layers.selection.active = viewer.layers["dish cells"]

    assert measured.selection.key == (3, 2)
    assert measured.selection.track == track


def test_a_cell_outside_of_the_view_is_brought_into_it(measured, viewer):
    camera = viewer.scene.camera
    camera.zoom, camera.center = 400.0, (0.0, 2.0, 2.0)

    measured.selection.select_row(1)

    row = measured.field.table.iloc[1]
    expected = row[["centroid_y_um", "centroid_x_um"]].to_numpy(float)
    np.testing.assert_allclose(camera.center[-2:], expected, atol=0.01)


def test_a_cell_in_view_does_not_move_it(measured, viewer):
    camera = viewer.scene.camera
    camera.zoom, camera.center = 5.0, (0.0, 12.0, 16.0)

    measured.selection.select_row(1)

    assert camera.center == (0.0, 12.0, 16.0)


def test_closing_lets_go_of_the_viewer(measured, viewer):
    measured.close()

    assert measured.selection._on_mouse not in viewer.mouse_drag_callbacks
    viewer.dims.set_point(0, 60.0)


def test_rows_are_found_by_label_and_by_track():
    table = pd.DataFrame(
        {"frame": [1, 0, 0, 1], "label": [1, 1, 2, 7], "track_id": [5, 5, 3, 3]}
    )
    index = CellIndex(table)

    assert index.row(0, 2) == 2
    assert index.row(2, 2) is None
    assert index.row_of_track(3, 1) == 3
    assert index.rows_of_track(5).tolist() == [1, 0]
    assert index.rows_of_frame(1).tolist() == [0, 3]
    assert CellIndex(table.drop(columns="track_id")).row_of_track(5, 0) is None
