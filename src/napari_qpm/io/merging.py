"""Who knows what of an instrument: the user beats the sidecar, which beats the file.

What nobody states is read off the first frame where it can be, and noted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import FrameSource, Instrument, Modality, PhaseUnit
from napari_qpm.errors import ParameterError, QPMError
from napari_qpm.io.bits import detect_bits
from napari_qpm.io.sidecar import Sidecar

__all__ = ["complete_instrument", "merge_instrument"]


def merge_instrument(
    path: Path,
    stated_by_file: Mapping[str, Any],
    sidecar: Sidecar | None,
    stated_by_user: Mapping[str, Any],
    notes: list[str],
) -> tuple[Instrument, dict[str, str]]:
    """Return the instrument from file, sidecar and user, and who said what.

    Contradictions are added to `notes`.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    ranks = [("file", stated_by_file), ("you", stated_by_user)]
    if sidecar is not None:
        ranks.insert(1, (f"sidecar {sidecar.path.name}", sidecar.instrument))
    for source, layer in ranks:
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
        try:
            Instrument().replace(**given)
        except QPMError as error:
            where = path if source == "file" else source
            raise ParameterError(
                f"Wrong instrument value in {where}: {error}"
            ) from error
    return Instrument().replace(**values), sources


def _differs(old: Any, new: Any) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float):
        return not np.isclose(old, new, rtol=1e-3)
    return bool(np.any(np.asarray(old) != np.asarray(new)))


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
        notes.append(
            "The unit of the phase is not stated: shapes can be measured, picograms "
            "cannot. Say it with phase_unit=…: rad, waves, nm, um or pg/um2."
        )
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
