"""Words for the user: kinds, units and summaries, in one place."""

import errno
import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition, Modality, PhaseUnit
from napari_qpm.errors import MissingMetadataError, QPMError
from napari_qpm.viewer.number_lists import numbers_in_words

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FIELD_WORDS",
    "KIND_TITLES",
    "UNIT_TITLES",
    "describe_recording",
    "describe_table",
    "duration_in_words",
    "explain",
    "fact_in_words",
    "facts_in_words",
    "gaps_in_words",
    "layout_title",
    "mass_text",
    "missing_in_words",
    "notes_in_words",
    "unit_symbol",
    "unwrapping_in_words",
]

KIND_TITLES = {
    Modality.POLARIZATION: "Polarization camera",
    Modality.OFF_AXIS: "Off-axis hologram",
    Modality.CHROMATIC: "Colour brightfield",
    Modality.THROUGH_FOCUS: "Through-focus stack",
    Modality.PHASE_SHIFTING: "Phase-shifting interferograms",
    Modality.PHASE: "Phase image",
}

UNIT_TITLES = {
    PhaseUnit.UNKNOWN: "Unknown",
    PhaseUnit.RADIANS: "Radians",
    PhaseUnit.WAVES: "Waves (2 pi)",
    PhaseUnit.NANOMETRES: "nm of optical path",
    PhaseUnit.MICROMETRES: "µm of optical path",
    PhaseUnit.MASS_DENSITY: "pg/µm² of dry mass",
}


UNIT_SYMBOLS = {
    PhaseUnit.NANOMETRES: "nm",
    PhaseUnit.MICROMETRES: "µm",
    PhaseUnit.MASS_DENSITY: "pg/µm²",
    PhaseUnit.UNKNOWN: "unit unknown",
}


def unit_symbol(unit: PhaseUnit) -> str:
    """Return a phase unit as it stands beside a number."""
    return UNIT_SYMBOLS.get(unit, unit.value)


# Sentences that name keywords are for scripts; the dock has fields instead.
_FOR_SCRIPTS = re.compile(r"[a-z_]+=\(?…")


def notes_in_words(notes: Iterable[str]) -> list[str]:
    """Return notes without the sentences that only help in a script."""
    kept = []
    for note in notes:
        sentences = re.split(r"(?<=[.:]) (?=[A-Z])", note)
        words = " ".join(s for s in sentences if not _FOR_SCRIPTS.search(s))
        kept.append(words or note)
    return kept


UNWRAPPING_WORDS = {
    "fast": "2π steps: none are ambiguous, so unwrapping is exact.",
    "quality": "2π steps: ambiguous in places; unwrapped from the most reliable pixels "
    "outwards.",
    "none": "2π steps: left as they are.",
}


def unwrapping_in_words(notes: Mapping[str, object]) -> str:
    """Return how a frame was unwrapped and refocused, from its notes, if they say."""
    told = UNWRAPPING_WORDS.get(str(notes.get("unwrapping")), "")
    n_residues = notes.get("residues")
    if told and isinstance(n_residues, int) and n_residues > 0:
        told += f" ({n_residues} ambiguous points)"
    focus = notes.get("focus_um")
    if isinstance(focus, int | float):
        told = f"{told} Refocused by {focus:+.1f} µm{_cells_apart(notes)}.".strip()
    return told


def _cells_apart(notes: Mapping[str, object]) -> str:
    """Return between which planes the cells of a frame are in focus, if they say."""
    cells = notes.get("cell_focus_um")
    if not isinstance(cells, list) or not cells:
        return ""
    distances = [distance for _, _, distance in cells]
    if len(cells) == 1:
        return f", its cell by {distances[0]:+.1f} µm"
    return f", its cells by {min(distances):+.1f} to {max(distances):+.1f} µm"


def layout_title(layout: tuple[int, ...], n_channels: int) -> str:
    """Return an order of polarizer angles as it lies on the sensor."""
    a, b, c, d = layout
    if n_channels == 4:
        return f"{a}°, {b}°, {c}°, {d}°"
    return f"{a}° {b}° / {c}° {d}°"


def describe_recording(acquisition: Acquisition) -> str:
    """Return in one line what was opened."""
    n, c, ny, nx = acquisition.shape
    frames = "1 frame" if n == 1 else f"{n} frames"
    channels = "" if c == 1 else f", {c} channels"
    kind = "Not a known kind of recording"
    if acquisition.modality is not None:
        kind = KIND_TITLES[acquisition.modality]
    if acquisition.is_mosaic:
        kind += " (raw mosaic)"
    reference = " with reference" if acquisition.reference is not None else ""
    return f"{kind}{reference}: {frames}, {nx} × {ny} px{channels}"


FIELD_WORDS = {
    "wavelength_nm": "the wavelength",
    "pixel_size_um": "the pixel size",
    "phase_unit": "the unit of the values",
    "modality": "the kind of recording",
    "numerical_aperture": "the aperture",
    "frame_interval_s": "the frame interval",
    "polarization_layout": "the order of the angles",
    "phase_sign": "the sign",
    "medium_index": "the index of the medium",
    "focus_um": "the focus positions",
    "phase_steps_deg": "the phase steps",
}

MASS_FACTS = ("wavelength_nm", "pixel_size_um", "phase_unit")
LONGEST_REASON = 200
TORCH_MEMORY_ERROR = "OutOfMemoryError"
"""By name: the dock does not import torch."""
MINUTE_S, HOUR_S = 60.0, 3600.0
MASS, MASS_SD = "dry_mass_pg", "dry_mass_sd_pg"
INCREMENT = "refractive_increment_ml_g"


def mass_text(mass: float, sd: float) -> str:
    """Return a dry mass with its error, no more digits than the error allows."""
    if not math.isfinite(mass):
        return "–"
    if not math.isfinite(sd) or sd <= 0:
        return f"{mass:.4g} ± ?"
    decimals = min(6, max(0, 1 - math.floor(math.log10(sd))))
    return f"{mass:.{decimals}f} ± {sd:.{decimals}f}"


def gaps_in_words(gaps: Iterable[str]) -> str:
    """Return what a user can fill in to get picograms; empty when all is known."""
    return " and ".join(FIELD_WORDS[gap] for gap in MASS_FACTS if gap in set(gaps))


def missing_in_words(acquisition: Acquisition) -> str:
    """Return what is unknown and what it is needed for; empty when all is known."""
    gaps = [
        f"{FIELD_WORDS[name]} (for {needed_for})"
        for name, needed_for in acquisition.missing().items()
    ]
    return f"Missing: {_listed(gaps)}." if gaps else ""


def fact_in_words(name: str, value: Any, n_channels: int = 1) -> str:
    """Return a fact about a microscope, for example ``"the wavelength 532 nm"``."""
    match name:
        case "wavelength_nm":
            text = f"{value:.6g} nm"
        case "pixel_size_um":
            text = f"{value:.6g} µm"
        case "frame_interval_s":
            text = f"{value:.6g} s"
        case "polarization_layout":
            text = layout_title(tuple(value), n_channels)
        case "phase_unit":
            text = UNIT_TITLES[PhaseUnit(value)]
        case "phase_sign":
            text = "as recorded" if value == 1 else "inverted"
        case "focus_um":
            text = f"{numbers_in_words(value)} µm"
        case "phase_steps_deg":
            text = f"{numbers_in_words(value)}°"
        case _:
            text = f"{value:.6g}"
    return f"{FIELD_WORDS[name]} {text}"


def facts_in_words(facts: Mapping[str, Any], n_channels: int = 1) -> str:
    """Return several facts as a part of a sentence."""
    return _listed([fact_in_words(k, v, n_channels) for k, v in facts.items()])


def duration_in_words(n_frames: int, interval_s: float) -> str:
    """Return how fast and how long a series was recorded."""
    rate = 1 / interval_s
    speed = f"{rate:.3g} frames/s" if rate >= 1 else f"{60 * rate:.3g} frames/min"
    if 60 * rate < 1:
        speed = f"{3600 * rate:.3g} frames/h"
    return f"{speed}; {n_frames} frames in {_span((n_frames - 1) * interval_s)}"


def _span(seconds: float) -> str:
    if seconds < MINUTE_S:
        return f"{seconds:.3g} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds / MINUTE_S:.3g} min"
    return f"{seconds / HOUR_S:.3g} h"


def _listed(parts: list[str]) -> str:
    """Return parts as in a sentence: a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def describe_table(
    table: "pd.DataFrame",
    missing: Mapping[str, str],
    gaps: Iterable[str] = (),
    tracks: "pd.DataFrame | None" = None,
) -> str:
    """Return in a sentence or two what was measured and what could not be.

    Parameters
    ----------
    missing
        Columns that are absent, with the reason.
    gaps
        Instrument fields that are unknown.
    tracks
        One row a track of a linked table.
    """
    n_rows = len(table)
    n_frames = table["frame"].nunique() if n_rows else 0
    words = f"{n_rows} cell" + ("" if n_rows == 1 else "s")
    if n_frames > 1:
        words = f"{n_rows} outlines in {n_frames} frames"
    if tracks is not None and n_frames > 1:
        words = f"{_tracks_in_words(tracks)} in {n_frames} frames"
    if not n_rows:
        words = "No cells"
    if MASS in table and n_rows:
        median = table[MASS].median()
        sd = table[MASS_SD].median()
        words += f"; median dry mass {mass_text(median, sd)} pg"
    if INCREMENT in table and n_rows:
        words += f" (increment {table[INCREMENT].iloc[0]:g} mL/g)"
    if tracks is not None and "doubling_time_h" in tracks:
        typical = tracks["doubling_time_h"].median()
        if math.isfinite(typical):
            words += f"; median doubling time {typical:.3g} h"
    if MASS in missing:
        unknown = gaps_in_words(gaps)
        remedy = f"fill in {unknown} above, then measure again"
        words += f". No dry mass: {remedy if unknown else missing[MASS]}"
    return words if words.endswith(".") else words + "."


def _tracks_in_words(tracks: "pd.DataFrame") -> str:
    words = f"{len(tracks)} track" + ("" if len(tracks) == 1 else "s")
    n_divisions = tracks.loc[tracks["parent_id"] > 0, "parent_id"].nunique()
    if n_divisions:
        words += f" with {n_divisions} division" + ("" if n_divisions == 1 else "s")
    return words


def explain(error: BaseException, title: str = "") -> str:
    """Return an error as a sentence for the viewer's user."""
    if isinstance(error, MissingMetadataError):
        word = FIELD_WORDS.get(error.field, error.field)
        return f"{str(error).partition(' needs ')[0]} needs {word}: fill it in above."
    if isinstance(error, QPMError):
        return str(error)
    what = title or "The job"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what} failed: the disk is full. Free some space, then try again."
    kind = type(error).__name__
    # Others can be pages long; the report has all of it.
    reason = textwrap.shorten(str(error), LONGEST_REASON, placeholder="…")
    if isinstance(error, MemoryError) or kind == TORCH_MEMORY_ERROR:
        return (
            f"{what} failed ({kind}): there is not enough memory. Close other programs "
            f"or work on fewer frames, then try again. {reason}"
        ).rstrip()
    told = f"{what} failed ({kind}): {reason}".rstrip(": ")
    return told if told.endswith((".", "…", "!", "?")) else f"{told}."
