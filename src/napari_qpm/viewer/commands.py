"""What napari's command palette and menus call; each works on the viewer in front.

A command opens the dock if it is closed, and says what to do first where it cannot run.
"""

from typing import TYPE_CHECKING

from napari_qpm.viewer.adapting import Adapting
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.label_tools import Tool
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.teaching import Teaching
from napari_qpm.viewer.workflow import Availability

if TYPE_CHECKING:
    import napari.viewer

__all__ = [
    "adapt_network",
    "cancel_job",
    "compare_phases",
    "copy_report",
    "copy_script",
    "delete_cells",
    "export_cells",
    "export_table",
    "follow_slider",
    "import_cells",
    "mark_all_frames",
    "mark_frame",
    "measure_cells",
    "merge_cells",
    "new_cell",
    "open_plots",
    "open_recording",
    "paint_no_cell",
    "retrieve_phase",
    "run_all_steps",
    "run_on_others",
    "segment_cells",
    "split_cells",
    "suggest_frame",
    "teach_network",
]

NO_JOB = "Nothing is running."
NO_TABLE = "Measure the cells first."
NO_FAILURE = "Nothing has failed since the last step began."
NO_NETWORK = "Choose a learned method under Phase first, such as NAS-PRNet."


def open_recording(viewer: "napari.viewer.Viewer") -> None:
    """Choose files and open them as recordings."""
    dock_of(viewer).choose_recordings()


def retrieve_phase(viewer: "napari.viewer.Viewer") -> None:
    """Retrieve the phase of the selected recording."""
    _run(viewer, StepName.RETRIEVE)


def segment_cells(viewer: "napari.viewer.Viewer") -> None:
    """Segment the cells of the selected recording."""
    _run(viewer, StepName.SEGMENT)


def measure_cells(viewer: "napari.viewer.Viewer") -> None:
    """Measure the cells of the selected recording."""
    _run(viewer, StepName.MEASURE)


def run_all_steps(viewer: "napari.viewer.Viewer") -> None:
    """Retrieve, segment and measure, one after the other."""
    dock = dock_of(viewer)
    if _is_ready(dock.workflow.availability(StepName.RETRIEVE)):
        dock.run_all_steps()


def cancel_job(viewer: "napari.viewer.Viewer") -> None:
    """Stop what is running."""
    workflow = dock_of(viewer).workflow
    if _is_ready(Availability(workflow.job is not None, NO_JOB)):
        workflow.cancel()


def follow_slider(viewer: "napari.viewer.Viewer") -> None:
    """Let phase and cells follow the slider, or stop that."""
    dock_of(viewer).toggle_following()


def adapt_network(viewer: "napari.viewer.Viewer") -> None:
    """Open the form that adapts a network to the user's microscope."""
    dock = dock_of(viewer)
    if _is_ready(Availability(dock.learned.is_offered, NO_NETWORK)):
        dock.open_training(Adapting.kind)


def teach_network(viewer: "napari.viewer.Viewer") -> None:
    """Open the form that teaches a network the user's cells."""
    dock_of(viewer).open_training(Teaching.kind)


def compare_phases(viewer: "napari.viewer.Viewer") -> None:
    """Show the classical phase beside the learned one."""
    learned = dock_of(viewer).learned
    if _is_ready(learned.comparing()):
        learned.compare.click()


def new_cell(viewer: "napari.viewer.Viewer") -> None:
    """Take a free label and the brush."""
    tools = dock_of(viewer).label_tools
    if _is_ready(_without(tools.obstacle())):
        tools.new_cell()


def merge_cells(viewer: "napari.viewer.Viewer") -> None:
    """Let clicks merge cells."""
    _choose(viewer, Tool.MERGE)


def split_cells(viewer: "napari.viewer.Viewer") -> None:
    """Let a click or a drawn line split a cell."""
    _choose(viewer, Tool.SPLIT)


def delete_cells(viewer: "napari.viewer.Viewer") -> None:
    """Let clicks delete cells."""
    _choose(viewer, Tool.DELETE)


def paint_no_cell(viewer: "napari.viewer.Viewer") -> None:
    """Paint where there is no cell, or stop."""
    brush = dock_of(viewer).no_cell_brush
    if _is_ready(_without(brush.obstacle())):
        brush.toggle()


def mark_frame(viewer: "napari.viewer.Viewer") -> None:
    """Mark the shown frame as done, or as not done."""
    done = dock_of(viewer).done_frames
    if _is_ready(_without(done.obstacle())):
        done.toggle()


def mark_all_frames(viewer: "napari.viewer.Viewer") -> None:
    """Mark all frames as done, for cells that were outlined elsewhere."""
    done = dock_of(viewer).done_frames
    if _is_ready(_without(done.obstacle())):
        done.mark_all()


def suggest_frame(viewer: "napari.viewer.Viewer") -> None:
    """Show the frame whose cells are most in doubt."""
    suggesting = dock_of(viewer).suggesting
    if _is_ready(_without(suggesting.obstacle() or None)):
        suggesting.suggest()


def import_cells(viewer: "napari.viewer.Viewer") -> None:
    """Take cells from a file."""
    dock = dock_of(viewer)
    if _is_ready(_without(dock.cell_files.obstacle_to_import() or None)):
        dock.cell_files_box.choose_import()


def export_cells(viewer: "napari.viewer.Viewer") -> None:
    """Write cells into a file."""
    dock = dock_of(viewer)
    if _is_ready(_without(dock.cell_files.obstacle_to_export() or None)):
        dock.cell_files_box.choose_export()


def open_plots(viewer: "napari.viewer.Viewer") -> None:
    """Show the dock of plots."""
    dock_of(viewer).open_plots()


def export_table(viewer: "napari.viewer.Viewer") -> None:
    """Save the table of cells in files."""
    dock = dock_of(viewer)
    if _is_ready(_table_of(dock)):
        dock.choose_export()


def copy_script(viewer: "napari.viewer.Viewer") -> None:
    """Copy what was run as a Python script."""
    dock = dock_of(viewer)
    if _is_ready(_table_of(dock)):
        dock.copy_script()


def run_on_others(viewer: "napari.viewer.Viewer") -> None:
    """Do what made the table with other recordings."""
    dock = dock_of(viewer)
    if _is_ready(_table_of(dock)):
        dock.choose_others()


def copy_report(viewer: "napari.viewer.Viewer") -> None:
    """Copy a report of what failed last."""
    dock = dock_of(viewer)
    if _is_ready(Availability(dock.workflow.failure is not None, NO_FAILURE)):
        dock.job.copy_report()


def dock_of(viewer: "napari.viewer.Viewer") -> QPMDock:
    """Return the dock of a viewer, opened and in sight.

    A dock that is open is found by its kind: napari's *Plugins* menu gives it another
    name than `add_plugin_dock_widget`, which would open a second one.
    """
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, QPMDock):
            widget.bring_up()
            return widget
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    assert isinstance(dock, QPMDock)
    return dock


def _run(viewer: "napari.viewer.Viewer", step: StepName) -> None:
    dock = dock_of(viewer)
    if _is_ready(dock.workflow.availability(step)):
        dock.run_step(step)


def _choose(viewer: "napari.viewer.Viewer", tool: Tool) -> None:
    tools = dock_of(viewer).label_tools
    if _is_ready(_without(tools.obstacle())):
        tools.choose(tool)


def _table_of(dock: QPMDock) -> Availability:
    workflow = dock.workflow
    if workflow.job is not None:
        return workflow.availability(StepName.MEASURE)
    return Availability(workflow.is_done(StepName.MEASURE), NO_TABLE)


def _without(obstacle: str | None) -> Availability:
    return Availability(obstacle is None, obstacle or "")


def _is_ready(availability: Availability) -> bool:
    """Return whether a command can run, and say what to do first if not."""
    from napari.utils.notifications import show_info

    if not availability.is_ready:
        show_info(availability.reason)
    return availability.is_ready
