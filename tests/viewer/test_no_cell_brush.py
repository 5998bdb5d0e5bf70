"""Painting where there is no cell, beside the cells."""

import numpy as np
import pytest
from tests.viewer.conftest import paint
from tests.viewer.test_cell_selection import N_FRAMES
from tests.viewer.test_label_tools import cells_of
from tests.viewer.test_label_tools import segmented as segmented
from tests.viewer.test_label_tools import tools as tools

from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.label_tools import Tool
from napari_qpm.viewer.no_cell_brush import NoCellBrush
from napari_qpm.viewer.settings import StepName

CORNER = (slice(0, 4), slice(0, 4))


@pytest.fixture
def brush(segmented, tools):
    made = NoCellBrush(segmented, tools)
    yield made
    made.close()


def layer_of(workflow):
    return workflow.field.layer(Role.NO_CELLS)


def test_the_brush_paints_a_layer_of_its_own(brush, segmented, viewer):
    before = np.array(cells_of(segmented).data)
    brush.toggle()

    layer = layer_of(segmented)
    assert viewer.layers.selection.active is layer
    assert str(layer.mode) == "paint"
    assert (layer.name, brush.is_chosen) == ("dish no cells", True)
    assert np.allclose(layer.scale, cells_of(segmented).scale)
    paint(layer, 0, *CORNER, layer.selected_label)
    assert np.array_equal(cells_of(segmented).data, before)
    assert not segmented.field.is_corrected


def test_the_second_press_goes_back_to_the_cells(brush, segmented, viewer):
    brush.toggle()
    brush.toggle()

    assert viewer.layers.selection.active is cells_of(segmented)
    assert not brush.is_chosen
    brush.toggle()
    assert sum(layer.name.endswith("no cells") for layer in viewer.layers) == 1


def test_a_tool_for_cells_is_put_away(brush, tools):
    tools.choose(Tool.MERGE)

    brush.toggle()
    assert tools.tool is None

    tools.choose(Tool.SPLIT)
    assert not brush.is_chosen


def test_what_is_painted_changes_no_measurement(brush, segmented, mailbox):
    segmented.run(StepName.MEASURE)
    mailbox.follow(segmented)
    before = segmented.field.table

    brush.toggle()
    for t in range(N_FRAMES):
        paint(layer_of(segmented), t, slice(0, 48), slice(0, 64), 1)

    assert segmented.field.table is before
    segmented.run(StepName.MEASURE)
    mailbox.follow(segmented)
    assert segmented.field.table is not before
    assert segmented.field.table.equals(before)


def test_cells_that_are_segmented_again_keep_it(brush, segmented, mailbox):
    brush.toggle()
    paint(layer_of(segmented), 0, *CORNER, 1)
    segmented.run(StepName.SEGMENT)
    mailbox.follow(segmented)

    assert layer_of(segmented).data[0][CORNER].all()


def test_it_is_made_anew_for_cells_of_another_shape(brush, segmented, viewer):
    from napari_qpm.viewer.results import show_no_cells

    brush.toggle()
    first = layer_of(segmented)
    show_no_cells(viewer, segmented.field, (6, 8, 8))

    assert layer_of(segmented).data.shape == (6, 8, 8)
    assert first.name == "dish no cells (earlier)"
    assert first in viewer.layers
