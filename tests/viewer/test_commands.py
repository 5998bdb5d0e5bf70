"""Commands as the palette runs them: by identifier, on the viewer in front."""

import pytest
from napari._app_model import get_app_model
from qtpy.QtWidgets import QApplication, QFileDialog
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.viewer import commands
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.label_tools import Tool
from napari_qpm.viewer.settings import StepName

pytestmark = pytest.mark.gui

WAIT_MS = 30_000


@pytest.fixture
def told(monkeypatch):
    """Collect what napari would show as information."""
    shown = []
    monkeypatch.setattr("napari.utils.notifications.show_info", shown.append)
    return shown


@pytest.fixture
def viewer(make_napari_viewer, plugins):
    return make_napari_viewer()


def execute(name):
    get_app_model().commands.execute_command(f"napari-qpm.{name}").result()


def dock_in(viewer):
    return viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")[1]


def wait_for_job(qtbot, dock):
    qtbot.waitUntil(lambda: dock.workflow.job is None, timeout=WAIT_MS)


def test_steps_run_from_the_palette(viewer, qtbot, told):
    show_recording(viewer, make_recording())
    for name in ("retrieve_phase", "segment_cells", "measure_cells"):
        execute(name)
        wait_for_job(qtbot, dock_in(viewer))

    dock = dock_in(viewer)
    assert len(viewer.window.dock_widgets) == 1
    assert dock.workflow.field.table is not None
    assert told == []
    execute("merge_cells")
    assert dock.label_tools.tool is Tool.MERGE
    execute("split_cells")
    assert dock.label_tools.tool is Tool.SPLIT
    execute("delete_cells")
    assert dock.label_tools.tool is Tool.DELETE
    execute("new_cell")
    assert dock.workflow.field.layer("cells").mode == "paint"
    execute("copy_script")
    assert "run_pipeline" in QApplication.clipboard().text()
    before = dock.preview.is_following
    execute("follow_slider")
    assert dock.preview.is_following is not before
    execute("open_plots")
    assert dock.plots_panel is not None


def test_a_dock_from_the_plugins_menu_is_used_and_no_second_one_opened(viewer, told):
    # napari's menu names docks by the plugin's title, its function by the package.
    title = "QPM (Quantitative phase microscopy)"
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock, name=title).hide()
    was_following = dock.preview.is_following

    execute("follow_slider")

    assert list(viewer.window.dock_widgets) == [title]
    assert not dock.parent().isHidden()
    assert dock.preview.is_following is not was_following


def test_all_steps_run_and_can_be_cancelled(viewer, qtbot, told):
    show_recording(viewer, make_recording())

    execute("run_all_steps")
    execute("cancel_job")

    dock = dock_in(viewer)
    wait_for_job(qtbot, dock)
    assert dock.workflow.field.table is None
    assert told == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("retrieve_phase", "Select a recording"),
        ("segment_cells", "Select a recording"),
        ("measure_cells", "Select a recording"),
        ("run_all_steps", "Select a recording"),
        ("cancel_job", "Nothing is running"),
        ("adapt_network", "learned method"),
        ("compare_phases", "Retrieve the phase first"),
        ("new_cell", "Segment the cells first"),
        ("merge_cells", "Segment the cells first"),
        ("split_cells", "Segment the cells first"),
        ("delete_cells", "Segment the cells first"),
        ("export_table", "Measure the cells first"),
        ("copy_script", "Measure the cells first"),
        ("run_on_others", "Measure the cells first"),
        ("copy_report", "Nothing has failed"),
    ],
)
def test_a_command_that_cannot_run_says_what_to_do(viewer, told, name, words):
    commands_by_hand = getattr(commands, name)

    commands_by_hand(viewer)

    assert [words in one for one in told] == [True]


def test_files_are_asked_for(viewer, monkeypatch, tmp_path, qtbot):
    asked = []

    def answer(parent, title, *_):
        asked.append(title)
        return [], ""

    monkeypatch.setattr(QFileDialog, "getOpenFileNames", answer)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a.csv"), "")
    )
    execute("open_recording")
    show_recording(viewer, make_recording())
    dock = dock_in(viewer)
    dock.run_all_steps()
    wait_for_job(qtbot, dock)
    execute("export_table")
    wait_for_job(qtbot, dock)

    assert asked == ["Open recordings"]
    assert (tmp_path / "a.csv").exists()


def test_a_report_is_copied(viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_qpm.viewer.dock.show_error", lambda message: None)
    show_recording(viewer, make_recording())
    dock = dock_in(viewer)
    assert dock.job.copy.isHidden()
    dock.workflow.fail(RuntimeError("device lost"), "Retrieve phase")
    dock._refresh()
    assert not dock.job.copy.isHidden()

    execute("copy_report")

    assert "device lost" in QApplication.clipboard().text()


@pytest.mark.parametrize("command", ["adapt_network", "teach_network"])
def test_trainings_open_in_a_dock_of_their_own(
    viewer, qtbot, told, tiny_models, command, monkeypatch
):
    from napari_qpm.specimens.samples import simulate

    recording = simulate("off-axis", n_frames=1, shape=(96, 96)).acquisition
    show_recording(viewer, recording)
    dock = dock_in(viewer)
    settings = dock.workflow.settings
    settings.choose(StepName.RETRIEVE, dock.workflow.modality, "nas-prnet")
    dock.workflow.changed.emit()
    opened = []
    monkeypatch.setattr(dock, "open_training", opened.append)

    execute(command)

    assert opened == [{"adapt": "microscope", "teach": "cells"}[command[:5]]]
    assert told == []


def test_frames_are_annotated_from_the_palette(viewer, qtbot, told, monkeypatch):
    show_recording(viewer, make_recording())
    execute("mark_frame")
    execute("suggest_frame")
    execute("export_cells")
    assert told == [
        "Segment the cells first.",
        "Retrieve the phase first.",
        "Segment or import cells first.",
    ]
    for name in ("retrieve_phase", "segment_cells"):
        execute(name)
        wait_for_job(qtbot, dock_in(viewer))
    dock = dock_in(viewer)
    execute("mark_frame")
    assert len(dock.done_frames.frames) == 1
    execute("suggest_frame")
    wait_for_job(qtbot, dock)
    assert not dock.done_frames.is_shown_done
    execute("paint_no_cell")
    assert dock.no_cell_brush.is_chosen
    execute("mark_all_frames")
    assert dock.done_frames.frames == {0, 1, 2}

    asked = []
    for name in ("getOpenFileName", "getSaveFileName"):
        monkeypatch.setattr(
            QFileDialog, name, lambda *given, **_: (asked.append(given[1]), "")[1:] * 2
        )
    execute("import_cells")
    execute("export_cells")
    assert asked == ["Import cells", "Export cells"]
