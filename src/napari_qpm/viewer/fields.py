"""What stands behind a layer: the field of view that it shows.

A `FieldOfView` keeps the live objects (recording, phase, table) of up to four layers:
recording, phase, cells and tracks. Selecting any of them finds the same field. Layers
are held weakly, so that deleting one in napari frees it.
"""

import uuid
import weakref
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap
from napari_qpm.provenance import Step
from napari_qpm.viewer.settings import StepName

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Layer

    from napari_qpm.viewer.comparison import ComparedFrame
    from napari_qpm.viewer.fills import Fill
    from napari_qpm.viewer.recording_facts import Recalled
    from napari_qpm.viewer.runs import Run
    from napari_qpm.viewer.verdicts import CheckedFrame

__all__ = [
    "METADATA_KEY",
    "FieldOfView",
    "Role",
    "claim_recording",
    "field_of",
    "recording_metadata",
    "unwrap",
]

METADATA_KEY = "napari-qpm"


class Role(StrEnum):
    """What a layer shows of a field of view."""

    RECORDING = "recording"
    """Raw frames."""
    PHASE = "phase"
    """Phase that we retrieved."""
    CELLS = "cells"
    """Labels that we made, and the user may have corrected."""
    NO_CELLS = "no cells"
    """Where the user says that there is no cell, in frames that are not done."""
    TRACKS = "tracks"
    """Ways of the cells over time, with their lineage."""
    DRAWINGS = "drawings"
    """Lines and regions that the user drew to measure along and in them."""
    CLASSICAL = "classical phase"
    """Phase of one frame by the classical method, beside a learned one."""
    DIFFERENCE = "difference"
    """The learned phase minus the classical one."""


def unwrap(thing: Any) -> Any:
    """Return the napari object behind the proxy that plugins are handed.

    Proxies are made anew at each access, so they cannot be keys of weak mappings.
    """
    return getattr(thing, "__wrapped__", thing)


class FieldOfView:
    """One field of view in one viewer: its recording, results and layers.

    Parameters
    ----------
    acquisition
        The recording.
    is_adopted
        Whether the recording's layer was made by the user or another plugin.

    Attributes
    ----------
    is_imported
        Whether the cells came from a file that the user chose.
    annotated_frames
        Frames that the user marked as done: what is no cell in them is background.
    """

    def __init__(self, acquisition: Acquisition, *, is_adopted: bool = False):
        self.acquisition = acquisition
        self.is_adopted = is_adopted
        self.is_inspected = not is_adopted or acquisition.modality is not None
        self.edits: dict[str, Any] = {}
        self.recalled: Recalled | None = None
        self.recalled_for: Modality | None = None
        self.is_channel_settled = False
        self.is_corrected = self.is_imported = False
        self.annotated_frames: frozenset[int] = frozenset()
        self.is_outdated = False
        self.phase_map: PhaseMap | None = None
        self.checked: CheckedFrame | None = None
        self.compared: ComparedFrame | None = None
        self.table: pd.DataFrame | None = None
        self.track_table: pd.DataFrame | None = None
        self.missing_columns: dict[str, str] = {}
        self.cells_step: Step | None = None
        self.outlines: dict[int, Any] = {}
        self.done: dict[Role, frozenset[int]] = {}
        self.unfinished: dict[StepName, Fill] = {}
        self.runs: dict[str, Run] = {}
        self._layers: dict[Role, weakref.ref[Layer]] = {}

    def layer(self, role: Role) -> "Layer | None":
        """Return the layer of this role while it exists anywhere."""
        reference = self._layers.get(role)
        return None if reference is None else reference()

    def attach(self, role: Role, layer: "Layer") -> None:
        """Show this field in `layer`."""
        layer = unwrap(layer)
        self._layers[role] = weakref.ref(layer)
        _fields[layer] = self

    def include(self, layer: "Layer") -> None:
        """Let selecting a passing layer, such as a preview, find this field."""
        _fields[unwrap(layer)] = self

    def detach(self, role: Role) -> None:
        """Forget the layer of this role and free what only it showed."""
        self._layers.pop(role, None)
        self.done.pop(role, None)
        step = {Role.PHASE: StepName.RETRIEVE, Role.CELLS: StepName.SEGMENT}.get(role)
        if step is not None:
            self.unfinished.pop(step, None)
        if role is Role.PHASE:
            self.phase_map, self.checked, self.is_outdated = None, None, False
        if role is Role.CELLS:
            self.cells_step, self.outlines = None, {}
            self.annotated_frames, self.is_imported = frozenset(), False

    def mark_corrected(self) -> None:
        """Remember that the user corrected the cells by hand; nothing replaces them."""
        self.is_corrected = True
        self.table = None

    def annotate(self, frames: Iterable[int]) -> None:
        """Mark frames as done."""
        self.annotated_frames |= frozenset(frames)

    @property
    def are_cells_kept(self) -> bool:
        """Whether the cells are the user's, so that nothing may replace them."""
        return self.is_corrected or self.is_imported or bool(self.annotated_frames)

    def role_of(self, layer: "Layer") -> Role | None:
        """Return what `layer` shows of this field."""
        layer = unwrap(layer)
        for role, reference in self._layers.items():
            if reference() is layer:
                return role
        return None

    def record(self, role: Role) -> dict[str, Any]:
        """Return the plain description that the layer of this role carries."""
        if role is Role.RECORDING or self.phase_map is None:
            return {"role": role.value, **self.acquisition.record()}
        record = self.phase_map.record()
        if role in (Role.CELLS, Role.TRACKS) and self.cells_step is not None:
            record["history"].append(self.cells_step.to_dict())
        if role is Role.TRACKS and self.table is not None:
            record["linking"] = self.table.attrs.get("linking", {})
        return {
            "role": role.value,
            "frames": sorted(self.done.get(role, ())),
            **record,
        }


# Keyed weakly by layer: closing a viewer or deleting a layer frees the field.
_fields: "weakref.WeakKeyDictionary[Layer, FieldOfView]" = weakref.WeakKeyDictionary()

# Readers return data, not layers. The recording waits here, under a name that the
# layer's metadata carries, until somebody asks for it; the lazy data of the layer
# (`layers.recording_layer`) keep the recording alive exactly as long as they exist.
_waiting: "weakref.WeakValueDictionary[str, Acquisition]" = (
    weakref.WeakValueDictionary()
)


def recording_metadata(acquisition: Acquisition) -> dict[str, Any]:
    """Return ``layer.metadata`` of a recording that a reader is about to hand over."""
    name = uuid.uuid4().hex
    _waiting[name] = acquisition
    record = FieldOfView(acquisition).record(Role.RECORDING)
    return {METADATA_KEY: {**record, "live": name}}


def claim_recording(layer: "Layer") -> Acquisition | None:
    """Return the live recording that a reader made this layer from, if any."""
    record = unwrap(layer).metadata.get(METADATA_KEY, {})
    return _waiting.get(record.get("live", ""))


def field_of(layer: "Layer | None") -> FieldOfView | None:
    """Return the field of view that a layer shows; `None` for layers of others."""
    if layer is None:
        return None
    layer = unwrap(layer)
    field = _fields.get(layer)
    if field is None:
        acquisition = claim_recording(layer)
        if acquisition is None:
            return None
        field = FieldOfView(acquisition)
        field.attach(Role.RECORDING, layer)
    return field
