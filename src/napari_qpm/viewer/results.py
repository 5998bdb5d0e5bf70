"""Results become layers: new ones at first, our own ones updated in place afterwards.

Layers of the user are never written to, and cells that the user corrected by hand are
never replaced: they stay, under another name, beside the new ones.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.acquisition import PhaseMap
from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role, unwrap
from napari_qpm.viewer.frames import FrameLabels, FramePhase, allocate
from napari_qpm.viewer.layers import geometry_of, layer_name, phase_limits

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer

__all__ = [
    "bright_colors",
    "cells_geometry",
    "outline_style",
    "outline_width",
    "present",
    "show_cells",
    "show_no_cells",
    "show_phase",
]

FRAME_PX_PER_OUTLINE_PX = 250
THICKEST_OUTLINE_PX = 4
LOWEST_LUMINANCE = 0.35
LOWEST_SATURATION = 0.4
NO_CELLS_COLOR = "#7fb2ff"
NO_CELLS_OPACITY = 0.35


def show_phase(viewer: "ViewerModel", field: FieldOfView, result: FramePhase) -> None:
    """Show phase in the field's phase layer.

    A few frames join what is there if they were made in the same way; otherwise they
    replace it, so that one layer never mixes two settings.
    """
    phase_map, frames = result.phase_map, result.frames
    layer = present(viewer, field, Role.PHASE)
    known = field.done.get(Role.PHASE, frozenset())
    shown = field.phase_map if layer is not None else None
    if shown is not None and not frames >= known and _same_making(shown, phase_map):
        phase_map = _join(shown, phase_map, frames)
        frames = frames | known
    field.phase_map = phase_map
    field.done[Role.PHASE] = frozenset(frames)
    field.table, field.is_outdated = None, False
    limits = result.limits or phase_limits(phase_map, frames)
    placed = geometry_of(field).zoomed(phase_map.grid_scale).keywords()
    if layer is None:
        recording = field.layer(Role.RECORDING)
        if recording is not None and not field.is_adopted:
            # Phase covers it; hidden, it is not read at every step of the slider.
            recording.visible = False
        _add(
            viewer,
            field,
            Role.PHASE,
            phase_map.phase,
            **placed,
            colormap="gray",
            contrast_limits=limits,
            multiscale=False,
            rgb=False,
        )
        return
    if layer.data is phase_map.phase:
        layer.refresh()
    else:
        layer.data = phase_map.phase
    layer.scale, layer.translate = placed["scale"], placed["translate"]
    span = limits[1] - limits[0]
    layer.contrast_limits_range = (limits[0] - span, limits[1] + span)
    layer.contrast_limits = limits
    layer.metadata[METADATA_KEY] = field.record(Role.PHASE)


def show_cells(
    viewer: "ViewerModel",
    field: FieldOfView,
    result: FrameLabels,
    joins: bool = False,
) -> None:
    """Show cells in the field's cells layer; hand-corrected ones are kept.

    A few frames join what is there if they were made in the same way, or if `joins`.
    """
    labels, frames = result.labels, result.frames
    layer = present(viewer, field, Role.CELLS)
    known = field.done.get(Role.CELLS, frozenset())
    field.table = None
    if layer is not None and layer.data is labels:
        # Shown while it was filling.
        field.done[Role.CELLS] = known | frames
        field.cells_step = result.step
        field.outlines |= result.outlines
        layer.editable = True
        layer.refresh()
        layer.metadata[METADATA_KEY] = field.record(Role.CELLS)
        return
    if (
        layer is not None
        and not frames >= known
        and _can_join(field, layer, result, joins)
    ):
        field.cells_step = result.step
        field.outlines |= result.outlines
        field.done[Role.CELLS] = known | frames
        # Made anew by an engine, they are not the user's any more.
        field.annotated_frames -= frames
        _update_frames(field, layer, labels, frames)
        layer.metadata[METADATA_KEY] = field.record(Role.CELLS)
        return
    if layer is not None and field.are_cells_kept:
        why = "corrected" if field.is_corrected else "kept"
        layer.name = f"{layer.name} ({why})"
        # Two outlines of each cell confuse, and edits belong into the new layer.
        layer.visible = False
        phase = present(viewer, field, Role.PHASE)
        if phase is not None and unwrap(viewer.layers.selection.active) is layer:
            viewer.layers.selection.active = phase
        field.detach(Role.CELLS)
        layer = None
    field.done[Role.CELLS] = frames
    field.cells_step, field.outlines = result.step, dict(result.outlines)
    if layer is None:
        _add_cells(viewer, field, labels)
        return
    layer.data = labels
    placed = cells_geometry(field)
    layer.scale, layer.translate = placed["scale"], placed["translate"]
    layer.metadata[METADATA_KEY] = field.record(Role.CELLS)


def show_no_cells(
    viewer: "ViewerModel", field: FieldOfView, shape: tuple[int, int, int]
) -> "Labels":
    """Return the layer ``(T, Y, X)`` that says where there is no cell.

    One of another shape, made for cells on another grid, is left aside.
    """
    from napari.utils.colormaps import DirectLabelColormap

    layer = present(viewer, field, Role.NO_CELLS)
    if layer is not None and tuple(layer.data.shape) == shape:
        return layer
    if layer is not None:
        layer.name = f"{layer.name} (earlier)"
        field.detach(Role.NO_CELLS)
    data = allocate(shape, np.uint8, 0)
    colors = {0: "transparent", None: NO_CELLS_COLOR}
    return _add(
        viewer,
        field,
        Role.NO_CELLS,
        data,
        **cells_geometry(field),
        colormap=DirectLabelColormap(color_dict=colors),
        opacity=NO_CELLS_OPACITY,
    )


def _can_join(
    field: FieldOfView, layer: "Labels", result: FrameLabels, joins: bool
) -> bool:
    step, fresh = field.cells_step, result.step
    if step is None or tuple(layer.data.shape) != tuple(result.labels.shape):
        return False
    is_same = (step.engine, step.parameters) == (fresh.engine, fresh.parameters)
    return joins or is_same


def show_scales(viewer: "ViewerModel", layer: Any, field: FieldOfView) -> None:
    """Turn scale bar and colour bar on, once for each new phase layer."""
    if field.acquisition.instrument.pixel_size_um is not None:
        viewer.canvas.overlays.scale_bar.visible = True
    layer.colorbar.visible = True


def present(viewer: "ViewerModel", field: FieldOfView, role: Role) -> "Any | None":
    """Return the field's layer of this role if it is still in this viewer."""
    layer = field.layer(role)
    if layer is None or layer not in viewer.layers:
        return None
    return layer


def _add_cells(viewer: "ViewerModel", field: FieldOfView, labels: Any) -> None:
    layer = _add(viewer, field, Role.CELLS, labels, **cells_geometry(field))
    outline_style(layer)
    field.is_corrected = False
    layer.events.paint.connect(field.mark_corrected)


def outline_style(layer: "Labels") -> None:
    """Draw cells as outlines that stand out on grey phase."""
    layer.opacity = 1.0
    layer.contour = outline_width(layer.data.shape)
    layer.colormap = bright_colors()


def outline_width(shape: tuple[int, ...]) -> int:
    """Return the width [px] that is seen in large frames and covers no small cells."""
    width = round(min(shape[-2:]) / FRAME_PX_PER_OUTLINE_PX)
    return min(max(1, width), THICKEST_OUTLINE_PX)


def bright_colors() -> Any:
    """Return napari's label colours without those that are lost on grey phase."""
    from napari.utils.colormaps import CyclicLabelColormap, label_colormap

    colors = np.asarray(label_colormap().colors)
    rgb = colors[:, :3]
    luminance = rgb @ (0.2126, 0.7152, 0.0722)
    saturation = np.ptp(rgb, axis=1) / np.maximum(rgb.max(axis=1), 1e-6)
    is_clear = (luminance >= LOWEST_LUMINANCE) & (saturation >= LOWEST_SATURATION)
    return CyclicLabelColormap(colors=colors[is_clear])


def cells_geometry(field: FieldOfView) -> dict[str, Any]:
    """Return keywords that lay ``(T, Y, X)`` data of cells on their recording."""
    grid = (1.0, 1.0) if field.phase_map is None else field.phase_map.grid_scale
    return geometry_of(field).zoomed(grid).keywords()


def _update_frames(
    field: FieldOfView, layer: "Labels", labels: Any, frames: frozenset[int]
) -> None:
    """Replace the cells of some frames, undoably once there is a history to keep."""
    if not field.are_cells_kept:
        for t in frames:
            layer.data[t] = labels[t]
        layer.refresh()
        return
    for t in sorted(frames):
        changed = np.nonzero(np.asarray(layer.data[t]) != labels[t])
        if changed[0].size:
            where = (np.full_like(changed[0], t), *changed)
            layer.data_setitem(where, np.asarray(labels[t])[changed])


def _join(shown: PhaseMap, fresh: PhaseMap, frames: frozenset[int]) -> PhaseMap:
    """Write fresh frames into the shown array and return its map."""
    notes = list(shown.frame_notes)
    for t in frames:
        shown.phase[t] = fresh.read(t)
        notes[t] = fresh.frame_notes[t]
    return shown.replace(frame_notes=tuple(notes))


def _same_making(first: PhaseMap, second: PhaseMap) -> bool:
    """Return whether two maps came from the same steps, dates and series aside."""

    def making(phase_map: PhaseMap) -> list[Any]:
        return [
            (step.name, step.engine, step.parameters)
            for step in phase_map.history
            if step.name != "stabilise"
        ]

    return (
        first.shape == second.shape
        and making(first) == making(second)
        and first.acquisition.instrument == second.acquisition.instrument
    )


def _add(
    viewer: "ViewerModel", field: FieldOfView, role: Role, data: Any, **keywords: Any
) -> "Layer":
    """Add a layer; the user's selection stays elsewhere.

    Phase comes right above its recording, so that outlines stay above both.
    """
    before = unwrap(viewer.layers.selection.active)
    keywords |= {
        "name": layer_name(field, role),
        "metadata": {METADATA_KEY: field.record(role)},
    }
    from napari.layers import Image, Labels

    layer = (Image if role is Role.PHASE else Labels)(data, **keywords)
    if role is Role.PHASE:
        show_scales(viewer, layer, field)
    # Attached first: adding selects the layer, and the dock then asks whose it is.
    field.attach(role, layer)
    recording = present(viewer, field, Role.RECORDING)
    if role is Role.PHASE and recording is not None:
        viewer.layers.insert(viewer.layers.index(recording) + 1, layer)
        viewer.layers.selection.active = layer
    else:
        viewer.add_layer(layer)
    if before is not None and field.role_of(before) is None:
        viewer.layers.selection.active = before
    return layer
