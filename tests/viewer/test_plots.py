"""The dock of plots in a real window: what is drawn, clicked and saved."""

import json

import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QApplication, QPushButton
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.viewer.drawings import Tool
from napari_qpm.viewer.plot_data import PlotKind

pytestmark = pytest.mark.gui

WAIT_MS = 60_000
N_FRAMES = 5


@pytest.fixture
def opened(make_napari_viewer_proxy, plugins, qtbot):
    """A viewer with measured cells, and the plots as a user opens them."""
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording(N_FRAMES))
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    dock.run_all.click()
    qtbot.waitUntil(lambda: dock.workflow.job is None, timeout=WAIT_MS)
    dock.findChild(QPushButton, "plots_button").click()
    return viewer, dock, dock.plots_panel


def test_plots_open_once_with_a_curve_for_each_track(opened):
    viewer, dock, panel = opened
    dock.plots.click()

    assert dock.plots_panel is panel
    assert "QPM plots" in viewer.window.dock_widgets
    curves = panel.cells.canvas.plot.listDataItems()
    assert len(curves) == 2
    assert len(curves[0].xData) == N_FRAMES
    assert "Dry mass (pg)" in panel.cells.column.currentText()


def test_a_click_in_the_plot_selects_cell_row_and_frame(opened):
    viewer, dock, panel = opened
    row = dock.workflow.field.table.iloc[6]

    panel.cells.canvas.clicked.emit(row["time_s"] / 60, row["dry_mass_pg"], 0.01, 0.1)

    assert dock.workflow.selection.row == 6
    assert dock.table.view.currentIndex().row() == 6
    assert dock.workflow.current_frame() == row["frame"]
    assert viewer.layers["dish cells"].selected_label == row["label"]


@pytest.mark.parametrize("kind", list(PlotKind))
def test_every_kind_draws_with_and_without_a_selection(opened, kind):
    viewer, dock, panel = opened
    panel.cells.kind.setCurrentIndex(panel.cells.kind.findData(kind.value))
    panel.cells.kind.activated.emit(0)
    dock.workflow.selection.select_row(3)
    viewer.dims.set_point(0, 60.0)
    viewer.theme = "light"

    assert panel.cells.plots.kind is kind
    assert len(panel.cells.canvas.plot.plotItem.items) > 1
    assert panel.cells.against.isHidden() is (kind is not PlotKind.SCATTER)


def test_a_saved_plot_has_picture_numbers_and_what_made_them(opened, tmp_path):
    _, dock, panel = opened
    panel.cells.save_to(tmp_path / "mass.png")

    assert (tmp_path / "mass.png").read_bytes()[:4] == b"\x89PNG"
    numbers = pd.read_csv(tmp_path / "mass.csv")
    np.testing.assert_allclose(
        numbers["dry_mass_pg"], dock.workflow.field.table["dry_mass_pg"]
    )
    made = json.loads((tmp_path / "mass.provenance.json").read_text())
    assert made["shows"] == {"plot": "time", "column": "dry_mass_pg"}
    assert made["pipeline"]["retrieve"]["engine"] == "as-is"
    assert "napari-qpm" in made["versions"]


def test_a_folder_that_is_none_is_told(opened, tmp_path, monkeypatch):
    _, _, panel = opened
    shown = []
    monkeypatch.setattr("napari_qpm.viewer.dock.show_error", shown.append)
    (tmp_path / "file").write_text("in the way")

    panel.cells.save_to(tmp_path / "file" / "mass.png")

    assert "cannot be written" in shown[0]


def test_line_and_region_are_shown_and_saved(opened, tmp_path, qtbot):
    viewer, _, panel = opened
    panel.tabs.setCurrentWidget(panel.profile)
    panel.profile.tools[Tool.LINE].click()
    layer = viewer.layers["dish drawings"]
    layer.add(np.array([[14.0, 4.0], [14.0, 28.0]]), shape_type="line")
    layer.add(
        np.array([[4.0, 6.0], [4.0, 26.0], [24.0, 26.0], [24.0, 6.0]]),
        shape_type="rectangle",
    )
    panel.profile.width.setValue(3)
    qtbot.waitUntil(panel.profile.save.isEnabled)

    assert panel.profile.canvas.plot.listDataItems()
    assert "Region 1: " in panel.profile.totals.text()
    panel.profile.save_to(tmp_path / "line.png")
    assert len(pd.read_csv(tmp_path / "line.csv")) == 25
    assert len(pd.read_csv(tmp_path / "line-regions.csv")) == 1
    made = json.loads((tmp_path / "line.provenance.json").read_text())
    assert made["shows"]["width_px"] == 3


def test_closed_plots_open_again_and_leave_no_callbacks(opened, qtbot):
    viewer, dock, panel = opened
    callbacks = len(viewer.dims.events.current_step.callbacks)

    viewer.window.remove_dock_widget(panel)
    qtbot.wait(20)

    assert dock.plots_panel is None
    # The plots of the cells and the drawings each followed the slider.
    assert len(viewer.dims.events.current_step.callbacks) == callbacks - 2
    dock.plots.click()
    assert dock.plots_panel is not panel


def test_closing_the_dock_ends_its_plots(opened, qtbot):
    viewer, dock, panel = opened

    viewer.window.remove_dock_widget(dock)
    qtbot.wait(20)

    viewer.dims.set_point(0, 60.0)
    assert not panel._is_open


def test_the_script_lands_on_the_clipboard(opened):
    _, dock, _ = opened
    dock.findChild(QPushButton, "script_button").click()

    assert "run_pipeline" in QApplication.clipboard().text()
    assert "clipboard" in dock.job.sentence.text()


def test_the_table_shows_rows_of_frame_cell_and_tracks(opened):
    _, dock, _ = opened
    box = dock.table

    def show(place):
        box.rows.setCurrentIndex(place)
        box.rows.activated.emit(place)
        return box.model.rowCount()

    assert show(1) == 2
    dock.workflow.selection.select_row(0)
    assert show(2) == N_FRAMES
    assert show(3) == 2
    box.view.clicked.emit(box.model.index(1, 0))
    assert dock.workflow.selection.track == 2
    assert show(0) == 2 * N_FRAMES


def test_colours_by_a_column_show_a_legend(opened):
    _, dock, _ = opened
    box = dock.table.colours
    assert box.legend.isHidden() or box._scale.isHidden()

    place = box.column.findText("Dry mass (pg)")
    box.column.setCurrentIndex(place)
    box.column.activated.emit(place)
    assert not box._scale.isHidden()
    assert dock.workflow.colouring.column == "dry_mass_pg"
    box.high.setValue(1000.0)

    assert dock.workflow.colouring.limits[1] == 1000.0


def test_plots_before_the_phase_say_what_to_do(make_napari_viewer_proxy, plugins):
    viewer = make_napari_viewer_proxy()
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    dock.plots.click()

    assert "Measure cells first" in dock.plots_panel.cells.hint.text()
    assert "Retrieve the phase first" in dock.plots_panel.profile.totals.text()
