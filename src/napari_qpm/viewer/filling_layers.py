"""Layers that show a series while it fills, and what stays of it after a cancel.

Results that are complete are not replaced by unfinished ones: a series with other
settings shows once all of its frames are there.
"""

import json
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.viewer.fields import FieldOfView, Role
from napari_qpm.viewer.fills import Fill, Filling
from napari_qpm.viewer.frame_maker import FrameMaker, Kind
from napari_qpm.viewer.frames import FrameLabels, FramePhase
from napari_qpm.viewer.results import present, show_cells, show_phase
from napari_qpm.viewer.runs import note_run
from napari_qpm.viewer.settings import StepName

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_qpm.pipeline import Pipeline

__all__ = [
    "cells_key",
    "follow_cells",
    "follow_phase",
    "keep_cells",
    "keep_phase",
    "phase_key",
]


def phase_key(pipeline: "Pipeline", acquisition: Acquisition) -> str:
    """Return what the phase of a whole series depends on."""
    maker = FrameMaker(pipeline, acquisition)
    return f"{maker.key(Kind.PHASE)} {pipeline.stabilise}"


def cells_key(pipeline: "Pipeline", phase_map: PhaseMap, frames: frozenset[int]) -> str:
    """Return what the cells of these frames depend on."""
    described = json.dumps(pipeline.to_dict()["segment"])
    return f"{id(phase_map.phase)} {hash(frames)} {described}"


def follow_phase(viewer: "ViewerModel", field: FieldOfView, filling: Filling) -> None:
    """Show what is retrieved so far; called now and then while the job runs."""
    fill = filling.fill
    if fill is None:
        return
    field.unfinished[StepName.RETRIEVE] = fill
    layer = present(viewer, field, Role.PHASE)
    if layer is None:
        so_far = fill.finished("phase")
        made = FramePhase(fill.phase_map(), so_far, limits=filling.limits)
        show_phase(viewer, field, made)
    elif layer.data is fill.store.phase:
        _refresh(viewer, field, Role.PHASE, fill.finished("phase"))


def follow_cells(
    viewer: "ViewerModel", field: FieldOfView, filling: Filling, step: Any
) -> None:
    """Show what is segmented so far; called now and then while the job runs."""
    fill = filling.fill
    if fill is None:
        return
    field.unfinished[StepName.SEGMENT] = fill
    layer = present(viewer, field, Role.CELLS)
    if layer is None:
        made = FrameLabels(fill.store.labels, frozenset(), step, {})
        show_cells(viewer, field, made)
        layer = present(viewer, field, Role.CELLS)
    if layer is not None and layer.data is fill.store.labels:
        # Frames to come would overwrite what is drawn now.
        layer.editable = False
        _refresh(viewer, field, Role.CELLS, _segmented(fill))


def keep_phase(
    viewer: "ViewerModel", field: FieldOfView, filling: Filling, pipeline: "Pipeline"
) -> str:
    """Keep what an interrupted job has retrieved, and return what there is of it."""
    fill = filling.fill
    if fill is None:
        return ""
    field.unfinished[StepName.RETRIEVE] = fill
    done = fill.finished("phase")
    layer = present(viewer, field, Role.PHASE)
    if layer is not None and layer.data is fill.store.phase:
        field.phase_map = fill.phase_map()
        _refresh(viewer, field, Role.PHASE, done)
        note_run(field, StepName.RETRIEVE, pipeline, done)
    return _in_words(done, fill.shape[0])


def keep_cells(
    viewer: "ViewerModel", field: FieldOfView, filling: Filling, pipeline: "Pipeline"
) -> str:
    """Keep what an interrupted job has segmented, and return what there is of it."""
    fill = filling.fill
    if fill is None:
        return ""
    field.unfinished[StepName.SEGMENT] = fill
    done = _segmented(fill)
    layer = present(viewer, field, Role.CELLS)
    if layer is not None and layer.data is fill.store.labels:
        layer.editable = True
        field.outlines |= fill.store.outlines
        _refresh(viewer, field, Role.CELLS, done)
        note_run(field, StepName.SEGMENT, pipeline, done)
    return _in_words(done, fill.shape[0])


def _segmented(fill: Fill) -> frozenset[int]:
    return frozenset(fill.store.outlines)


def _refresh(
    viewer: "ViewerModel", field: FieldOfView, role: Role, done: frozenset[int]
) -> None:
    """Draw the layer anew if the frame that it shows has come."""
    before = field.done.get(role, frozenset())
    field.done[role] = done
    layer = present(viewer, field, role)
    if layer is not None and shown_frame(viewer, layer) in done - before:
        layer.refresh(extent=False)


def shown_frame(viewer: "ViewerModel", layer: Any) -> int:
    """Return the number of the frame of a ``(…, T, Y, X)`` layer that is shown."""
    point = viewer.dims.point[-layer.ndim :]
    return round(float(layer.world_to_data(point)[-3]))


def _in_words(done: frozenset[int], n_frames: int) -> str:
    if not done:
        return ""
    return (
        f"{len(done)} of {n_frames} frames are kept; press the button again to "
        "continue."
    )
