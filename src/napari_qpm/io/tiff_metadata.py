"""Instrument facts from TIFF headers: OME-XML, ImageJ, Micro-Manager, plain tags.

A size without a unit, or one that only a printer would use (72 dpi), is no pixel size:
it stays unknown.
"""

from typing import Any

import tifffile

from napari_qpm.acquisition import Instrument
from napari_qpm.io.facts import FileFacts
from napari_qpm.io.micromanager import read_micromanager
from napari_qpm.io.ome_xml import read_ome_xml
from napari_qpm.io.units import micrometres_per, positive, seconds_per, square

__all__ = ["facts_from_tiff"]

_TAG_UNIT_UM = {2: 25400.0, 3: 10000.0}
_COARSEST_PIXEL_UM = 20.0
"""Larger "pixels" in plain resolution tags describe paper, not a microscope."""


def facts_from_tiff(tif: tifffile.TiffFile, position: int) -> FileFacts:
    """Return what a TIFF states; OME-XML is believed most, plain tags least.

    Parameters
    ----------
    tif
        Open file.
    position
        Which field of view.
    """
    facts = FileFacts()
    for read in (_from_tags, _from_shaped, _from_imagej):
        notes: list[str] = []
        facts.add(FileFacts(instrument=read(tif, notes), notes=notes))
    facts.plane_spacing_um = _imagej_spacing(tif)
    facts.add(read_micromanager(tif, position))
    if tif.is_ome and tif.ome_metadata:
        facts.add(read_ome_xml(tif.ome_metadata, position))
    return facts


def _tag_resolution(tif: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """Return pixels per unit along x and y."""
    per_unit: list[float | None] = []
    for name in ("XResolution", "YResolution"):
        tag = tif.pages[0].tags.get(name)  # type: ignore[union-attr]
        value = tag.value if tag is not None else None
        if isinstance(value, tuple) and len(value) == 2 and value[1]:
            value = value[0] / value[1]
        per_unit.append(positive(value))
    return per_unit[0], per_unit[1]


def _from_tags(tif: tifffile.TiffFile, notes: list[str]) -> dict[str, Any]:
    if tif.is_imagej:
        return {}
    unit_tag = tif.pages[0].tags.get("ResolutionUnit")  # type: ignore[union-attr]
    um = _TAG_UNIT_UM.get(int(unit_tag.value)) if unit_tag is not None else None
    x, y = _tag_resolution(tif)
    if um is None or x is None or y is None:
        return {}
    pixel = square(um / x, um / y, notes)
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
        found["pixel_size_um"] = square(um / x, um / y, notes)
    interval = positive(metadata.get("finterval"))
    scale = seconds_per(metadata.get("tunit"))
    if interval is not None and scale is not None:
        found["frame_interval_s"] = interval * scale
    return found


def _imagej_spacing(tif: tifffile.TiffFile) -> float | None:
    metadata = (tif.imagej_metadata if tif.is_imagej else None) or {}
    spacing, um = (
        positive(metadata.get("spacing")),
        micrometres_per(metadata.get("unit")),
    )
    return None if spacing is None or um is None else spacing * um
