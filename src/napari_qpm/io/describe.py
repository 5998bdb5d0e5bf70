"""What was understood of a recording, as text for the command line and the viewer."""

import textwrap
from typing import Any

from napari_qpm.acquisition import Acquisition

__all__ = ["describe"]

_UNITS = {
    "wavelength_nm": "nm",
    "pixel_size_um": "um",
    "camera_pixel_um": "um",
    "frame_interval_s": "s",
    "bit_depth": "bit",
    "bit_shift": "bit",
    "roi_offset_px": "px (y, x)",
    "polarization_layout": "degrees",
    "sideband_cycles_per_px": "cycles/px (fy, fx)",
}
_LABELS = {
    "wavelength_nm": "wavelength",
    "pixel_size_um": "pixel size",
    "camera_pixel_um": "camera pixel",
    "frame_interval_s": "frame interval",
    "roi_offset_px": "ROI offset",
    "sideband_cycles_per_px": "sideband",
}
_INDENT = 20
_WIDTH = 96


def describe(acquisition: Acquisition) -> str:
    """Return aligned lines on file, kind, frames, instrument, gaps and notes."""
    opened = next((s for s in acquisition.history if s.name == "open"), None)
    parameters = opened.parameters if opened is not None else {}
    sources = parameters.get("sources", {})
    lines = [("Recording", acquisition.name)]
    if acquisition.path is not None:
        lines.append(("File", str(acquisition.path)))
    if opened is not None:
        lines.append(("Format", opened.engine))
    lines.append(("Kind", _kind(acquisition, parameters.get("kind", ""))))
    t, c, y, x = acquisition.shape
    lines.append(("Frames", f"{t} ({c} channel{'s' if c > 1 else ''})"))
    lines.append(("Size", f"{x} x {y} px (width x height), {acquisition.dtype}"))
    lines.append(
        ("Reference frame", "yes" if acquisition.reference is not None else "no")
    )
    for name, value in acquisition.instrument.to_dict().items():
        lines.append((_label(name), _value(name, value, sources.get(name))))
    missing = acquisition.missing()
    for name, needed_for in missing.items():
        lines.append((_label(name), f"missing; needed for {needed_for}"))
    text = "\n".join(_aligned(label, value) for label, value in lines)
    if acquisition.notes:
        text += "\n\nNotes\n" + "\n".join(
            textwrap.fill(note, _WIDTH, initial_indent="- ", subsequent_indent="  ")
            for note in acquisition.notes
        )
    return text


def _kind(acquisition: Acquisition, reason: str) -> str:
    if acquisition.modality is None:
        return f"not recognised. {reason}".strip()
    kind = acquisition.modality.value
    if acquisition.is_mosaic:
        kind += " (raw mosaic)"
    return f"{kind}. {reason}".strip()


def _label(name: str) -> str:
    plain = _LABELS.get(name, name.replace("_", " "))
    return plain[:1].upper() + plain[1:]


def _value(name: str, value: Any, source: str | None) -> str:
    if isinstance(value, list):
        text = ", ".join(_number(v) for v in value)
    else:
        text = _number(value)
    unit = _UNITS.get(name)
    text = f"{text} {unit}" if unit else text
    return (
        f"{text} (from {source})"
        if source in ("file", "you")
        else (f"{text} ({source})" if source else text)
    )


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _aligned(label: str, value: str) -> str:
    return textwrap.fill(
        value,
        _WIDTH,
        initial_indent=f"{label:<{_INDENT}}",
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
