"""The reference frame of a recording: an empty field, recorded with the same settings.

Where it came from is a step of the recording's history, so that results keep it and a
script can take the same one again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import (
    REFERENCE_STEP,
    Acquisition,
    FrameSource,
    Modality,
)
from napari_qpm.errors import FileFormatError, LayoutError, UnknownNameError
from napari_qpm.io.arranging import drop_opacity, is_grey
from napari_qpm.io.field import GroupedSource
from napari_qpm.io.formats import read_fields
from napari_qpm.io.temporal_median import MEDIAN, temporal_median
from napari_qpm.provenance import Step, fingerprint

__all__ = [
    "REFERENCE_STEP",
    "ReferenceFrame",
    "ReferenceLike",
    "is_median",
    "median_reference",
    "read_reference",
    "reference_origin",
    "take_reference",
    "with_reference",
]

_FROM_FILE, _FROM_ARRAY, _NONE = "file", "array", "none"
_SAID = "The reference frame "
_NUMBERS = "uif"


@dataclass(frozen=True, eq=False)
class ReferenceFrame:
    """A reference that fits a recording.

    Parameters
    ----------
    image
        ``(C, Y, X)`` raw values.
    step
        Where it came from.
    notes
        What the user should know of it.
    """

    image: NDArray[Any]
    step: Step
    notes: tuple[str, ...] = ()


ReferenceLike = str | Path | NDArray[Any] | ReferenceFrame


def with_reference(
    acquisition: Acquisition,
    reference: ReferenceLike | None,
    position: int | str | None = None,
) -> Acquisition:
    """Return the recording with another reference frame, or with none.

    Parameters
    ----------
    reference
        File of an empty field, of which the first frame is taken; an array ``(Y, X)``
        or ``(C, Y, X)``; "median" for the median over time; `None` removes the
        reference.
    position
        Number or name of the field of view, for files with several.

    Raises
    ------
    FileFormatError
        The file cannot be read.
    LayoutError
        The frame does not fit the recording.
    """
    notes = tuple(note for note in acquisition.notes if not note.startswith(_SAID))
    history = tuple(s for s in acquisition.history if s.name != REFERENCE_STEP)
    if reference is None:
        step = Step(REFERENCE_STEP, _NONE)
        return acquisition.replace(
            reference=None, notes=notes, history=(*history, step)
        )
    if is_median(reference):
        reference = median_reference(acquisition)
    if isinstance(reference, str | Path):
        reference = read_reference(reference, acquisition, position)
    if not isinstance(reference, ReferenceFrame):
        reference = take_reference(np.asarray(reference), acquisition)
    changed = acquisition.replace(
        reference=reference.image, notes=notes, history=(*history, reference.step)
    )
    return changed.with_note(*reference.notes)


def is_median(reference: object) -> bool:
    """Whether a reference is the word for the median, and no such file."""
    if not isinstance(reference, str | Path):
        return False
    return Path(reference).name == MEDIAN and not Path(reference).exists()


def median_reference(acquisition: Acquisition) -> ReferenceFrame:
    """Return the median of a recording over time as its reference.

    Raises
    ------
    LayoutError
        There are too few frames.
    """
    note = (
        f"{_SAID}is the median over time: right where each place is empty in more than "
        "half of the frames."
    )
    image = temporal_median(acquisition)
    step = Step(REFERENCE_STEP, MEDIAN, {MEDIAN: True})
    return ReferenceFrame(image, step, (note,))


def read_reference(
    path: str | Path, acquisition: Acquisition, position: int | str | None = None
) -> ReferenceFrame:
    """Return the first frame of a file as the reference of a recording.

    Parameters
    ----------
    position
        Number or name of the field of view, the first by default.

    Raises
    ------
    FileFormatError
        The file cannot be read.
    UnknownNameError
        There is no such position.
    LayoutError
        The frame does not fit the recording.
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise FileFormatError(f"There is no file or folder {place}. Check the path.")
    fields = read_fields(place, planes=False)
    names = [field.position for field in fields]
    number = _number(place, names, position)
    source: FrameSource = fields[number].source
    if fields[number].has_opacity:
        source, _ = drop_opacity(source, source.read(0), [])
    n_channels = acquisition.shape[1]
    if n_channels > 1 and source.shape[:2] == (n_channels, 1):
        source = GroupedSource(source, n_channels)
    is_one = len(fields) == 1
    where = place.name if is_one else f"{place.name} {names[number]}".strip()
    note = f"{_SAID}is {where}."
    if source.shape[0] > 1:
        note = f"{_SAID}is the first of {source.shape[0]} in {where}."
    image, notes = _fitting(source.read(0), acquisition, where)
    origin: dict[str, Any] = {"path": str(place.absolute())}
    if not is_one:
        origin["position"] = names[number] or number
    step = Step(REFERENCE_STEP, _FROM_FILE, origin, fingerprint(place))
    return ReferenceFrame(image, step, (note, *notes))


def _number(path: Path, names: list[str], position: int | str | None) -> int:
    """Return which field of view of a file is meant."""
    text = "0" if position is None else str(position)
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    options = [str(k) for k in range(len(names))] + [name for name in names if name]
    raise UnknownNameError(f"position (in {path.name})", text, options)


def take_reference(
    image: NDArray[Any], acquisition: Acquisition, name: str = ""
) -> ReferenceFrame:
    """Return an array ``(Y, X)`` or ``(C, Y, X)`` as the reference of a recording.

    Parameters
    ----------
    name
        What the user calls it, for example its layer.

    Raises
    ------
    LayoutError
        It does not fit the recording.
    """
    called = repr(name) if name else "an array"
    image, notes = _fitting(image, acquisition, called)
    step = Step(REFERENCE_STEP, _FROM_ARRAY, {"name": name})
    return ReferenceFrame(image, step, (f"{_SAID}is {called}.", *notes))


def reference_origin(acquisition: Acquisition) -> Mapping[str, Any] | None:
    """Return where a reference came from after opening; `None` if nobody changed it.

    ``{"path": …}`` for a file (and ``"position"``, where it has several), ``{"name":
    …}`` for an array, ``{"median": True}``, and ``{}`` where it was removed.
    """
    steps = [s for s in acquisition.history if s.name == REFERENCE_STEP]
    return steps[-1].parameters if steps else None


def _fitting(
    image: NDArray[Any], acquisition: Acquisition, name: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return a reference as ``(C, Y, X)``, with doubts; raise if it cannot serve."""
    if image.dtype.kind not in _NUMBERS:
        raise LayoutError(_no_picture(image, acquisition, name))
    image = image[None] if image.ndim == 2 else image
    if image.ndim == 3 and acquisition.shape[1] == 1 and is_grey(image):
        image = image[:1]
    wanted = acquisition.shape[1:]
    if acquisition.modality is Modality.THROUGH_FOCUS and image.shape[0] == 1:
        # An empty field looks the same in every plane.
        image = np.broadcast_to(image, (wanted[0], *image.shape[1:]))
    if image.shape != wanted:
        raise LayoutError(_misfit(image.shape, wanted, acquisition.name, name))
    finite = image[np.isfinite(image)] if image.dtype.kind == "f" else image
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    if low == high:
        raise LayoutError(
            f"The reference {name} is blank: all its pixels are the same. Choose the "
            "raw frame of an empty field, with the light on."
        )
    if np.logical_or(finite == low, finite == high).all():
        raise LayoutError(_no_picture(finite > low, acquisition, name))
    if acquisition.n_frames == 1 and np.array_equal(image, acquisition.read(0)):
        raise LayoutError(
            f"The reference {name} is the frame of {acquisition.name!r} itself: its "
            "phase would be zero everywhere. Choose the frame of an empty field."
        )
    kinds = {image.dtype, acquisition.dtype}
    if len(kinds) > 1 and all(kind.kind == "u" for kind in kinds):
        doubt = (
            f"{_SAID}is stored as {image.dtype}, the recording as {acquisition.dtype}: "
            "check that both come from the same camera settings."
        )
        return image, (doubt,)
    return image, ()


def _no_picture(image: NDArray[Any], acquisition: Acquisition, name: str) -> str:
    kinds = {"c": "complex numbers", "b": "a mask of two values"}
    kind = kinds.get(image.dtype.kind, f"{image.dtype} values")
    return (
        f"The reference {name} holds {kind}, not a camera frame like those of "
        f"{acquisition.name!r} ({acquisition.dtype}). Choose the raw frame of an empty "
        "field."
    )


def _misfit(
    found: tuple[int, ...], wanted: tuple[int, int, int], recording: str, name: str
) -> str:
    """Return what does not fit, and what to do."""
    if len(found) != 3:
        return (
            f"The reference {name} has shape {found}; one frame (Y, X) or (C, Y, X) is "
            "needed."
        )
    if found[0] != wanted[0] and found[1:] == wanted[1:]:
        return (
            f"The reference {name} has {_channels(found[0])}, the frames of "
            f"{recording!r} have {_channels(wanted[0])}: shapes {found} and {wanted} "
            "(C, Y, X). Use a raw frame of the same kind."
        )
    hint = "Use a reference from the same camera settings (region and binning)."
    if found[1:] == wanted[:0:-1]:
        hint = "One of them is turned by 90 degrees: turn it back."
    return (
        f"The reference {name} is {found[2]} x {found[1]} px, the frames of "
        f"{recording!r} are {wanted[2]} x {wanted[1]} px (width x height): shapes "
        f"{found} and {wanted} (C, Y, X). {hint}"
    )


def _channels(n: int) -> str:
    return "1 channel" if n == 1 else f"{n} channels"
