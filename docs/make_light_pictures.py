"""Pictures of the whole dock in napari's light theme: steps, angles, plots, training.

Run under a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_light_pictures.py -o FOLDER

The polarization sample is opened, every step is clicked and a cell painted; look at the
pictures for what cannot be read. With `--theme dark` the same in the dark theme. The
one in the documentation is `light-3-plots.png`.
"""

from make_learned_pictures import reveal
from make_screenshots import click, parse_arguments, save, settle, wait_for_job
from qtpy.QtWidgets import QPushButton

import napari  # isort: skip  (after make_screenshots has set where settings go)


def main() -> None:
    """Click through the dock, and save a picture of each part."""
    options = parse_arguments(theme="light")
    options.output.mkdir(parents=True, exist_ok=True)
    options.name = options.theme
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.theme = options.theme
    viewer.window.resize(*options.size)
    viewer.open_sample("napari-qpm", options.sample)
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    wait_for_job(dock)
    viewer.reset_view()
    click(dock, "check_angles_button")
    wait_for_job(dock)
    reveal(dock, dock.findChild(QPushButton, "add_angles_button"))
    save(viewer, options, "1-angles")
    click(dock, "retrieve_button")
    wait_for_job(dock)
    click(dock, "segment_button")
    wait_for_job(dock)
    cells = next(one for one in viewer.layers if one.name.endswith(" cells"))
    cells.paint((int(viewer.dims.current_step[0]), 40, 40), 99)
    while "are saved" not in dock.recovery.sentence.text():
        settle()
    reveal(dock, dock.findChild(QPushButton, "teach_button"))
    save(viewer, options, "2-cells")
    click(dock, "measure_button")
    wait_for_job(dock)
    click(dock, "plots_button")
    save(viewer, options, "3-plots")
    dock.plots_panel.parentWidget().hide()
    click(dock, "teach_button")
    save(viewer, options, "4-training")
    viewer.close()


if __name__ == "__main__":
    main()
