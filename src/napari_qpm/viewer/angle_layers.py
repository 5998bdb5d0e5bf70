"""The images of the four angles as layers: lazy, on their recording, rightly named."""

import weakref
from typing import TYPE_CHECKING, Any

from napari_qpm.viewer.angle_orders import Layout
from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role, unwrap
from napari_qpm.viewer.layers import Geometry, geometry_of, layer_name

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

__all__ = ["AngleLayers", "angle_images"]


def angle_images(frames: Any) -> list[Any]:
    """Return the four images of ``(…, C, Y, X)`` frames, in reading order.

    Those of a mosaic are taken from its 2x2 cells, without interpolation.
    """
    if frames.shape[-3] == 4:
        return [frames[..., k, :, :] for k in range(4)]
    height, width = (n // 2 * 2 for n in frames.shape[-2:])
    raw = frames[..., 0, :height, :width]
    return [raw[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]


class AngleLayers:
    """The four layers of each field of view in one viewer.

    Parameters
    ----------
    viewer
        Their viewer.
    """

    def __init__(self, viewer: "ViewerModel"):
        self._viewer = viewer
        self._layers: weakref.WeakKeyDictionary[
            FieldOfView, list[weakref.ref[Image]]
        ] = weakref.WeakKeyDictionary()

    def add(
        self, field: FieldOfView, order: Layout, limits: tuple[float, float]
    ) -> None:
        """Add layers of all frames; those that are there already are kept."""
        if self._present(field):
            return
        from napari.layers import Image

        before = unwrap(self._viewer.layers.selection.active)
        added = []
        for k, images in enumerate(angle_images(field.acquisition.frames)):
            layer = Image(
                images,
                name=_name(field, order[k]),
                colormap="gray",
                contrast_limits=limits,
                multiscale=False,
                rgb=False,
                metadata={METADATA_KEY: {"role": "angle", "angle_deg": order[k]}},
                **_place(field, k).keywords(),
            )
            field.include(layer)
            self._viewer.add_layer(layer)
            added.append(weakref.ref(layer))
        self._layers[field] = added
        if before is not None and before in self._viewer.layers:
            self._viewer.layers.selection.active = before

    def update(self, field: FieldOfView, order: Layout) -> None:
        """Give the layers the names and the places that are right by now."""
        for k, layer in self._present(field):
            placed = _place(field, k)
            if layer.metadata[METADATA_KEY]["angle_deg"] != order[k]:
                layer.metadata[METADATA_KEY]["angle_deg"] = order[k]
                layer.name = _name(field, order[k])
            if tuple(layer.scale) != placed.scale:
                layer.scale, layer.translate = placed.scale, placed.translate
                layer.units = placed.units

    def _present(self, field: FieldOfView) -> list[tuple[int, Any]]:
        references = self._layers.get(field, [])
        layers = [(k, reference()) for k, reference in enumerate(references)]
        return [
            (k, one)
            for k, one in layers
            if one is not None and one in self._viewer.layers
        ]


def _name(field: FieldOfView, angle: int) -> str:
    return f"{layer_name(field, Role.RECORDING)} {angle}°"


def _place(field: FieldOfView, k: int) -> Geometry:
    """Return where the `k`-th image lies; those of a mosaic are half a cell apart."""
    geometry = geometry_of(field)
    if field.acquisition.shape[1] == 4:
        return geometry
    row, column = divmod(k, 2)
    t, y, x = geometry.translate
    _, step_y, step_x = geometry.scale
    moved = (t, y + row * step_y, x + column * step_x)
    return Geometry(geometry.scale, geometry.units, moved).zoomed((2, 2))
