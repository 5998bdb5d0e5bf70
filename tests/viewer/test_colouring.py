"""Colours of the cells follow cells, columns and frames."""

import numpy as np
import pytest
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.viewer.results import bright_colors


@pytest.fixture
def measured(workflow, viewer, mailbox):
    show_recording(viewer, make_recording(6))
    workflow.run_all()
    mailbox.follow(workflow)
    return workflow


def color_of(viewer, label):
    layer = viewer.layers["dish cells"]
    return layer.colormap.map(np.array([label]))[0]


def test_a_cell_keeps_its_colour_over_time(measured, viewer):
    table = measured.field.table
    tracks = viewer.layers["dish tracks"]
    for frame in (0, 3, 5):
        viewer.dims.set_point(0, 60.0 * frame)
        for _, row in table[table["frame"] == frame].iterrows():
            expected = bright_colors().map(np.array([row["track_id"]]))[0]
            np.testing.assert_allclose(color_of(viewer, row["label"]), expected)
            own = tracks.track_colors[tracks.data[:, 0] == row["track_id"]]
            np.testing.assert_allclose(own, np.tile(expected, (len(own), 1)))


def test_a_column_colours_from_low_to_high(measured, viewer):
    colouring = measured.colouring
    colouring.choose("dry_mass_pg")
    low, high = colouring.limits
    mass = measured.field.table["dry_mass_pg"]
    assert low == pytest.approx(np.percentile(mass, 1))
    assert high == pytest.approx(np.percentile(mass, 99))

    viewer.dims.set_point(0, 0.0)
    first = color_of(viewer, 1)
    viewer.dims.set_point(0, 300.0)
    last = color_of(viewer, 1)

    ends = colouring.gradient(2)
    # The cells gain 60 % of their mass, so they go from the one end to the other.
    np.testing.assert_allclose(first, ends[0], atol=0.05)
    np.testing.assert_allclose(last, ends[1], atol=0.05)


def test_the_range_can_be_set(measured, viewer):
    colouring = measured.colouring
    colouring.choose("dry_mass_pg")
    colouring.set_limits(1e6, 2e6)

    np.testing.assert_allclose(color_of(viewer, 1), colouring.gradient(2)[0], atol=1e-6)


def test_another_colormap_recolours(measured, viewer):
    colouring = measured.colouring
    colouring.choose("dry_mass_pg")
    before = color_of(viewer, 2)
    colouring.set_colormap("magma")

    assert not np.allclose(before, color_of(viewer, 2), atol=0.02)


def test_values_that_are_not_known_are_grey(measured, viewer):
    measured.colouring.choose("speed_um_min")
    viewer.dims.set_point(0, 0.0)

    np.testing.assert_allclose(color_of(viewer, 1), [0.5, 0.5, 0.5, 1])


def test_the_selected_cell_is_white(measured, viewer):
    measured.selection.select_cell(0, 2)
    np.testing.assert_allclose(color_of(viewer, 2), [1, 1, 1, 1])
    measured.selection.select_cell(0, 1)

    assert not np.allclose(color_of(viewer, 2), [1, 1, 1, 1])


def test_colours_go_back_to_labels_when_the_table_is_gone(measured, viewer):
    measured.colouring.choose("dry_mass_pg")
    measured.set_instrument(pixel_size_um=0.6)

    np.testing.assert_allclose(
        color_of(viewer, 5), bright_colors().map(np.array([5]))[0]
    )


def test_moving_the_slider_maps_no_pixel_again(measured, viewer, monkeypatch):
    measured.colouring.choose("dry_mass_pg")
    layer = viewer.layers["dish cells"]
    viewer.dims.set_point(0, 60.0)
    refreshed = []
    layer.events.set_data.connect(lambda: refreshed.append(1))

    viewer.dims.set_point(0, 120.0)

    # Once for the new frame itself.
    assert len(refreshed) == 1


def test_choices_are_columns_of_numbers(measured):
    names = [name for name, _ in measured.colouring.choices()]

    assert names[:2] == ["", "dry_mass_pg"]
    assert "growth_pg_h" in names
    assert "phase_engine" not in names
