"""The one way in: a path becomes an `Acquisition` that knows what was understood.

What the user says beats the sidecar, which beats the file. What nobody says is detected
from the first frame, noted, and can be corrected; numbers are never invented.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

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
from napari_qpm.io.arranging import (
    IMAGE_SETS,
    arrange,
    collapse_grey,
    drop_opacity,
    planes_as_frames,
)
from napari_qpm.io.camera_formats import camera_format
from napari_qpm.io.channels import Channels, choose_channel
from napari_qpm.io.detect import Detection, detect_modality
from napari_qpm.io.field import RawField
from napari_qpm.io.formats import UNCOMMON_SUFFIXES, is_own_result, read_fields
from napari_qpm.io.merging import (
    check_instrument,
    complete_instrument,
    merge_instrument,
)
from napari_qpm.io.plausible import require_plausible
from napari_qpm.io.references import Reference, files_of, with_stated_reference
from napari_qpm.io.sidecar import Sidecar, find_sidecar, load_sidecar
from napari_qpm.io.times import keep_times
from napari_qpm.provenance import Step, fingerprint

__all__ = ["NOT_RECOGNISED", "is_ours", "open_acquisition", "open_all", "open_channel"]

InstrumentLike = str | Path | Instrument
NOT_RECOGNISED = "The kind of recording was not recognised"


@dataclass(frozen=True)
class _Stated:
    """What user and sidecar say about a recording."""

    modality: Modality | None
    channel: int | str | None
    reference: Reference | None
    instrument: Mapping[str, Any]
    sidecar: Sidecar | None


def open_acquisition(
    path: str | Path,
    *,
    modality: str | Modality | None = None,
    position: int | str | None = None,
    channel: int | str | None = None,
    reference: Reference | None = None,
    instrument: InstrumentLike | None = None,
    **facts: Any,
) -> Acquisition:
    """Return one field of view of a recording; only headers and one frame are read.

    Parameters
    ----------
    path
        TIFF, PNG, JPEG, BMP, NPY, NPZ, HDF5 or OME-Zarr, or a folder of frames.
    modality
        Kind of recording; detected from the first frame when not given.
    position
        Number or name of the field of view, for files with several.
    channel
        Number or name of the channel that makes the phase, for files that also hold
        others, such as fluorescence.
    reference
        Frame of an empty field: a file, or an array ``(Y, X)`` or ``(C, Y, X)``; or
        several of them by name or number of the field of view.
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
        An unknown modality, position, channel or instrument field.
    """
    place = _existing(path)
    said = _facts(instrument, facts)
    stated = _stated(place, modality, channel, reference, said)
    fields = _read(place, stated)
    number = _chosen(place, fields, position)
    return _build(place, fields[number], number, stated, fingerprint(place))


def open_all(
    path: str | Path,
    *,
    modality: str | Modality | None = None,
    channel: int | str | None = None,
    reference: Reference | None = None,
    instrument: InstrumentLike | None = None,
    **facts: Any,
) -> list[Acquisition]:
    """Return every field of view of a recording; see `open_acquisition`."""
    place = _existing(path)
    said = _facts(instrument, facts)
    stated = _stated(place, modality, channel, reference, said)
    inputs = fingerprint(place)
    return [
        _build(place, one, number, stated, inputs)
        for number, one in enumerate(_read(place, stated))
    ]


def open_channel(recording: Acquisition, channel: str) -> Acquisition:
    """Return the same field of view of a recording's file with another channel.

    Its kind is detected anew, and stays as it was where nothing is recognised.

    Raises
    ------
    FileFormatError
        The recording is in no file, or the file does not hold it any more.
    """
    if recording.path is None:
        raise FileFormatError(
            f"{recording.name!r} is in no file, so no other channel can be read."
        )
    opened = _same_field(recording, recording.path, channel, None)
    if opened.modality is not None or recording.modality is None:
        return opened
    return _same_field(recording, recording.path, channel, recording.modality)


def _same_field(
    recording: Acquisition, path: Path, channel: str, modality: Modality | None
) -> Acquisition:
    for one in open_all(path, channel=channel, modality=modality):
        if one.name == recording.name:
            return one
    raise FileFormatError(
        f"{path} does not hold {recording.name!r} any more. Open it again."
    )


def is_ours(path: str | Path) -> bool:
    """Return whether napari should open a path with this plugin, without raising.

    True for paths with a sidecar, our own results, formats that only phase microscopes
    write, and frames that look like a polarization mosaic or a hologram; anything else
    is left to other readers.
    """
    from napari_qpm.io.folder import first_part
    from napari_qpm.io.zarr_reader import is_zarr

    try:
        place = _existing(path)
        if find_sidecar(place) is not None or is_own_result(place):
            return True
        if place.is_dir() and not is_zarr(place):
            place = first_part(place)
        raw = read_fields(place, planes=False)[0]
        if raw.modality is not None or place.suffix.lower() in UNCOMMON_SUFFIXES:
            return True
        first = _first_frame(place, raw.source)
        source = raw.source
        if raw.has_opacity:
            source, first = drop_opacity(source, first, [])
        source, first = collapse_grey(source, first, [])
        names = raw.channel_names
        _, first, channels = choose_channel(place, source, first, names, None, [])
    except (QPMError, OSError):
        return False
    is_mixed = channels is not None and channels.chosen is None
    seen = [first[k : k + 1] for k in range(len(first))] if is_mixed else [first]
    known = (Modality.POLARIZATION, Modality.OFF_AXIS)
    return any(detect_modality(one).modality in known for one in seen)


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
    channel: int | str | None,
    reference: Reference | None,
    instrument: Mapping[str, Any],
) -> _Stated:
    check_instrument(instrument, "the values you gave")
    found = find_sidecar(path)
    sidecar = None if found is None else load_sidecar(found)
    if sidecar is not None:
        modality = modality or sidecar.modality
        channel = sidecar.channel if channel is None else channel
        reference = sidecar.reference if reference is None else reference
    parsed = None if modality is None else Modality.parse(str(modality))
    return _Stated(parsed, channel, reference, instrument, sidecar)


def _read(path: Path, stated: _Stated) -> list[RawField]:
    planes = stated.modality is Modality.THROUGH_FOCUS
    return read_fields(path, planes, skip=files_of(stated.reference))


def _chosen(path: Path, fields: list[RawField], position: int | str | None) -> int:
    """Return the number of the field of view that was asked for."""
    if position is None:
        if len(fields) == 1:
            return 0
        listed = ", ".join(f"{k} ({f.position})" for k, f in enumerate(fields))
        raise LayoutError(
            f"{path.name} holds {len(fields)} positions: {listed}. Choose one with "
            "position=…, or open all of them with open_all."
        )
    names = [f.position for f in fields]
    if isinstance(position, str) and position in names:
        return names.index(position)
    text = str(position)
    if text.isdecimal() and int(text) < len(fields):
        return int(text)
    options = [str(k) for k in range(len(fields))] + [name for name in names if name]
    raise UnknownNameError(f"position (in {path.name})", text, options)


def _first_frame(path: Path, source: FrameSource) -> NDArray[Any]:
    """Return the first frame, unless the file is far too small to hold it."""
    require_plausible(path, source)
    return source.read(0)


def _build(
    path: Path, raw: RawField, number: int, stated: _Stated, inputs: dict[str, Any]
) -> Acquisition:
    """Return the acquisition of one field of view, with everything that was found."""
    first = _first_frame(path, raw.source)
    notes = list(raw.notes)
    raw = _named_by_camera(path, raw, notes)
    source = raw.source
    channels: Channels | None = None
    if raw.has_opacity:
        source, first = drop_opacity(source, first, notes)
    source, first = collapse_grey(source, first, notes)
    if stated.channel is not None or stated.modality not in IMAGE_SETS:
        names = raw.channel_names
        source, first, channels = choose_channel(
            path, source, first, names, stated.channel, notes
        )
    if raw.is_planar:
        source, first = planes_as_frames(source, first, stated.modality, notes)
    modality = stated.modality or raw.modality
    detection = detect_modality(first)
    kind = "As the file states." if stated.modality is None else "As stated."
    if modality is None:
        modality, kind = detection.modality, detection.reason
        notes.append(_detection_note(detection))
    elif stated.modality is not None and raw.modality is None:
        notes += _doubt_note(modality, detection)
    source, layout = arrange(path, source, first, modality, detection, notes)
    instrument, sources = merge_instrument(
        raw.instrument, stated.sidecar, stated.instrument, notes
    )
    times_s, instrument = keep_times(raw, source, instrument, sources, notes)
    instrument = complete_instrument(
        instrument, sources, source, first, modality, layout, notes
    )
    name = _name(path, raw, stated)
    step = Step(
        name="open",
        engine=raw.reader,
        parameters={"sources": sources, "kind": kind, **_told(channels)},
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
        times_s=times_s,
    )
    return with_stated_reference(acquisition, raw, number, stated.reference)


def _told(channels: Channels | None) -> dict[str, Any]:
    """Return what the history says of the channel, where there was a choice."""
    return {} if channels is None else {"channels": asdict(channels)}


def _named_by_camera(path: Path, raw: RawField, notes: list[str]) -> RawField:
    """Return the field with what its file name says of a polarization camera."""
    said = camera_format(path, raw.source.shape[1])
    if said is None:
        return raw
    notes.append(said.note)
    if said.modality is None:
        return raw
    layout = {"polarization_layout": said.layout}
    instrument = {**layout, **raw.instrument}
    return replace(
        raw, modality=said.modality, instrument=instrument, has_opacity=False
    )


def _name(path: Path, raw: RawField, stated: _Stated) -> str:
    name = stated.sidecar.name if stated.sidecar is not None else None
    if name is None:
        name = path.name if path.is_dir() else path.stem
        for suffix in (".zarr", ".ome"):
            name = name.removesuffix(suffix)
    return f"{name} {raw.position}".strip()


def _detection_note(detection: Detection) -> str:
    options = ", ".join(m.value for m in Modality)
    if detection.modality is None:
        return (
            f"{NOT_RECOGNISED}: {detection.reason} "
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
