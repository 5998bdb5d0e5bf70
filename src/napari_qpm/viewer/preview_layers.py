"""Layers of the preview: made on demand, updated in place, aligned with the recording.

They read from the cache of the preview; a frame that is not there is blank. Phase keeps
its contrast over time, and only wrapped phase has a cyclic colormap.
"""

import math
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role, unwrap
from napari_qpm.viewer.frame_maker import FrameMaker, Kind
from napari_qpm.viewer.frame_views import FrameCache, FrameView
from napari_qpm.viewer.layers import contrast_limits, geometry_of
from napari_qpm.viewer.results import bright_colors, present

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["SHOWN_KINDS", "PreviewLayers", "title_of"]

PHASE_PERCENTILES = (0.5, 99.9)


@dataclass(frozen=True)
class _Look:
    """How one kind of picture looks."""

    title: str
    colormap: str = "gray"
    limits: tuple[float, float] | None = None
    opacity: float = 1.0
    blending: str = "translucent_no_depth"


_LOOKS = {
    Kind.PHASE: _Look("preview"),
    Kind.CELLS: _Look("preview cells"),
    Kind.WRAPPED: _Look("wrapped phase", "twilight", (-math.pi, math.pi)),
    Kind.UNWRAPPED: _Look("phase with background"),
    Kind.BACKGROUND: _Look("fitted background", "viridis"),
    Kind.EMPTY: _Look("empty field", "cyan", (0.0, 1.0), 0.35, "additive"),
    Kind.AMPLITUDE: _Look("amplitude"),
    Kind.QUALITY: _Look("quality", "viridis", (0.0, 1.0)),
    Kind.OPD: _Look("optical path (nm)"),
}

SHOWN_KINDS = (
    Kind.WRAPPED,
    Kind.UNWRAPPED,
    Kind.BACKGROUND,
    Kind.EMPTY,
    Kind.AMPLITUDE,
    Kind.QUALITY,
    Kind.OPD,
)
"""What can be shown beside phase and cells, in the order of the menu."""


def title_of(kind: Kind) -> str:
    """Return what the layer of a kind is called, after its recording's name."""
    return _LOOKS[kind].title


class PreviewLayers:
    """The preview's layers in one viewer.

    Parameters
    ----------
    viewer
        Their viewer.
    cache
        Where their frames come from.
    on_missing
        Called while napari slices a frame that is not there.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        cache: FrameCache,
        on_missing: Callable[[], None],
    ):
        self._viewer, self._cache, self._on_missing = viewer, cache, on_missing
        self._layers: dict[Kind, weakref.ref[Layer]] = {}
        self._keys: dict[Kind, str] = {}

    def layer(self, kind: Kind) -> "Any | None":
        """Return the layer of a kind while it is in the viewer."""
        reference = self._layers.get(kind)
        layer = None if reference is None else reference()
        return layer if layer is not None and layer in self._viewer.layers else None

    def has(self, kind: Kind, t: int) -> bool:
        """Return whether frame `t` would show at once if the slider went there."""
        return self._cache.get((self._keys.get(kind), t)) is not None

    def show(self, field: FieldOfView, maker: FrameMaker, kind: Kind, t: int) -> None:
        """Show the picture of frame `t` that the cache holds."""
        key = maker.key(kind)
        picture = self._cache.get((key, t))
        if picture is None:
            return
        layer = self.layer(kind)
        if layer is not None and self._keys.get(kind) == key:
            layer.refresh(thumbnail=False, extent=False)
            return
        shape = (field.acquisition.n_frames, *picture.shape)
        view = FrameView(
            shape,
            picture.dtype,
            lambda number: self._read(key, number),
            0 if kind in (Kind.CELLS, Kind.EMPTY) else np.nan,
        )
        self._keys[kind] = key
        context = maker.context
        grid = (1.0, 1.0) if context is None else context.grid_scale
        placed = geometry_of(field).zoomed(grid).keywords()
        if layer is None:
            self._add(field, kind, view, picture, placed)
            return
        layer.data = view
        layer.scale, layer.translate = placed["scale"], placed["translate"]
        if kind is not Kind.CELLS:
            layer.contrast_limits = self._limits(field, kind, picture)

    def _read(self, key: str, t: int) -> Any:
        """Return a frame, or `None` and tell that it is wanted."""
        picture = self._cache.get((key, t))
        if picture is None:
            self._on_missing()
        return picture

    def show_cached(
        self, field: FieldOfView, maker: FrameMaker, kinds: Iterable[Kind], t: int
    ) -> None:
        """Show at once what was made before with other settings in between."""
        for kind in kinds:
            known = self._keys.get(kind)
            if kind is Kind.SPECTRUM or known in (None, maker.key(kind)):
                continue
            if self.layer(kind) is not None:
                self.show(field, maker, kind, t)

    def remove(self, kind: Kind) -> None:
        """Take the layer of a kind out of the viewer."""
        layer = self.layer(kind)
        self._layers.pop(kind, None)
        self._keys.pop(kind, None)
        if layer is not None:
            self._viewer.layers.remove(layer)

    def clear(self) -> None:
        """Take all layers out of the viewer."""
        for kind in list(self._layers):
            self.remove(kind)

    def forget(self, layer: "Layer") -> Kind | None:
        """Return the kind of a layer that the user removed; `None` for all others."""
        for kind, reference in list(self._layers.items()):
            if reference() is layer:
                del self._layers[kind]
                self._keys.pop(kind, None)
                return kind
        return None

    def _limits(
        self, field: FieldOfView, kind: Kind, picture: Any
    ) -> tuple[float, float]:
        look = _LOOKS[kind]
        if look.limits is not None:
            return look.limits
        results = present(self._viewer, field, Role.PHASE)
        if kind is Kind.PHASE and results is not None:
            low, high = results.contrast_limits
            return float(low), float(high)
        return contrast_limits([picture], PHASE_PERCENTILES)

    def _add(
        self, field: FieldOfView, kind: Kind, view: FrameView, picture: Any, placed: Any
    ) -> None:
        """Add a layer; the user's selection stays where it is."""
        from napari.layers import Image, Labels

        look = _LOOKS[kind]
        recording = field.layer(Role.RECORDING)
        source = field.acquisition.name if recording is None else recording.name
        keywords = {
            "name": f"{source} {look.title}",
            "metadata": {METADATA_KEY: {"role": "preview", "kind": kind.value}},
            "opacity": look.opacity,
            **placed,
        }
        layer: Any
        if kind is Kind.CELLS:
            # The pictures are outlines already: napari has none to find.
            layer = Labels(view, **keywords | {"opacity": 1.0})
            layer.colormap = bright_colors()
            layer.editable = False
        else:
            layer = Image(
                view,
                colormap=look.colormap,
                contrast_limits=self._limits(field, kind, picture),
                blending=look.blending,
                multiscale=False,
                rgb=False,
                **keywords,
            )
        field.include(layer)
        self._layers[kind] = weakref.ref(unwrap(layer))
        before = unwrap(self._viewer.layers.selection.active)
        self._viewer.add_layer(layer)
        if before is not None:
            self._viewer.layers.selection.active = before
