"""What OME-XML states, in the schema versions and spellings of its writers.

Attributes are found whatever their case. The default units of the schema count; a unit
that is no length (``pixel``, ``reference frame``) leaves the size unknown.
"""

import contextlib
import xml.etree.ElementTree as ET

from napari_qpm.io.facts import FileFacts
from napari_qpm.io.times import times_from
from napari_qpm.io.units import micrometres_per, positive, seconds_per, square

__all__ = ["ANNOTATION", "read_ome_xml"]

ANNOTATION = "napari-qpm"
"""Namespace of the map annotation in which our own files state unit and medium."""


def read_ome_xml(xml: str, position: int) -> FileFacts:
    """Return what OME-XML states of one of its images.

    Parameters
    ----------
    xml
        The text.
    position
        Number of the image.
    """
    facts = FileFacts()
    try:
        root = ET.fromstring(xml)
    except (ET.ParseError, ValueError):
        facts.notes.append(
            "The OME-XML of the file is damaged; its metadata are ignored."
        )
        return facts
    images = _all(root, "Image")
    pixels = _all(images[position], "Pixels") if position < len(images) else []
    if not pixels:
        return facts
    p = pixels[0]
    bits = positive(_get(p, "SignificantBits"))
    facts.instrument = {
        "pixel_size_um": _pixel_size(p, facts.notes),
        "bit_depth": None if bits is None else int(bits),
        "frame_interval_s": _increment(p) or _interval(p),
        "wavelength_nm": _wavelength(root, p, facts.notes),
        "numerical_aperture": _agreed(_all(root, "Objective"), "LensNA"),
        "magnification": _magnification(root),
        "medium_index": _agreed(_all(root, "ObjectiveSettings"), "RefractiveIndex"),
    }
    facts.instrument.update(_own_facts(root))
    facts.plane_spacing_um = _length(p, "PhysicalSizeZ")
    names = tuple(_get(c, "Name") or "" for c in _all(p, "Channel"))
    facts.channel_names = names if any(names) else ()
    facts.times_s = _times(p)
    return facts


def _own_facts(root: ET.Element) -> dict[str, str]:
    """Return the `Instrument` fields that `ome_tiff_writer` put into an annotation."""
    return {
        key: pair.text
        for annotation in _all(root, "MapAnnotation")
        if annotation.get("Namespace") == ANNOTATION
        for pair in _all(annotation, "M")
        if (key := pair.get("K")) and pair.text
    }


def _get(element: ET.Element, name: str, default: str | None = None) -> str | None:
    """Return an attribute whatever its case."""
    value = element.get(name)
    if value is not None:
        return value
    wanted = name.lower()
    return next((v for k, v in element.items() if k.lower() == wanted), default)


def _agreed(elements: list[ET.Element], name: str) -> float | None:
    """Return the number that all elements which state one agree on."""
    values = {positive(_get(element, name)) for element in elements} - {None}
    return values.pop() if len(values) == 1 else None


def _magnification(root: ET.Element) -> float | None:
    objectives = _all(root, "Objective")
    calibrated = _agreed(objectives, "CalibratedMagnification")
    return calibrated or _agreed(objectives, "NominalMagnification")


def _all(element: ET.Element, name: str) -> list[ET.Element]:
    """Return descendants of this local name, whatever the OME schema version."""
    return [e for e in element.iter() if e.tag.rpartition("}")[2] == name]


def _pixel_size(pixels: ET.Element, notes: list[str]) -> float | None:
    x, y = (_length(pixels, f"PhysicalSize{axis}") for axis in "XY")
    return square(x, y, notes)


def _length(pixels: ET.Element, name: str) -> float | None:
    value = positive(_get(pixels, name))
    um = micrometres_per(_get(pixels, f"{name}Unit", "um"))
    return None if value is None or um is None else value * um


def _increment(pixels: ET.Element) -> float | None:
    value = positive(_get(pixels, "TimeIncrement"))
    scale = seconds_per(_get(pixels, "TimeIncrementUnit"))
    return value * scale if value is not None and scale is not None else None


def _plane_times(pixels: ET.Element) -> dict[int, float]:
    """Return the time [s] of the first channel and plane of each frame."""
    times: dict[int, float] = {}
    for plane in _all(pixels, "Plane"):
        scale = seconds_per(_get(plane, "DeltaTUnit"))
        is_first = all(_get(plane, axis) in (None, "0") for axis in ("TheC", "TheZ"))
        with contextlib.suppress(TypeError, ValueError):
            if scale is not None and is_first:
                frame = int(_get(plane, "TheT") or "")
                times[frame] = float(_get(plane, "DeltaT") or "") * scale
    return times


def _times(pixels: ET.Element) -> tuple[float, ...]:
    times = _plane_times(pixels)
    if sorted(times) != list(range(len(times))):
        return ()
    return times_from([times[frame] for frame in range(len(times))])


def _interval(pixels: ET.Element) -> float | None:
    """Return the mean interval, also when the times of some frames are missing."""
    times = _plane_times(pixels)
    if len(times) < 2:
        return None
    first, last = min(times), max(times)
    return positive((times[last] - times[first]) / (last - first))


def _wavelength(root: ET.Element, pixels: ET.Element, notes: list[str]) -> float | None:
    """Return the one wavelength that channels or lasers agree on, in nm."""
    found: dict[float, None] = {}
    for channel in _all(pixels, "Channel"):
        for name in ("ExcitationWavelength", "EmissionWavelength"):
            value = positive(_get(channel, name))
            um = micrometres_per(_get(channel, f"{name}Unit", "nm"))
            if value is not None and um is not None:
                found[value * um * 1000] = None
                break
    if not found:
        for laser in _all(root, "Laser"):
            value = positive(_get(laser, "Wavelength"))
            um = micrometres_per(_get(laser, "WavelengthUnit", "nm"))
            if value is not None and um is not None:
                found[value * um * 1000] = None
    if len(found) > 1:
        listed = ", ".join(f"{value:g}" for value in found)
        notes.append(
            f"The file states several wavelengths ({listed} nm); say which one makes "
            "the phase with wavelength_nm=…."
        )
    return next(iter(found)) if len(found) == 1 else None
