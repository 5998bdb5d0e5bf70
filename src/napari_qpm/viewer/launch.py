"""Start napari with recordings or results and our dock, from the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_qpm.errors import QPMError

if TYPE_CHECKING:
    import napari

__all__ = ["fill_viewer", "launch"]

PLUGIN, DOCK = "napari-qpm", "QPM"


def launch(paths: Sequence[Path]) -> None:
    """Open napari and return when its window is closed.

    Raises
    ------
    QPMError
        No Qt is installed, or a path cannot be read.
    """
    try:
        import napari
        import qtpy.QtWidgets  # noqa: F401 - raises without a Qt binding
    except ImportError as error:
        raise QPMError(
            "napari needs a Qt binding to show windows. Install one with "
            "pip install napari-qpm[pyqt6]."
        ) from error
    viewer = napari.Viewer()
    fill_viewer(viewer, paths)
    napari.run()


def fill_viewer(viewer: "napari.Viewer", paths: Sequence[Path]) -> None:
    """Open our dock, and recordings or results as layers."""
    from napari_qpm.io import open_all
    from napari_qpm.pipeline.results import is_result, phase_path, read_cells
    from napari_qpm.viewer.layers import recording_layer

    viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    for path in paths:
        is_ours = is_result(path)
        for acquisition in open_all(phase_path(path) if is_ours else path):
            if is_ours:
                acquisition = acquisition.replace(name=path.resolve().name)
            data, keywords, kind = recording_layer(acquisition)
            layer = getattr(viewer, f"add_{kind}")(data, **keywords)
        cells = read_cells(path) if is_ours else None
        if cells is not None:
            viewer.add_labels(
                cells,
                name=f"{layer.name} cells",
                scale=layer.scale[-cells.ndim :],
                units=layer.units[-cells.ndim :],
            )
