"""Instrument facts from TIFF headers: OME-XML, ImageJ, Micro-Manager, plain tags.

A size without a unit, or one that only a printer would use (72 dpi), is no pixel size:
it stays unknown.
"""

import contextlib
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any

import tifffile

from napari_qpm.acquisition import Instrument

__all__ = ["instrument_from_tiff"]

_UM_PER = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "inch": 25400.0,
}
_SECONDS_PER = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0}
_TAG_UNIT_UM = {2: 25400.0, 3: 10000.0}
_COARSEST_PIXEL_UM = 20.0
"""Larger "pixels" in plain resolution tags describe paper, not a microscope."""


def micrometres_per(unit: str | None) -> float | None:
    """Return how many um a unit is, or `None` for an unknown one."""
    plain = (unit or "").strip().replace("\\u00B5", "u").replace("µ", "u")
    return _UM_PER.get(plain.replace("μ", "u").lower())


def seconds_per(unit: str | None) -> float | None:
    """Return how many seconds a unit is, or `None` for an unknown one."""
    plain = (unit or "s").strip().replace("µ", "u").replace("μ", "u")
    return _SECONDS_PER.get(plain.lower())


def instrument_from_tiff(
    tif: tifffile.TiffFile, position: int
) -> tuple[dict[str, Any], list[str]]:
    """Return `Instrument` fields that a TIFF states, and notes on what it does not say.

    Parameters
    ----------
    tif
        Open file.
    position
        Which image of an OME-TIFF.
    """
    found: dict[str, Any] = {}
    notes: list[str] = []
    for read in (_from_tags, _from_shaped, _from_imagej, _from_micromanager):
        found.update(read(tif, notes))
    if tif.is_ome and tif.ome_metadata:
        found.update(_from_ome(tif.ome_metadata, position, notes))
    return {name: value for name, value in found.items() if value is not None}, notes


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _square(x: float | None, y: float | None, notes: list[str]) -> float | None:
    """Return the pixel size when x and y agree to a percent."""
    if x is None or y is None:
        return x or y
    if abs(x - y) > 0.01 * x:
        notes.append(
            f"The file states pixels of {x:g} x {y:g} um (x, y); only square pixels "
            "are supported, so the pixel size stays unknown."
        )
        return None
    return x


def _tag_resolution(tif: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """Return pixels per unit along x and y."""
    per_unit: list[float | None] = []
    for name in ("XResolution", "YResolution"):
        tag = tif.pages[0].tags.get(name)  # type: ignore[union-attr]
        value = tag.value if tag is not None else None
        if isinstance(value, tuple) and len(value) == 2 and value[1]:
            value = value[0] / value[1]
        per_unit.append(_positive(value))
    return per_unit[0], per_unit[1]


def _from_tags(tif: tifffile.TiffFile, notes: list[str]) -> dict[str, Any]:
    if tif.is_imagej:
        return {}
    unit_tag = tif.pages[0].tags.get("ResolutionUnit")  # type: ignore[union-attr]
    um = _TAG_UNIT_UM.get(int(unit_tag.value)) if unit_tag is not None else None
    x, y = _tag_resolution(tif)
    if um is None or x is None or y is None:
        return {}
    pixel = _square(um / x, um / y, notes)
    if pixel is None or pixel > _COARSEST_PIXEL_UM:
        return {}
    return {"pixel_size_um": pixel}


def _from_shaped(tif: tifffile.TiffFile, notes: list[str]) -> dict[str, Any]:
    """Take `Instrument` fields that a writer put into tifffile's own description."""
    if not tif.is_shaped or not tif.shaped_metadata:
        return {}
    known = Instrument.__dataclass_fields__
    return {k: v for k, v in tif.shaped_metadata[0].items() if k in known}


def _from_imagej(tif: tifffile.TiffFile, notes: list[str]) -> dict[str, Any]:
    metadata = tif.imagej_metadata if tif.is_imagej else None
    if not metadata:
        return {}
    found: dict[str, Any] = {}
    um = micrometres_per(metadata.get("unit"))
    x, y = _tag_resolution(tif)
    if um is not None and x is not None and y is not None:
        found["pixel_size_um"] = _square(um / x, um / y, notes)
    interval = _positive(metadata.get("finterval"))
    scale = seconds_per(metadata.get("tunit"))
    if interval is not None and scale is not None:
        found["frame_interval_s"] = interval * scale
    return found


def _from_micromanager(tif: tifffile.TiffFile, notes: list[str]) -> dict[str, Any]:
    """Take what Micro-Manager writes; key spelling differs between its versions."""
    found: dict[str, Any] = {}
    for block in _micromanager_blocks(tif):
        values = {
            key.lower().replace("_", "").replace("-", ""): v for key, v in block.items()
        }
        pixel = _positive(values.get("pixelsizeum", values.get("pixelsize")))
        if pixel is not None:
            found["pixel_size_um"] = pixel
        interval = _positive(values.get("intervalms"))
        if interval is not None:
            found["frame_interval_s"] = interval / 1000
        bits = _positive(values.get("bitdepth"))
        if bits is not None:
            found["bit_depth"] = int(bits)
        offset = _roi_offset(values.get("roi"))
        if offset is not None:
            found["roi_offset_px"] = offset
    return found


def _micromanager_blocks(tif: tifffile.TiffFile) -> Iterable[Mapping[str, Any]]:
    if not tif.is_micromanager:
        return
    summary = (tif.micromanager_metadata or {}).get("Summary")
    if isinstance(summary, Mapping):
        yield summary
    tag = tif.pages[0].tags.get("MicroManagerMetadata")  # type: ignore[union-attr]
    value = tag.value if tag is not None else None
    if isinstance(value, str | bytes):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        yield value


def _roi_offset(roi: Any) -> tuple[int, int] | None:
    """Return ``(y, x)`` of a Micro-Manager ROI, ``"x-y-w-h"`` or ``[x, y, w, h]``."""
    parts = roi.split("-") if isinstance(roi, str) else roi
    if not isinstance(parts, list | tuple) or len(parts) != 4:
        return None
    try:
        return int(parts[1]), int(parts[0])
    except (TypeError, ValueError):
        return None


def _from_ome(xml: str, position: int, notes: list[str]) -> dict[str, Any]:
    try:
        root = ET.fromstring(xml)
    except ET.ParseError:
        notes.append("The OME-XML of the file is damaged; its metadata are ignored.")
        return {}
    images = _all(root, "Image")
    pixels = _all(images[position], "Pixels") if position < len(images) else []
    if not pixels:
        return {}
    p = pixels[0]
    found: dict[str, Any] = {"pixel_size_um": _ome_pixel_size(p, notes)}
    bits = _positive(p.get("SignificantBits"))
    found["bit_depth"] = None if bits is None else int(bits)
    found["frame_interval_s"] = _ome_interval(p)
    found["wavelength_nm"] = _ome_wavelength(root, p, notes)
    for name, attribute in (
        ("numerical_aperture", "LensNA"),
        ("magnification", "NominalMagnification"),
    ):
        values = {_positive(o.get(attribute)) for o in _all(root, "Objective")} - {None}
        found[name] = values.pop() if len(values) == 1 else None
    indices = {
        _positive(o.get("RefractiveIndex")) for o in _all(root, "ObjectiveSettings")
    }
    indices -= {None}
    found["medium_index"] = indices.pop() if len(indices) == 1 else None
    return found


def _all(element: ET.Element, name: str) -> list[ET.Element]:
    """Return descendants of this local name, whatever the OME schema version."""
    return [e for e in element.iter() if e.tag.rpartition("}")[2] == name]


def _ome_pixel_size(pixels: ET.Element, notes: list[str]) -> float | None:
    sizes: list[float | None] = []
    for axis in "XY":
        value = _positive(pixels.get(f"PhysicalSize{axis}"))
        um = micrometres_per(pixels.get(f"PhysicalSize{axis}Unit", "um"))
        sizes.append(None if value is None or um is None else value * um)
    return _square(sizes[0], sizes[1], notes)


def _ome_interval(pixels: ET.Element) -> float | None:
    value = _positive(pixels.get("TimeIncrement"))
    scale = seconds_per(pixels.get("TimeIncrementUnit"))
    if value is not None and scale is not None:
        return value * scale
    times = {}
    for plane in _all(pixels, "Plane"):
        scale = seconds_per(plane.get("DeltaTUnit"))
        with contextlib.suppress(TypeError, ValueError):
            if scale is not None and plane.get("TheC", "0") == "0":
                times[int(plane.get("TheT", ""))] = (
                    float(plane.get("DeltaT", "")) * scale
                )
    if len(times) < 2:
        return None
    first, last = min(times), max(times)
    return _positive((times[last] - times[first]) / (last - first))


def _ome_wavelength(
    root: ET.Element, pixels: ET.Element, notes: list[str]
) -> float | None:
    """Return the one wavelength that channels or lasers agree on, in nm."""
    found: dict[float, None] = {}
    for channel in _all(pixels, "Channel"):
        for name in ("ExcitationWavelength", "EmissionWavelength"):
            value = _positive(channel.get(name))
            um = micrometres_per(channel.get(f"{name}Unit", "nm"))
            if value is not None and um is not None:
                found[value * um * 1000] = None
                break
    if not found:
        for laser in _all(root, "Laser"):
            value = _positive(laser.get("Wavelength"))
            um = micrometres_per(laser.get("WavelengthUnit", "nm"))
            if value is not None and um is not None:
                found[value * um * 1000] = None
    if len(found) > 1:
        listed = ", ".join(f"{value:g}" for value in found)
        notes.append(
            f"The file states several wavelengths ({listed} nm); say which one makes "
            "the phase with wavelength_nm=…."
        )
    return next(iter(found)) if len(found) == 1 else None
