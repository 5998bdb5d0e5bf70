"""What the user said of each frame: drawn, done, and where there is no cell."""

import numpy as np
import pytest
from tests.viewer.conftest import CENTRES, paint
from tests.viewer.test_label_tools import cells_of, label_at
from tests.viewer.test_label_tools import segmented as segmented

from napari_qpm.viewer.annotations import annotations_of
from napari_qpm.viewer.results import show_no_cells

DRAWN = (slice(2, 6), slice(50, 56))
NEW = 9


@pytest.fixture
def annotated(segmented, viewer):
    """Frame 1 has a drawn cell, 2 is done, 3 says of a place that it is no cell."""
    cells = cells_of(segmented)
    paint(cells, 1, *DRAWN, NEW)
    segmented.field.annotate([2])
    layer = show_no_cells(viewer, segmented.field, cells.data.shape)
    y, x = CENTRES[0]
    paint(layer, 3, slice(0, y), slice(0, x), 1)
    return segmented


def test_only_frames_that_the_user_judged_are_listed(annotated, viewer):
    found = list(annotations_of(viewer, annotated.field))

    assert [(one.t, one.is_done) for one in found] == [
        (1, False),
        (2, True),
        (3, False),
    ]


def test_cells_of_an_engine_count_in_done_frames_only(annotated, viewer):
    drawn, done, marked = annotations_of(viewer, annotated.field)

    assert set(np.unique(drawn.labels)) == {0, NEW}
    assert np.array_equal(done.labels, cells_of(annotated).data[2])
    assert done.labels.max() > 0
    assert not marked.labels.any()


def test_a_corrected_cell_stays_a_cell_where_no_cell_was_painted(annotated, viewer):
    label, cells = label_at(annotated, 0, 3), cells_of(annotated)
    paint(cells, 3, slice(0, 1), slice(0, 1), label)

    marked = annotations_of(viewer, annotated.field).frame(3)

    assert set(np.unique(marked.labels)) == {0, label}
    assert marked.no_cell[1, 0]
    assert not marked.no_cell[marked.labels > 0].any()


def test_there_are_none_without_cells(workflow, viewer, recording):
    from napari_qpm.viewer.fields import FieldOfView

    assert annotations_of(viewer, FieldOfView(recording)) is None
