"""What the plots show, on two cells that grow by 10 % a minute."""

import numpy as np
import pytest
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.viewer.plot_data import CellPlots, PlotKind

N_FRAMES = 6
PER_PX = (0.02, 0.1)


@pytest.fixture
def plots(workflow, viewer, mailbox):
    show_recording(viewer, make_recording(N_FRAMES))
    workflow.run_all()
    mailbox.follow(workflow)
    made = CellPlots(workflow)
    made.choose(PlotKind.TIME)
    yield made
    made.close()


def test_mass_over_time_comes_first_in_fitting_units(plots):
    assert plots.column == "dry_mass_pg"
    assert plots.titles() == ("Time (min)", "Dry mass (pg)")
    curves = plots.curves()
    assert [curve.track for curve in curves] == [1, 2]
    np.testing.assert_allclose(curves[0].x, np.arange(N_FRAMES))
    assert (np.diff(curves[0].y) > 0).all()
    assert (curves[0].error > 0).all()


def test_the_selected_cell_is_a_curve_and_a_point(plots, workflow, viewer):
    assert plots.selected_curve() is None
    workflow.selection.select_cell(2, 1)

    table = workflow.field.table
    row = table.iloc[workflow.selection.row]
    assert plots.selected_curve().track == row["track_id"]
    assert plots.here() == pytest.approx((2.0, row["dry_mass_pg"]))
    assert plots.now() == pytest.approx(2.0)
    assert len(plots.selected_points().rows) == N_FRAMES


def test_a_click_near_a_point_selects_its_cell_and_frame(plots, workflow, viewer):
    row = workflow.field.table.iloc[7]
    near = (row["time_s"] / 60 + 0.1, row["dry_mass_pg"] + 0.2)

    assert plots.click(*near, PER_PX)
    assert workflow.selection.row == 7
    assert workflow.current_frame() == row["frame"]


def test_a_click_far_from_all_points_selects_nothing(plots, workflow):
    assert not plots.click(100.0, 1e6, PER_PX)
    assert workflow.selection.row is None


def test_a_histogram_counts_every_cell_once(plots, workflow):
    plots.choose(PlotKind.HISTOGRAM)
    edges, heights = plots.bars()

    assert heights.sum() == 2 * N_FRAMES
    mass = workflow.field.table["dry_mass_pg"]
    assert edges[0] == pytest.approx(mass.min())
    assert plots.titles() == ("Dry mass (pg)", "Number of cells")
    plots.choose(is_this_frame=True)
    assert plots.bars()[1].sum() == 2


def test_a_click_on_a_bar_selects_the_closest_value(plots, workflow):
    plots.choose(PlotKind.HISTOGRAM)
    heaviest = int(workflow.field.table["dry_mass_pg"].to_numpy().argmax())
    value = workflow.field.table["dry_mass_pg"].iloc[heaviest]

    assert plots.click(value, 5.0, PER_PX)
    assert workflow.selection.row == heaviest


def test_scatter_sets_one_column_against_another(plots, workflow):
    plots.choose(PlotKind.SCATTER, against="opd_mean_nm")
    points = plots.points()

    table = workflow.field.table
    np.testing.assert_array_equal(points.x, table["opd_mean_nm"])
    np.testing.assert_array_equal(points.y, table["dry_mass_pg"])
    assert plots.titles()[0] == "Mean OPD (nm)"


def test_unknown_values_are_left_out(plots, workflow):
    plots.choose(PlotKind.TIME, column="speed_um_min")

    # No speed in the first frame of each of the two tracks.
    assert len(plots.points().rows) == 2 * (N_FRAMES - 1)


def test_what_is_shown_can_be_written(plots):
    plots.choose(PlotKind.SCATTER, against="area_um2")

    shown = plots.shown()
    assert list(shown.columns) == [
        "frame",
        "label",
        "track_id",
        "time_s",
        "dry_mass_pg",
        "dry_mass_sd_pg",
        "area_um2",
    ]
    assert len(shown) == 2 * N_FRAMES
    assert plots.record() == {
        "plot": "scatter",
        "column": "dry_mass_pg",
        "against": "area_um2",
    }


def test_a_table_that_goes_leaves_an_empty_plot(plots, workflow):
    workflow.set_instrument(pixel_size_um=0.7)

    assert plots.columns() == []
    assert len(plots.points().rows) == 0
    assert plots.curves() == []


def test_without_times_the_axis_counts_frames(workflow, viewer, mailbox):
    show_recording(viewer, make_recording(3, frame_interval_s=None))
    workflow.run_all()
    mailbox.follow(workflow)
    plots = CellPlots(workflow)
    plots.choose(PlotKind.TIME)

    assert plots.titles()[0] == "Frame"
    assert plots.points().x.max() == 2
    assert plots.now() == workflow.current_frame()
    plots.close()
