"""The one way in: a path becomes an `Acquisition` that knows what was understood.

What the user says beats the sidecar, which beats the file. What nobody says is detected
from the first frame, noted, and can be corrected; numbers are never invented.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import (
    Acquisition,
    FrameSource,
    Instrument,
    Modality,
)
from napari_qpm.errors import (
    FileFormatError,
    LayoutError,
    QPMError,
    UnknownNameError,
)
from napari_qpm.instrument_file import load_instrument
from napari_qpm.io.detect import (
    READY_LAYOUT,
    SONY_LAYOUT,
    Detection,
    detect_modality,
    four_angle_layout,
)
from napari_qpm.io.field import ChannelSource, GroupedSource, RawField, UngroupedSource
from napari_qpm.io.formats import is_own_result, read_fields
from napari_qpm.io.merging import (
    check_instrument,
    complete_instrument,
    merge_instrument,
)
from napari_qpm.io.sidecar import Sidecar, find_sidecar, load_sidecar
from napari_qpm.provenance import Step, fingerprint

__all__ = ["is_ours", "open_acquisition", "open_all"]

ReferenceLike = str | Path | NDArray[Any]
InstrumentLike = str | Path | Instrument


@dataclass(frozen=True)
class _Stated:
    """What user and sidecar say about a recording."""

    modality: Modality | None
    reference: ReferenceLike | None
    instrument: Mapping[str, Any]
    sidecar: Sidecar | None


def open_acquisition(
    path: str | Path,
    *,
    modality: str | Modality | None = None,
    position: int | str | None = None,
    reference: ReferenceLike | None = None,
    instrument: InstrumentLike | None = None,
    **facts: Any,
) -> Acquisition:
    """Return one field of view of a recording; only headers and one frame are read.

    Parameters
    ----------
    path
        TIFF, PNG, JPEG, BMP, NPY, NPZ or OME-Zarr, or a folder of numbered frames.
    modality
        Kind of recording; detected from the first frame when not given.
    position
        Number or name of the field of view, for files with several.
    reference
        Frame of an empty field: a file, or an array ``(Y, X)`` or ``(C, Y, X)``.
    instrument
        An instrument, or an instrument file, as `fit_instrument` finds it.
    **facts
        `Instrument` fields, for example ``wavelength_nm=532``. They beat `instrument`,
        which beats the sidecar ``*.qpm.yaml``, which beats the file.

    Raises
    ------
    FileFormatError
        The path cannot be read.
    LayoutError
        Shapes or channels do not fit, or `position` is needed and missing.
    UnknownNameError
        An unknown modality, position or instrument field.
    """
    place = _existing(path)
    stated = _stated(place, modality, reference, _facts(instrument, facts))
    fields = _read(place, stated)
    return _build(place, _chosen(place, fields, position), stated, fingerprint(place))


def open_all(
    path: str | Path,
    *,
    modality: str | Modality | None = None,
    reference: ReferenceLike | None = None,
    instrument: InstrumentLike | None = None,
    **facts: Any,
) -> list[Acquisition]:
    """Return every field of view of a recording; see `open_acquisition`."""
    place = _existing(path)
    stated = _stated(place, modality, reference, _facts(instrument, facts))
    inputs = fingerprint(place)
    return [_build(place, one, stated, inputs) for one in _read(place, stated)]


def is_ours(path: str | Path) -> bool:
    """Return whether napari should open a path with this plugin, without raising.

    True for paths with a sidecar, our own results, and frames that look like a
    polarization mosaic or a hologram; anything else is left to other readers.
    """
    try:
        place = _existing(path)
        if find_sidecar(place) is not None or is_own_result(place):
            return True
        first = read_fields(place, planes=False)[0]
        _, frame = _collapse_grey(first.source, first.source.read(0), [])
    except (QPMError, OSError):
        return False
    if frame.shape[0] != 1:
        return False
    return detect_modality(frame).modality in (Modality.POLARIZATION, Modality.OFF_AXIS)


def _facts(
    instrument: InstrumentLike | None, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the user says: the fields of an instrument, and single facts."""
    if instrument is None:
        return dict(facts)
    if not isinstance(instrument, Instrument):
        instrument = load_instrument(instrument)
    return instrument.to_dict() | dict(facts)


def _existing(path: str | Path) -> Path:
    place = Path(path).expanduser()
    if not place.exists():
        raise FileFormatError(f"There is no file or folder {place}. Check the path.")
    return place


def _stated(
    path: Path,
    modality: str | Modality | None,
    reference: ReferenceLike | None,
    instrument: Mapping[str, Any],
) -> _Stated:
    check_instrument(instrument, "the values you gave")
    found = find_sidecar(path)
    sidecar = None if found is None else load_sidecar(found)
    if sidecar is not None:
        modality = modality or sidecar.modality
        reference = sidecar.reference if reference is None else reference
    parsed = None if modality is None else Modality.parse(str(modality))
    return _Stated(parsed, reference, instrument, sidecar)


def _read(path: Path, stated: _Stated) -> list[RawField]:
    planes = stated.modality is Modality.THROUGH_FOCUS
    skip = (stated.reference,) if isinstance(stated.reference, str | Path) else ()
    return read_fields(path, planes, skip=tuple(Path(p) for p in skip))


def _chosen(path: Path, fields: list[RawField], position: int | str | None) -> RawField:
    if position is None:
        if len(fields) == 1:
            return fields[0]
        listed = ", ".join(f"{k} ({f.position})" for k, f in enumerate(fields))
        raise LayoutError(
            f"{path.name} holds {len(fields)} positions: {listed}. Choose one with "
            "position=…, or open all of them with open_all."
        )
    names = [f.position for f in fields]
    if isinstance(position, str) and position in names:
        return fields[names.index(position)]
    text = str(position)
    if text.isdecimal() and int(text) < len(fields):
        return fields[int(text)]
    options = [str(k) for k in range(len(fields))] + [name for name in names if name]
    raise UnknownNameError(f"position (in {path.name})", text, options)


def _build(
    path: Path, raw: RawField, stated: _Stated, inputs: dict[str, Any]
) -> Acquisition:
    """Return the acquisition of one field of view, with everything that was found."""
    first = raw.source.read(0)
    notes = list(raw.notes)
    source, first = _collapse_grey(raw.source, first, notes)
    if raw.is_planar:
        source, first = _planes_as_frames(source, first, stated.modality, notes)
    modality = stated.modality or raw.modality
    detection = detect_modality(first)
    kind = "As the file states." if stated.modality is None else "As stated."
    if modality is None:
        modality, kind = detection.modality, detection.reason
        notes.append(_detection_note(detection))
    elif stated.modality is not None and raw.modality is None:
        notes += _doubt_note(modality, detection)
    source, layout = _arrange(path, source, first, modality, detection, notes)
    instrument, sources = merge_instrument(
        raw.instrument, stated.sidecar, stated.instrument, notes
    )
    instrument = complete_instrument(
        instrument, sources, source, first, modality, layout, notes
    )
    name = _name(path, raw, stated)
    step = Step(
        name="open",
        engine=raw.reader,
        parameters={"sources": sources, "kind": kind},
        inputs=inputs,
    )
    acquisition = Acquisition(
        source=source,
        modality=modality,
        instrument=instrument,
        name=name,
        path=path.absolute(),
        notes=tuple(dict.fromkeys(notes)),
        history=(step,),
    )
    return _with_reference(acquisition, raw, stated)


def _name(path: Path, raw: RawField, stated: _Stated) -> str:
    name = stated.sidecar.name if stated.sidecar is not None else None
    if name is None:
        name = path.name if path.is_dir() else path.stem
        for suffix in (".zarr", ".ome"):
            name = name.removesuffix(suffix)
    return f"{name} {raw.position}".strip()


def _collapse_grey(
    source: FrameSource, first: NDArray[Any], notes: list[str]
) -> tuple[FrameSource, NDArray[Any]]:
    """Return one channel when three or four colour channels repeat the same grey."""
    if not _is_grey(first):
        return source, first
    notes.append("Grey values are stored as RGB; one channel is used.")
    return ChannelSource(source, (0,)), first[:1]


def _planes_as_frames(
    source: FrameSource,
    first: NDArray[Any],
    stated: Modality | None,
    notes: list[str],
) -> tuple[FrameSource, NDArray[Any]]:
    """Return colour planes as frames when each of them is a whole recording's frame."""
    n_channels = first.shape[0]
    if n_channels == 1 or (n_channels == 4 and four_angle_layout(first) is not None):
        return source, first
    single = (Modality.POLARIZATION, Modality.OFF_AXIS, Modality.PHASE)
    kind = stated or detect_modality(first[:1]).modality
    if kind not in single:
        return source, first
    notes.append(
        f"The file stores its {n_channels} images as colour planes; they are taken as "
        "frames."
    )
    return UngroupedSource(source), first[:1]


def _is_grey(frame: NDArray[Any]) -> bool:
    """Whether colours ``(3, Y, X)``, or with opacity ``(4, Y, X)``, repeat one grey."""
    if frame.shape[0] not in (3, 4):
        return False
    if not all(np.array_equal(frame[0], colour) for colour in frame[1:3]):
        return False
    return frame.shape[0] == 3 or bool(frame[3].min() == frame[3].max())


def _detection_note(detection: Detection) -> str:
    options = ", ".join(m.value for m in Modality)
    if detection.modality is None:
        return (
            f"The kind of recording was not recognised: {detection.reason} "
            f"Say which it is with modality=…: {options}."
        )
    return (
        f"Recognised as {detection.modality.value}: {detection.reason} "
        "Correct with modality=… if this is wrong."
    )


def _doubt_note(modality: Modality, detection: Detection) -> list[str]:
    """Return a doubt when the first frame clearly looks like another kind."""
    seen = detection.modality
    clear = (Modality.POLARIZATION, Modality.OFF_AXIS)
    if seen is modality or seen not in clear:
        return []
    note = (
        f"Opened as {modality.value}, as asked, but it looks like {seen.value}: "
        f"{detection.reason}"
    )
    return [note]


def _arrange(
    path: Path,
    source: FrameSource,
    first: NDArray[Any],
    modality: Modality | None,
    detection: Detection,
    notes: list[str],
) -> tuple[FrameSource, tuple[int, int, int, int] | None]:
    """Return the source with channels as the modality needs, and a layout to assume."""
    n_frames, n_channels = source.shape[:2]
    as_channels = (Modality.THROUGH_FOCUS, Modality.PHASE_SHIFTING)
    if modality in as_channels and n_channels == 1 and n_frames > 1:
        return GroupedSource(source, n_frames), None
    if modality is not Modality.POLARIZATION:
        return source, None
    if n_channels == 4:
        return source, detection.layout or READY_LAYOUT
    if n_channels != 1:
        raise LayoutError(
            f"{path.name} holds {n_channels} channels, but four polarizer angles "
            f"(0, 45, 90, 135 degrees) are needed: {n_channels} found. Add the missing "
            "angle, or open the raw mosaic."
        )
    is_mosaic = detection.modality is Modality.POLARIZATION
    if is_mosaic or n_frames == 1 or first.min() == first.max():
        return source, SONY_LAYOUT
    return _group_angles(path, source, notes)


def _group_angles(
    path: Path, source: FrameSource, notes: list[str]
) -> tuple[FrameSource, tuple[int, int, int, int]]:
    """Return pages in groups of four angles when the first four add up like angles."""
    n_frames = source.shape[0]
    if n_frames < 4:
        raise LayoutError(
            f"{path.name} shows no polarizer mosaic and holds {n_frames} frames, but "
            f"four angles (0, 45, 90, 135 degrees) are needed: {n_frames} found. Add "
            "the missing angle, or open the raw mosaic."
        )
    layout = four_angle_layout(np.stack([source.read(k)[0] for k in range(4)]))
    if layout is None:
        notes.append(
            "No polarizer mosaic is visible in the first frame. It is treated as one, "
            "as asked; check the kind of recording."
        )
        return source, SONY_LAYOUT
    if n_frames % 4:
        raise LayoutError(
            f"{path.name} holds {n_frames} images of single polarizer angles, which is "
            "not a multiple of four: an angle is missing. Remove the incomplete frame."
        )
    notes.append("Every four images are the four polarizer angles of one frame.")
    return GroupedSource(source, 4), layout


def _with_reference(
    acquisition: Acquisition, raw: RawField, stated: _Stated
) -> Acquisition:
    """Return the acquisition with the reference of user, sidecar or file."""
    given = stated.reference
    if given is None:
        reference = raw.reference
    elif isinstance(given, str | Path):
        reference, note = _read_reference(Path(given).expanduser(), acquisition)
        acquisition = acquisition.with_note(note)
    else:
        reference = np.asarray(given)
    if reference is None:
        return acquisition
    if reference.ndim == 3 and acquisition.shape[1] == 1 and _is_grey(reference):
        reference = reference[:1]
    return acquisition.replace(reference=reference)


def _read_reference(path: Path, acquisition: Acquisition) -> tuple[NDArray[Any], str]:
    """Return the reference frame of a file, and a note on where it comes from."""
    source = read_fields(_existing(path), planes=False)[0].source
    n_channels = acquisition.shape[1]
    if n_channels > 1 and source.shape[:2] == (n_channels, 1):
        source = GroupedSource(source, n_channels)
    note = f"The reference frame is {path.name}."
    if source.shape[0] > 1:
        note = f"The reference frame is the first of {source.shape[0]} in {path.name}."
    return source.read(0), note
