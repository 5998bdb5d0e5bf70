"""The frame of an empty field for each field of view: from user, sidecar or file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, FrameSource
from napari_qpm.errors import FileFormatError
from napari_qpm.io.arranging import drop_opacity, is_grey
from napari_qpm.io.field import GroupedSource, RawField
from napari_qpm.io.formats import read_fields
from napari_qpm.io.temporal_median import MEDIAN, temporal_median

__all__ = ["OneReference", "Reference", "files_of", "with_reference"]

OneReference = str | Path | NDArray[Any]
"""File of an empty field, its frame ``(Y, X)`` or ``(C, Y, X)``, or "median"."""
Reference = OneReference | Mapping[str, OneReference]
"""One for all fields of view, or one for each by its name or number."""


def files_of(reference: Reference | None) -> tuple[Path, ...]:
    """Return the files among references, which are no frames of a recording."""
    each = reference.values() if isinstance(reference, Mapping) else [reference]
    return tuple(Path(one) for one in each if isinstance(one, str | Path))


def with_reference(
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
    elif _is_median(given):
        reference = temporal_median(acquisition)
        acquisition = acquisition.with_note(
            "The reference frame is the median over time: right where each place is "
            "empty in more than half of the frames."
        )
    elif isinstance(given, str | Path):
        place = Path(given).expanduser()
        reference, note = _read(place, acquisition, raw.position, number)
        acquisition = acquisition.with_note(note)
    else:
        reference = np.asarray(given)
    if reference is None:
        return acquisition
    if reference.ndim == 3 and acquisition.shape[1] == 1 and is_grey(reference):
        reference = reference[:1]
    return acquisition.replace(reference=reference)


def _is_median(given: OneReference) -> bool:
    """Return whether a reference is the word for the median and no such file."""
    if not isinstance(given, str | Path):
        return False
    return Path(given).name == MEDIAN and not Path(given).exists()


def _read(
    path: Path, acquisition: Acquisition, position: str, number: int
) -> tuple[NDArray[Any], str]:
    """Return the reference frame of a file, and a note on where it comes from."""
    if not path.exists():
        raise FileFormatError(f"There is no file or folder {path}. Check the path.")
    fields = read_fields(path, planes=False)
    names = [field.position for field in fields]
    if position and position in names:
        chosen = names.index(position)
    else:
        chosen = number if number < len(fields) else 0
    source: FrameSource = fields[chosen].source
    if fields[chosen].has_opacity:
        source, _ = drop_opacity(source, source.read(0), [])
    n_channels = acquisition.shape[1]
    if n_channels > 1 and source.shape[:2] == (n_channels, 1):
        source = GroupedSource(source, n_channels)
    where = f"{path.name} {names[chosen]}" if len(fields) > 1 else path.name
    note = f"The reference frame is {where}."
    if source.shape[0] > 1:
        note = f"The reference frame is the first of {source.shape[0]} in {where}."
    return source.read(0), note
