"""Open recordings that the user named: ``napari-qpm view``, and files for the dock."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_qpm.viewer.layers import LayerTuple
from napari_qpm.viewer.reader import read_recordings

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components import ViewerModel

__all__ = ["add_layers", "add_recordings", "launch", "open_viewer"]


def launch(paths: Sequence[Path]) -> None:
    """Open napari with these recordings or results, and return when it is closed.

    Raises
    ------
    QPMError
        A path cannot be read.
    """
    import napari

    open_viewer(paths)
    napari.run()


def open_viewer(paths: Sequence[Path], *, show: bool = True) -> "Viewer":
    """Return a viewer with these recordings and the dock.

    The user named the files, so they are opened as ours whatever they look like.
    """
    import napari

    # Read first: what cannot be read leaves no empty window behind.
    layers = [layer for path in paths for layer in read_recordings(path)]
    viewer = napari.Viewer(show=show)
    add_layers(viewer, layers)
    viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    return viewer


def add_recordings(viewer: "ViewerModel", paths: Sequence[Path]) -> None:
    """Open files or folders that the user named, whatever they look like.

    Raises
    ------
    QPMError
        A path cannot be read; then nothing is opened.
    """
    add_layers(viewer, [layer for path in paths for layer in read_recordings(path)])


def add_layers(viewer: "ViewerModel", layers: Sequence[LayerTuple]) -> None:
    """Add what a reader returned."""
    from napari.layers import Layer

    for data, keywords, kind in layers:
        viewer.add_layer(Layer.create(data, keywords, kind))
