"""``napari-qpm view``: napari with our dock and the given recordings."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_qpm.viewer.reader import read_recordings

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["launch", "open_viewer"]


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
    from napari.layers import Layer

    # Read first: what cannot be read leaves no empty window behind.
    layers = [layer for path in paths for layer in read_recordings(path)]
    viewer = napari.Viewer(show=show)
    for data, keywords, kind in layers:
        viewer.add_layer(Layer.create(data, keywords, kind))
    viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    return viewer
