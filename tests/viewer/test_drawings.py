"""Profiles and totals of what is drawn, on two cells of known shape."""

import threading

import numpy as np
import pytest
from tests.viewer.conftest import cells_phase, make_recording, show_recording

from napari_qpm.viewer.drawings import Drawings, Tool
from napari_qpm.viewer.drawn_shapes import DrawnShapes, MeasuredShapes, ProfileUnit
from napari_qpm.viewer.fields import Role, field_of
from napari_qpm.viewer.settings import StepName

PIXEL_UM = 0.5
WAVELENGTH_NM = 532.0
LINE = np.array([[14.0, 4.0], [14.0, 28.0]])
BOX = np.array([[4.0, 6.0], [4.0, 26.0], [24.0, 26.0], [24.0, 6.0]])


@pytest.fixture
def retrieved(workflow, viewer, mailbox):
    show_recording(viewer, make_recording(3))
    workflow.settings.set_values(
        StepName.RETRIEVE, workflow.modality, {"background": "none"}
    )
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    viewer.dims.set_point(0, 0.0)
    return workflow


@pytest.fixture
def drawings(retrieved):
    made = Drawings(retrieved)
    yield made
    made.close()


def draw(viewer, corners, kind):
    layer = viewer.layers["dish drawings"]
    layer.add(corners, shape_type=kind)
    return layer


def found(drawings):
    """Measure what is drawn, on this thread."""
    shapes = drawings.shapes()
    return MeasuredShapes(0) if shapes is None else shapes.measure()


def test_drawing_starts_on_a_layer_of_its_own(drawings, viewer, retrieved):
    drawings.start(Tool.LINE)

    layer = viewer.layers["dish drawings"]
    assert viewer.layers.selection.active is layer
    assert str(layer.mode) == "add_line"
    # A frame of 48 px is shown large.
    assert layer.current_edge_width < 1
    # The dock goes on showing this recording.
    assert field_of(layer) is retrieved.field
    assert retrieved.acquisition is not None
    drawings.start(Tool.POLYGON)
    assert len([one for one in viewer.layers if "drawings" in one.name]) == 1


def test_a_line_gives_the_phase_along_it(drawings, viewer):
    drawings.start(Tool.LINE)
    draw(viewer, LINE, "line")

    line = found(drawings).line
    expected = np.asarray(viewer.layers["dish phase"].data[0])[14, 4:29]
    np.testing.assert_allclose(line.mean, expected, atol=1e-5)
    assert line.x[-1] == pytest.approx(24 * PIXEL_UM)
    assert line.x_title == "Distance (µm)"
    assert line.y_title == "Phase (rad)"


def test_the_profile_can_be_wide_and_in_nanometres(drawings, viewer):
    drawings.start(Tool.LINE)
    draw(viewer, LINE, "line")
    thin = found(drawings).line
    drawings.set_options(width_px=9, unit=ProfileUnit.OPD)
    wide = found(drawings).line

    assert wide.y_title == "Optical path difference (nm)"
    factor = WAVELENGTH_NM / (2 * np.pi)
    middle = int(np.argmax(thin.mean))
    # The mean over the width of a dome is below its top.
    assert 0.5 < wide.mean[middle] / (thin.mean[middle] * factor) < 0.95
    assert wide.spread[middle] > 0


def test_the_profile_follows_the_frame(drawings, viewer):
    drawings.start(Tool.LINE)
    draw(viewer, LINE, "line")
    told = []
    drawings.changed.connect(lambda: told.append(found(drawings).line.mean.max()))
    first = found(drawings).line.mean.max()

    viewer.dims.set_point(0, 120.0)

    assert told
    assert told[-1] / first == pytest.approx(1.1**2, rel=0.03)


def test_a_region_gives_mass_with_an_error_bar(drawings, viewer):
    drawings.start(Tool.RECTANGLE)
    draw(viewer, BOX, "rectangle")

    [(number, total)] = found(drawings).regions
    y, x = np.mgrid[:48, :64]
    inside = (y >= 4) & (y <= 24) & (x >= 6) & (x <= 26)
    own = cells_phase(1)[0][inside].sum()
    pg = own * WAVELENGTH_NM / (2 * np.pi) / 1000 * PIXEL_UM**2 / 0.19
    assert number == 1
    # The corners of the drawn box may or may not count as pixels.
    assert total.dry_mass_pg == pytest.approx(pg, rel=0.03)
    assert total.dry_mass_sd_pg > 0
    [sentence] = found(drawings).sentences()
    assert sentence.startswith("Region 1: ")
    assert "pg" in sentence
    assert "µm³" in sentence


def test_totals_are_found_off_the_thread_of_the_layers(
    drawings, viewer, mailbox, monkeypatch
):
    threads = []
    measure = DrawnShapes.measure

    def watched(self, token):
        threads.append(threading.current_thread())
        return measure(self, token)

    monkeypatch.setattr(DrawnShapes, "measure", watched)
    drawings.start(Tool.RECTANGLE)
    draw(viewer, BOX, "rectangle")

    drawings.measure()
    assert drawings.is_measuring
    mailbox.run_until(lambda: not drawings.is_measuring)

    assert len(drawings.found.regions) == 1
    assert threading.main_thread() not in threads
    viewer.layers["dish drawings"].data = []
    drawings.measure()
    assert drawings.found is None


def test_an_ellipse_is_as_large_as_it_looks(drawings, viewer):
    drawings.start(Tool.SELECT)
    draw(viewer, BOX, "ellipse")

    [(_, total)] = found(drawings).regions
    assert total.n_pixels == pytest.approx(np.pi * 10 * 10, rel=0.03)


def test_lines_and_regions_are_kept_apart(drawings, viewer):
    drawings.start(Tool.LINE)
    draw(viewer, BOX, "polygon")
    draw(viewer, LINE, "line")
    draw(viewer, BOX + 0.5, "rectangle")

    assert [number for number, _ in found(drawings).regions] == [1, 2]
    assert found(drawings).line is not None
    assert len(found(drawings).region_table()) == 2
    assert len(drawings.record()["shapes"]) == 3


def test_a_region_outside_of_the_frame_is_explained(drawings, viewer):
    drawings.start(Tool.RECTANGLE)
    draw(viewer, BOX + 500, "rectangle")

    assert "no phase in this region" in found(drawings).sentences()[0]
    assert len(found(drawings).region_table()) == 0


def test_deleted_drawings_leave_nothing_behind(drawings, viewer, retrieved):
    drawings.start(Tool.LINE)
    draw(viewer, LINE, "line")
    viewer.layers.remove("dish drawings")

    assert found(drawings).line is None
    assert retrieved.field is not None or viewer.layers.selection.active is None
    viewer.layers.selection.active = viewer.layers["dish phase"]
    drawings.start(Tool.LINE)
    assert len(viewer.layers["dish drawings"].data) == 0


def test_there_is_nothing_to_draw_on_before_the_phase(workflow, viewer):
    show_recording(viewer, make_recording(2))
    made = Drawings(workflow)

    assert not made.is_ready
    made.start(Tool.LINE)
    assert workflow.field.layer(Role.DRAWINGS) is None
    made.close()
