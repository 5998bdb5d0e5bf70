"""Cells corrected by clicks, in a viewer without Qt."""

import numpy as np
import pytest
import zarr
from tests.viewer.conftest import CENTRES, make_recording, show_recording
from tests.viewer.test_cell_selection import N_FRAMES, Press, world_of

from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.label_tools import LabelTools, Tool
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.shortcuts import SHORTCUTS, Act

GAP_PX = 30.0


@pytest.fixture
def segmented(workflow, viewer, mailbox):
    """A workflow whose two cells were segmented in six frames."""
    show_recording(viewer, make_recording(N_FRAMES))
    for step in (StepName.RETRIEVE, StepName.SEGMENT):
        workflow.run(step)
        mailbox.follow(workflow)
    return workflow


@pytest.fixture
def tools(segmented):
    made = LabelTools(segmented)
    yield made
    made.close()


def cells_of(workflow):
    return workflow.field.layer(Role.CELLS)


def label_at(workflow, cell, t):
    y, x = CENTRES[cell]
    return int(np.asarray(cells_of(workflow).data[t])[y, x])


def press(viewer, start, end=None, moved_px=0.0, modifiers=()):
    """Press the mouse at one place of the world and release it at another."""
    event = Press(start)
    event.modifiers = modifiers
    calls = [
        generator
        for callback in viewer.mouse_drag_callbacks
        if (generator := callback(viewer, event)) is not None
    ]
    for step in ("mouse_press", "mouse_move", "mouse_release"):
        event.type = step
        if step == "mouse_move":
            event.pos = event.pos + moved_px
            event.position = start if end is None else end
        for call in calls:
            next(call, None)


def go_to(viewer, t):
    viewer.dims.set_point(0, 60.0 * t)


def test_merging_gives_the_second_cell_the_label_of_the_first(tools, segmented, viewer):
    go_to(viewer, 2)
    first, second = label_at(segmented, 0, 2), label_at(segmented, 1, 2)
    tools.choose(Tool.MERGE)

    press(viewer, world_of(0, 2))
    assert f"belong to cell {first}" in tools.hint
    press(viewer, world_of(1, 2))

    assert label_at(segmented, 1, 2) == first
    assert label_at(segmented, 1, 1) != first
    cells_of(segmented).undo()
    assert label_at(segmented, 1, 2) == second


def test_a_click_beside_the_cells_starts_a_new_merge(tools, segmented, viewer):
    go_to(viewer, 0)
    tools.choose(Tool.MERGE)
    press(viewer, world_of(0, 0))
    press(viewer, (0.0, 0.0, 0.0))
    before = cells_of(segmented).data.copy()

    press(viewer, world_of(1, 0))

    assert np.array_equal(cells_of(segmented).data, before)


def test_splitting_gives_one_half_an_unused_label(tools, segmented, viewer):
    go_to(viewer, 1)
    before = np.array(cells_of(segmented).data)
    label = label_at(segmented, 0, 1)
    tools.choose(Tool.SPLIT)

    press(viewer, world_of(0, 1))

    after = cells_of(segmented).data
    assert set(np.unique(after)) - set(np.unique(before)) == {before.max() + 1}
    assert ((before == label) == np.isin(after, (label, before.max() + 1)))[1].all()
    assert np.array_equal(after[0], before[0])
    cells_of(segmented).undo()
    assert np.array_equal(cells_of(segmented).data, before)


def test_a_dragged_line_cuts_along_itself(tools, segmented, viewer):
    go_to(viewer, 0)
    tools.choose(Tool.SPLIT)
    assert not cells_of(segmented).mouse_pan
    frame, y, x = world_of(0, 0)

    press(viewer, (frame, y - 8, x), (frame, y + 8, x), moved_px=GAP_PX)

    row = np.asarray(cells_of(segmented).data[0])[CENTRES[0][0]]
    left, right = row[CENTRES[0][1] - 2], row[CENTRES[0][1] + 2]
    assert left > 0
    assert right > 0
    assert left != right


def test_deleting_a_cell_leaves_the_other_frames(tools, segmented, viewer):
    go_to(viewer, 3)
    tools.choose(Tool.DELETE)

    press(viewer, world_of(1, 3))

    assert label_at(segmented, 1, 3) == 0
    assert label_at(segmented, 1, 2) > 0
    cells_of(segmented).undo()
    assert label_at(segmented, 1, 3) > 0


def test_a_followed_cell_is_deleted_in_all_frames_at_once(
    tools, segmented, viewer, mailbox
):
    segmented.run(StepName.MEASURE)
    mailbox.follow(segmented)
    tools.choose(Tool.DELETE)
    go_to(viewer, 3)

    press(viewer, world_of(1, 3), modifiers=("Shift",))
    mailbox.follow(segmented)

    assert [label_at(segmented, 1, t) for t in range(N_FRAMES)] == [0] * N_FRAMES
    assert all(label_at(segmented, 0, t) > 0 for t in range(N_FRAMES))
    cells_of(segmented).undo()
    assert all(label_at(segmented, 1, t) > 0 for t in range(N_FRAMES))


def test_a_cell_that_was_not_followed_is_not_deleted_elsewhere(
    tools, segmented, viewer
):
    problems = []
    segmented.failed.connect(problems.append)
    before = np.array(cells_of(segmented).data)
    tools.choose(Tool.DELETE)
    go_to(viewer, 0)

    press(viewer, world_of(0, 0), modifiers=("Shift",))

    assert "Measure the cells of all frames first" in problems[0]
    assert np.array_equal(cells_of(segmented).data, before)


def test_a_new_cell_takes_an_unused_label_and_the_brush(tools, segmented):
    cells = cells_of(segmented)
    highest = int(np.max(cells.data))

    tools.new_cell()

    assert cells.selected_label == highest + 1
    assert str(cells.mode) == "paint"
    assert segmented.viewer.layers.selection.active is cells


def test_labels_that_were_painted_elsewhere_count_as_used(tools, segmented):
    cells = cells_of(segmented)
    cells.data_setitem((np.array([5]), np.array([0]), np.array([0])), 70)

    tools.new_cell()

    assert cells.selected_label == 71


def test_an_edit_marks_the_cells_as_corrected_and_the_table_as_outdated(
    tools, segmented, viewer, mailbox
):
    segmented.run(StepName.MEASURE)
    mailbox.follow(segmented)
    told = []
    segmented.changed.connect(lambda: told.append(segmented.is_done(StepName.MEASURE)))
    tools.choose(Tool.DELETE)
    told.clear()

    press(viewer, world_of(0, segmented.current_frame()))

    assert segmented.field.is_corrected
    assert segmented.field.table is None
    assert told[-1] is False


def test_segmenting_again_keeps_the_edited_cells(tools, segmented, viewer, mailbox):
    old = cells_of(segmented)
    tools.choose(Tool.DELETE)
    press(viewer, world_of(0, segmented.current_frame()))
    edited = np.array(old.data)

    segmented.run(StepName.SEGMENT)
    mailbox.follow(segmented)

    assert "(corrected)" in old.name
    assert np.array_equal(old.data, edited)


def test_panning_edits_nothing(tools, segmented, viewer):
    before = np.array(cells_of(segmented).data)
    tools.choose(Tool.DELETE)

    press(viewer, world_of(0, segmented.current_frame()), moved_px=GAP_PX)

    assert np.array_equal(cells_of(segmented).data, before)
    assert cells_of(segmented).mouse_pan


def test_tools_of_napari_put_ours_away(tools, segmented):
    tools.choose(Tool.SPLIT)

    cells_of(segmented).mode = "erase"

    assert tools.tool is None


def test_another_layer_puts_the_tool_away(tools, segmented, viewer):
    tools.choose(Tool.SPLIT)

    viewer.layers.selection.active = segmented.field.layer(Role.PHASE)

    assert tools.tool is None
    assert cells_of(segmented).mouse_pan


def test_keys_choose_tools_and_escape_puts_them_away(tools, segmented):
    cells = cells_of(segmented)
    keys = {str(key): action for key, action in cells.keymap.items()}

    # napari asks for the name of every key at each stroke.
    assert all(action.__name__ for action in keys.values())
    keys[SHORTCUTS[Act.SPLIT].shown](cells)
    assert tools.tool is Tool.SPLIT
    {str(key): call for key, call in cells.keymap.items()}["Escape"](cells)

    assert tools.tool is None


def test_a_deleted_layer_ends_the_tool(tools, segmented, viewer):
    tools.choose(Tool.DELETE)

    viewer.layers.remove(cells_of(segmented))

    assert tools.tool is None
    assert "Segment" in tools.obstacle()


def test_closed_tools_leave_nothing_behind(segmented, viewer):
    cells = cells_of(segmented)
    calls, keys = len(viewer.mouse_drag_callbacks), dict(cells.keymap)
    strokes = len(cells.events.paint.callbacks)
    made = LabelTools(segmented)
    made.choose(Tool.SPLIT)

    made.close()

    assert len(viewer.mouse_drag_callbacks) == calls
    assert cells.keymap == keys
    assert len(cells.events.paint.callbacks) == strokes


@pytest.mark.parametrize("kind", ["zarr", "flat"])
def test_cells_in_zarr_and_single_images_are_edited_alike(
    kind, tools, segmented, viewer, tmp_path
):
    field, old = segmented.field, cells_of(segmented)
    made = np.array(old.data)
    highest = int(made[0].max())
    if kind == "zarr":
        data = zarr.create_array(
            tmp_path / "cells.zarr",
            shape=made.shape,
            chunks=(1, *made.shape[1:]),
            dtype=made.dtype,
        )
        data[:] = made
        layer = viewer.add_labels(data, scale=old.scale, units=old.units)
    else:
        layer = viewer.add_labels(made[0], scale=old.scale[1:], units=old.units[1:])
    viewer.layers.remove(old)
    field.attach(Role.CELLS, layer)
    viewer.layers.selection.active = field.layer(Role.PHASE)
    go_to(viewer, 0)
    y, x = CENTRES[0]

    def value():
        return int(np.asarray(layer.data)[..., y, x].ravel()[0])

    before = value()
    tools.choose(Tool.DELETE)
    press(viewer, world_of(0, 0))
    assert value() == 0
    layer.undo()
    assert value() == before
    tools.choose(Tool.SPLIT)
    press(viewer, world_of(0, 0))

    assert np.asarray(layer.data).max() > highest
