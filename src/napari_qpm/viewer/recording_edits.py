"""What a user states of a recording, and what its results have to do then.

Facts that phase does not depend on are passed on to it; after all others the phase is
out of date, and the table always is.
"""

from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition, Modality, PhaseUnit
from napari_qpm.viewer.adoption import assume_layout
from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role
from napari_qpm.viewer.layers import show_frames

if TYPE_CHECKING:
    from napari_qpm.io.reference_frame import ReferenceFrame

__all__ = [
    "change_instrument",
    "change_modality",
    "change_reference",
    "change_source",
    "update_records",
]

FREE = {"wavelength_nm", "pixel_size_um", "frame_interval_s", "numerical_aperture"}


def change_modality(field: FieldOfView, modality: Modality | None) -> None:
    """State the kind of a recording; frames become one set of images, if it needs one.

    A set becomes frames again for other kinds.
    """
    from napari_qpm.io.arranging import regroup
    from napari_qpm.io.axes import AS_FRAMES
    from napari_qpm.io.opening import NOT_RECOGNISED

    old = field.acquisition
    if modality is not None:
        settled = (NOT_RECOGNISED, AS_FRAMES)
        kept = (n for n in old.notes if not any(words in n for words in settled))
        old = old.replace(notes=tuple(kept))
    source = regroup(old.source, old.modality, modality)
    if source is old.source:
        field.acquisition = assume_layout(old.replace(modality=modality))
    else:
        # Times and reference belong to the frames as they were.
        changed = old.replace(
            source=source, modality=modality, times_s=None, reference=None
        )
        change_source(field, assume_layout(changed))
    field.is_inspected = True
    field.is_outdated = field.phase_map is not None


def change_source(field: FieldOfView, recording: Acquisition) -> None:
    """Take other frames for a recording, and show them in its layer."""
    field.acquisition = recording
    field.recalled_for = field.table = None
    field.unfinished.clear()
    field.is_outdated = field.phase_map is not None
    layer = field.layer(Role.RECORDING)
    if layer is not None:
        show_frames(layer, recording)


def change_instrument(field: FieldOfView, **values: Any) -> bool:
    """State facts about the microscope and return whether they were new.

    Raises
    ------
    ParameterError
        A value is not possible.
    """
    old = field.acquisition.instrument
    field.acquisition = field.acquisition.with_instrument(**values)
    if field.acquisition.instrument == old:
        return False
    field.edits |= values
    field.table = None
    if set(values) <= _free_facts(field.acquisition):
        if field.phase_map is not None:
            resolved = field.phase_map.acquisition.with_instrument(**values)
            field.phase_map = field.phase_map.replace(acquisition=resolved)
    else:
        field.is_outdated = field.phase_map is not None
    return True


def change_reference(field: FieldOfView, reference: "ReferenceFrame | None") -> None:
    """Take another reference frame, or none."""
    from napari_qpm.io.reference_frame import with_reference

    field.acquisition = with_reference(field.acquisition, reference)
    field.table = None
    field.is_outdated = field.phase_map is not None


def update_records(field: FieldOfView) -> None:
    """Write what is known by now into the metadata of a field's layers."""
    for role in Role:
        layer = field.layer(role)
        if layer is None or (role is Role.RECORDING and field.is_adopted):
            continue
        old = layer.metadata.get(METADATA_KEY, {})
        record = field.record(role)
        if "live" in old:
            record["live"] = old["live"]
        layer.metadata[METADATA_KEY] = record


def _free_facts(acquisition: Acquisition) -> set[str]:
    """Return the instrument fields that phase, once retrieved, does not depend on."""
    in_length = (PhaseUnit.NANOMETRES, PhaseUnit.MICROMETRES)
    if acquisition.instrument.phase_unit in in_length:
        # Such images are turned into radians with the wavelength.
        return FREE - {"wavelength_nm"}
    return FREE
