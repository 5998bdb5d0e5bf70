"""Layers can take another scale without jumping away from under the user's eyes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["kept_view"]


@contextmanager
def kept_view(viewer: "ViewerModel", layer: "Layer") -> Iterator[None]:
    """Show the same frame and place of a layer after its scale has changed inside.

    Parameters
    ----------
    layer
        ``(…, T, Y, X)`` or ``(Y, X)``.
    """
    camera = viewer.scene.camera
    point = list(viewer.dims.point)
    point = [0.0] * (layer.ndim - len(point)) + point[len(point) - layer.ndim :]
    point[-2:] = camera.center[-2:]
    seen, scale = layer.world_to_data(point), float(layer.scale[-1])
    yield
    world = layer.data_to_world(seen)
    camera.center = (*camera.center[:-2], float(world[-2]), float(world[-1]))
    camera.zoom *= scale / float(layer.scale[-1])
    if layer.ndim >= 3:
        viewer.dims.set_point(viewer.dims.ndim - 3, float(world[-3]))
