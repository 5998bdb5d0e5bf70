"""How a field of view looks in napari: axes, scale, units, contrast, names.

Channels come first, ``(C, T, Y, X)``: napari aligns layers by their last axes, so only
then do phase and labels ``(T, Y, X)`` lie on the recording they were made from.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.viewer.fields import FieldOfView, Role, recording_metadata

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = [
    "Geometry",
    "contrast_limits",
    "geometry_of",
    "layer_name",
    "phase_limits",
    "place_layers",
    "recording_layer",
    "scaled_geometry",
    "show_frames",
]

LayerTuple = tuple[Any, dict[str, Any], str]

# Enough to find limits in a frame, cheap enough for the GUI thread.
_SAMPLES_PER_AXIS = 512
_LIMIT_PERCENTILES = (0.1, 99.9)
_PHASE_PERCENTILES = (0.5, 99.9)
_FRAMES_FOR_LIMITS = 16


@dataclass(frozen=True)
class Geometry:
    """Where ``(T, Y, X)`` data lie in the viewer's world."""

    scale: tuple[float, float, float]
    units: tuple[str, str, str]
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def zoomed(self, grid_scale: tuple[float, float]) -> "Geometry":
        """Return the geometry of a grid that is coarser by these factors."""
        t, y, x = self.scale
        return Geometry(
            (t, y * grid_scale[0], x * grid_scale[1]), self.units, self.translate
        )

    def keywords(self) -> dict[str, Any]:
        """Return keywords for napari's ``add_image`` and ``add_labels``."""
        return {
            "scale": self.scale,
            "units": self.units,
            "translate": self.translate,
            "axis_labels": ("t", "y", "x"),
        }


def scaled_geometry(acquisition: Acquisition) -> Geometry:
    """Return the geometry that the recording's metadata state; pixels where unknown."""
    instrument = acquisition.instrument
    pixel, interval = instrument.pixel_size_um, instrument.frame_interval_s
    return Geometry(
        (interval or 1.0, pixel or 1.0, pixel or 1.0),
        (
            "s" if interval else "pixel",
            "um" if pixel else "pixel",
            "um" if pixel else "pixel",
        ),
    )


def geometry_of(field: FieldOfView) -> Geometry:
    """Return the geometry of a field's recording as its layer shows it now."""
    layer = field.layer(Role.RECORDING)
    if layer is None:
        return scaled_geometry(field.acquisition)
    stated = scaled_geometry(field.acquisition)
    scale, translate = tuple(layer.scale), tuple(layer.translate)
    units = tuple(str(unit) for unit in layer.units)
    missing = 3 - len(scale)
    if missing > 0:
        scale = stated.scale[:missing] + scale
        units = stated.units[:missing] + units
        translate = (0.0,) * missing + translate
    return Geometry(
        tuple(map(float, scale[-3:])),  # type: ignore[arg-type]
        units[-3:],  # type: ignore[arg-type]
        tuple(map(float, translate[-3:])),  # type: ignore[arg-type]
    )


def place_layers(field: FieldOfView) -> None:
    """Give every layer of a field the scale and units that its metadata state."""
    stated = scaled_geometry(field.acquisition)
    for role in Role:
        layer = field.layer(role)
        if layer is None:
            continue
        geometry = stated
        if role is not Role.RECORDING and field.phase_map is not None:
            geometry = stated.zoomed(field.phase_map.grid_scale)
        _place(layer, geometry)


def _place(layer: "Layer", geometry: Geometry) -> None:
    n = min(layer.ndim, 3)
    scale = np.array(layer.scale, dtype=float)
    translate = np.array(layer.translate, dtype=float)
    new_scale = scale.copy()
    new_scale[-n:] = geometry.scale[-n:]
    units = [str(unit) for unit in layer.units]
    units[-n:] = geometry.units[-n:]
    layer.scale = new_scale
    layer.translate = translate * new_scale / scale
    layer.units = units


def recording_layer(acquisition: Acquisition) -> LayerTuple:
    """Return the layer data of a recording: lazy, one chunk a frame."""
    data, placed = _shown(acquisition)
    keywords = placed | {
        "name": acquisition.name,
        "contrast_limits": contrast_limits([acquisition.read(0)]),
        "multiscale": False,
        "rgb": False,
        "colormap": "gray",
        "metadata": recording_metadata(acquisition),
        # napari would keep every frame that was seen, up to a quarter of the memory;
        # the system keeps files that were read as long as there is room.
        "cache": False,
    }
    return data, keywords, "image"


def show_frames(layer: "Layer", acquisition: Acquisition) -> None:
    """Show other frames of a recording in its layer.

    Pyramids and colours that another reader made stay as they are.
    """
    if layer.multiscale or layer.rgb:
        return
    layer.data, placed = _shown(acquisition)
    for name, value in placed.items():
        setattr(layer, name, value)
    limits = contrast_limits([acquisition.read(0)])
    layer.contrast_limits_range = limits
    layer.contrast_limits = limits


def _shown(acquisition: Acquisition) -> tuple[Any, dict[str, Any]]:
    """Return lazy data ``([C,] T, Y, X)`` and where they lie in the world."""
    geometry = scaled_geometry(acquisition)
    frames = _live_frames(acquisition)
    if acquisition.shape[1] == 1:
        return frames[:, 0], geometry.keywords()
    return frames.transpose(1, 0, 2, 3), {
        "scale": (1.0, *geometry.scale),
        "units": ("pixel", *geometry.units),
        "translate": (0.0, *geometry.translate),
        "axis_labels": ("c", "t", "y", "x"),
    }


class _FrameReader:
    """Reads frames for napari, and keeps their recording alive as long as they are.

    Parameters
    ----------
    acquisition
        The recording; `fields.claim_recording` finds it while a layer's data exist.
    """

    def __init__(self, acquisition: Acquisition):
        self.acquisition = acquisition

    def __call__(self, block_id: tuple[int, ...]) -> NDArray[Any]:
        return self.acquisition.read(block_id[0])[None]


def _live_frames(acquisition: Acquisition) -> Any:
    """Return lazy frames ``(T, C, Y, X)`` that hold on to their recording."""
    import dask.array as da

    t, c, y, x = acquisition.shape
    return da.map_blocks(
        _FrameReader(acquisition),
        chunks=((1,) * t, (c,), (y,), (x,)),
        dtype=acquisition.dtype,
        meta=np.empty((0, 0, 0, 0), acquisition.dtype),
        # A name of our own: dask would hash the whole recording to find one.
        name=f"recording-{uuid.uuid4().hex}",
    )


def contrast_limits(
    frames: Iterable[NDArray[Any]],
    percentiles: tuple[float, float] = _LIMIT_PERCENTILES,
) -> tuple[float, float]:
    """Return display limits of frames ``(…, Y, X)``; NaN and infinities are ignored."""
    samples = []
    for frame in frames:
        step_y = max(1, frame.shape[-2] // _SAMPLES_PER_AXIS)
        step_x = max(1, frame.shape[-1] // _SAMPLES_PER_AXIS)
        values = np.asarray(frame[..., ::step_y, ::step_x], dtype=np.float64)
        samples.append(values[np.isfinite(values)])
    values = np.concatenate(samples) if samples else np.empty(0)
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(values, percentiles))
    return (low, high) if high > low else (low, low + 1.0)


def phase_limits(phase_map: PhaseMap, frames: Iterable[int]) -> tuple[float, float]:
    """Return limits for all frames of a phase: fixed over time, so growth is seen."""
    chosen = sorted(frames)
    step = max(1, len(chosen) // _FRAMES_FOR_LIMITS)
    return contrast_limits(
        (phase_map.read(t) for t in chosen[::step]), _PHASE_PERCENTILES
    )


def layer_name(field: FieldOfView, role: Role) -> str:
    """Return the name of a field's layer, after its recording's layer."""
    recording = field.layer(Role.RECORDING)
    source = field.acquisition.name if recording is None else recording.name
    return source if role is Role.RECORDING else f"{source} {role.value}"
