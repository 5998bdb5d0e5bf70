"""The frame of an empty field for each field of view: from user, sidecar or file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.io.arranging import is_grey
from napari_qpm.io.field import RawField
from napari_qpm.io.formats import read_fields
from napari_qpm.io.reference_frame import is_median, with_reference

__all__ = ["OneReference", "Reference", "files_of", "with_stated_reference"]

OneReference = str | Path | NDArray[Any]
"""File of an empty field, its frame ``(Y, X)`` or ``(C, Y, X)``, or "median"."""
Reference = OneReference | Mapping[str, OneReference]
"""One for all fields of view, or one for each by its name or number."""


def files_of(reference: Reference | None) -> tuple[Path, ...]:
    """Return the files among references, which are no frames of a recording."""
    each = reference.values() if isinstance(reference, Mapping) else [reference]
    return tuple(Path(one) for one in each if isinstance(one, str | Path))


def with_stated_reference(
    acquisition: Acquisition, raw: RawField, number: int, given: Reference | None
) -> Acquisition:
    """Return the acquisition with its reference, and a note on where it comes from.

    Parameters
    ----------
    acquisition, raw, number
        One field of view: opened, as its file states it, and its place in the file.
    given
        What the user or the sidecar names; the file's own reference when `None`.
    """
    if isinstance(given, Mapping):
        by_name = {str(key): one for key, one in given.items()}
        name = raw.position if raw.position in by_name else str(number)
        if name not in by_name:
            listed = ", ".join(by_name)
            return acquisition.with_note(
                f"No reference frame is named for position "
                f"{raw.position or number}; there are some for {listed}."
            )
        given = by_name[name]
    if given is None:
        reference = raw.reference
        if reference is None:
            return acquisition
        if reference.ndim == 3 and acquisition.shape[1] == 1 and is_grey(reference):
            reference = reference[:1]
        return acquisition.replace(reference=reference)
    if is_median(given) or not isinstance(given, str | Path):
        return with_reference(acquisition, given)
    # A file of references has them in the order of the recording's positions.
    place = Path(given).expanduser()
    fields = read_fields(place, planes=False) if place.exists() else []
    names = [field.position for field in fields]
    chosen = number if number < len(fields) else 0
    if raw.position and raw.position in names:
        chosen = names.index(raw.position)
    return with_reference(acquisition, given, chosen)
