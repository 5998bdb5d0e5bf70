"""Who knows what of an instrument: the user beats the sidecar, which beats the file.

What nobody states is read off the first frame where it can be, and noted.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import FrameSource, Instrument, Modality, PhaseUnit
from napari_qpm.errors import ParameterError, QPMError
from napari_qpm.io.bits import detect_bits
from napari_qpm.io.sidecar import Sidecar

__all__ = [
    "UNIT_UNKNOWN",
    "check_instrument",
    "complete_instrument",
    "merge_instrument",
]

UNIT_UNKNOWN = (
    "The unit of the phase is not stated: shapes can be measured, picograms "
    "cannot. Say it with phase_unit=…: rad, waves, nm, um or pg/um2."
)


def check_instrument(values: Mapping[str, Any], where: str) -> None:
    """Raise when `values` are no valid `Instrument` fields.

    Raises
    ------
    UnknownNameError
        A key is no field.
    ParameterError
        A value is of the wrong kind; the message says that `where` states it.
    """
    for name, value in values.items():
        try:
            Instrument().replace(**{name: value})
        except (QPMError, TypeError, ValueError) as error:
            if name not in Instrument.__dataclass_fields__:
                raise
            message = f"{name} = {value!r} in {where} cannot be used: {error}"
            raise ParameterError(message) from error


def merge_instrument(
    stated_by_file: Mapping[str, Any],
    sidecar: Sidecar | None,
    stated_by_user: Mapping[str, Any],
    notes: list[str],
) -> tuple[Instrument, dict[str, str]]:
    """Return the instrument from file, sidecar and user, and who said what.

    Contradictions are added to `notes`, and so are values of the file that make no
    sense: those nobody can mend, so they are left out.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    layers: list[tuple[str, Mapping[str, Any]]] = []
    layers.append(("file", _usable(stated_by_file, notes)))
    if sidecar is not None:
        check_instrument(sidecar.instrument, f"the sidecar {sidecar.path}")
        layers.append((f"sidecar {sidecar.path.name}", sidecar.instrument))
    layers.append(("you", stated_by_user))
    for source, layer in layers:
        given = {name: value for name, value in layer.items() if value is not None}
        if {"camera_pixel_um", "magnification"} <= given.keys():
            values.pop("pixel_size_um", None)
        for name, value in given.items():
            if name in values and _differs(values[name], value):
                notes.append(
                    f"{name}: {value} from {source} replaces {values[name]} from "
                    f"{sources[name]}."
                )
            values[name], sources[name] = value, source
    return Instrument().replace(**values), sources


def _usable(values: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return the values that an instrument takes; note the others."""
    usable = {}
    for name, value in values.items():
        try:
            check_instrument({name: value}, "the file")
        except QPMError as error:
            notes.append(f"{error} It is ignored.")
        else:
            usable[name] = value
    return usable


def _differs(old: Any, new: Any) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float):
        return not np.isclose(old, new, rtol=1e-3)
    return not np.array_equal(np.asarray(old), np.asarray(new))


def complete_instrument(
    instrument: Instrument,
    sources: dict[str, str],
    source: FrameSource,
    first: NDArray[Any],
    modality: Modality | None,
    layout: tuple[int, int, int, int] | None,
    notes: list[str],
) -> Instrument:
    """Return the instrument with what the first frame tells, each with its note."""
    if instrument.bit_depth is None and modality is not Modality.PHASE:
        depth, shift, note = detect_bits(first)
        if depth is not None:
            instrument = instrument.replace(bit_depth=depth, bit_shift=shift)
            sources["bit_depth"] = "seen in the first frame"
        if note:
            notes.append(note)
    elif instrument.bit_depth is not None and "bit_shift" not in sources:
        _, shift, note = detect_bits(first)
        if shift and instrument.bit_depth + shift <= 16:
            instrument = instrument.replace(bit_shift=shift)
            notes.append(note)
    if modality is Modality.POLARIZATION:
        instrument = _with_layout(instrument, sources, source, layout, notes)
    if modality is Modality.PHASE and instrument.phase_unit is None:
        instrument = instrument.replace(phase_unit=PhaseUnit.UNKNOWN)
        notes.append(UNIT_UNKNOWN)
    return instrument


def _with_layout(
    instrument: Instrument,
    sources: dict[str, str],
    source: FrameSource,
    layout: tuple[int, int, int, int] | None,
    notes: list[str],
) -> Instrument:
    n_channels, height, width = source.shape[1:]
    if n_channels == 1 and (height % 2 or width % 2):
        lost = " and ".join(
            word for word, size in (("row", height), ("column", width)) if size % 2
        )
        notes.append(
            f"The mosaic has an odd size ({height} x {width}): its last {lost} has no "
            "partner and is ignored."
        )
    if instrument.polarization_layout is not None or layout is None:
        return instrument
    sources["polarization_layout"] = "assumed"
    a, b, c, d = layout
    order = (
        f"row 0: {a}, {b}; row 1: {c}, {d} degrees, as Sony sensors have it"
        if n_channels == 1
        else f"channels {a}, {b}, {c}, {d} degrees"
    )
    notes.append(
        f"The order of the polarizer angles is assumed ({order}). If your camera "
        "differs, say it with polarization_layout=(…), and a cropped sensor with "
        "roi_offset_px=(y, x); a wrong order flips or distorts the phase."
    )
    return instrument.replace(polarization_layout=layout)
