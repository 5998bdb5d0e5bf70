"""OME-Zarr 0.4 and 0.5 (images, series, plates), plain Zarr arrays, our own results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_qpm.acquisition import FrameSource, Modality
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.axes import FrameAxes, plan_axes
from napari_qpm.io.facts import FileFacts, focus_of_planes
from napari_qpm.io.field import RawField

__all__ = [
    "OWN_KEY",
    "ZarrSource",
    "is_zarr",
    "label_names",
    "open_array",
    "own_record",
    "read_zarr",
]

OWN_KEY = "napari-qpm"
"""Attribute of our results."""
KEPT_FIELDS = ("wavelength_nm", "numerical_aperture", "medium_index")
"""Instrument fields that stay true for a phase made from a recording."""

_NODE_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
_DEFAULTS = {
    "pixel_size_um": "a pixel size of exactly 1 um",
    "frame_interval_s": "a frame interval of exactly 1 s",
}
_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}
_SECONDS = {"second": 1.0, "millisecond": 1e-3, "minute": 60.0, "hour": 3600.0}
_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
)
"""What zarr raises, depending on where the damage is."""


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a Zarr group or array."""
    return any((path / name).is_file() for name in _NODE_FILES)


def own_record(path: Path) -> dict[str, Any] | None:
    """Return the record of our own result at this path, or `None`."""
    try:
        attributes = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        record = attributes.get("attributes", {}).get(OWN_KEY)
    except (OSError, ValueError, AttributeError):
        return None
    return record if isinstance(record, dict) else None


def label_names(path: Path) -> list[str]:
    """Return the names of the labels that an OME-Zarr image has, in order."""
    if not is_zarr(path / "labels"):
        return []
    names = _ome(_attributes(path, "labels")).get("labels", [])
    return [str(name) for name in names] if isinstance(names, list) else []


class ZarrSource:
    """Frames of one Zarr array.

    Parameters
    ----------
    path
        Root of the Zarr hierarchy.
    name
        Array inside it; empty when the root is the array.
    axes
        Frames and channels over the axes in front of Y and X.
    """

    def __init__(self, path: Path, name: str, axes: FrameAxes):
        self._arguments = (path, name, axes)
        self._axes = axes
        self._array = open_array(path, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return ZarrSource, self._arguments

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        y, x = self._array.shape[-2:]
        return self._axes.n_frames, self._axes.n_channels, int(y), int(x)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        native: np.dtype[Any] = np.dtype(self._array.dtype).newbyteorder("=")
        return native

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        channels = range(self._axes.n_channels)
        try:
            planes = [self._array[self._axes.index(t, c)] for c in channels]
        except _DAMAGE as error:
            raise FileFormatError(
                f"Frame {t} of {self._arguments[0]} cannot be decoded ({error}). The "
                "folder is damaged; copy it again."
            ) from error
        return np.stack([np.asarray(plane, self.dtype) for plane in planes])


def open_array(path: Path, name: str, mode: Literal["r", "r+"] = "r") -> Any:
    """Return an array inside a Zarr folder, or raise `FileFormatError`."""
    try:
        return zarr.open_array(str(path), path=name, mode=mode)
    except (*_DAMAGE, OSError) as error:
        where = f"{path}/{name}" if name else str(path)
        raise FileFormatError(
            f"There is no readable Zarr array at {where} ({error}). The folder is "
            "damaged or was copied incompletely."
        ) from error


def read_zarr(path: Path, planes: bool = False) -> list[RawField]:
    """Return every field of view of a Zarr folder.

    Raises
    ------
    FileFormatError
        No Zarr, or no image in it.
    LayoutError
        More axes than frames and channels.
    """
    try:
        node = zarr.open(str(path), mode="r")
        attributes = dict(node.attrs)
    except (*_DAMAGE, OSError) as error:
        raise FileFormatError(
            f"{path} is not a readable Zarr folder ({error}). It is damaged or was "
            "copied incompletely."
        ) from error
    if isinstance(node, zarr.Array):
        return [_plain_array(path, node, planes)]
    try:
        images = _image_groups(path, attributes)
    except _DAMAGE as error:
        raise FileFormatError(
            f"The OME metadata of {path} are incomplete or damaged ({error!r})."
        ) from error
    fields = [_image(path, name, planes, n_images=len(images)) for name in images]
    if not fields:
        raise FileFormatError(
            f"{path} is a Zarr group without an OME image (no 'multiscales'). Open the "
            "folder of one image inside it."
        )
    return fields


def _plain_array(path: Path, array: Any, planes: bool) -> RawField:
    n_axes = array.ndim
    if not 2 <= n_axes <= 5:
        raise LayoutError(
            f"{path} is an array of shape {array.shape}; expected 2 to 5 axes."
        )
    letters = "TCZ"[: n_axes - 2] if n_axes != 3 else "T"
    axes = plan_axes(letters, array.shape[:-2], planes=planes, path=path)
    return RawField(source=ZarrSource(path, "", axes), reader="Zarr", notes=axes.notes)


def _ome(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the OME part of attributes: under a key in 0.5, at the root before."""
    ome = attributes.get("ome")
    return ome if isinstance(ome, Mapping) else attributes


def _image_groups(path: Path, attributes: Mapping[str, Any]) -> list[str]:
    """Return the groups inside that hold one image each; ``""`` is the root."""
    ome = _ome(attributes)
    if "multiscales" in ome:
        return [""]
    if isinstance(ome.get("plate"), Mapping):
        wells = [well["path"] for well in ome["plate"].get("wells", [])]
        names = []
        for well in wells:
            images = _ome(_attributes(path, well)).get("well", {}).get("images", [])
            names += [f"{well}/{image['path']}" for image in images]
        return names
    if isinstance(ome.get("series"), list):
        return [str(name) for name in ome["series"]]
    children = sorted(p.name for p in path.iterdir() if p.is_dir() and is_zarr(p))
    return [c for c in children if "multiscales" in _ome(_attributes(path, c))]


def _attributes(path: Path, name: str) -> dict[str, Any]:
    try:
        return dict(zarr.open(str(path), path=name, mode="r").attrs)
    except (*_DAMAGE, OSError) as error:
        raise FileFormatError(
            f"{path} announces an image {name!r} that cannot be opened ({error}). The "
            "folder was copied incompletely."
        ) from error


def _image(path: Path, name: str, planes: bool, n_images: int) -> RawField:
    attributes = _attributes(path, name)
    try:
        return _parsed_image(path, name, attributes, planes, n_images)
    except _DAMAGE as error:
        raise FileFormatError(
            f"The OME metadata of {path / name} are incomplete or damaged ({error!r})."
        ) from error


def _parsed_image(
    path: Path, name: str, attributes: dict[str, Any], planes: bool, n_images: int
) -> RawField:
    multiscale = _ome(attributes)["multiscales"][0]
    dataset = multiscale["datasets"][0]
    key = f"{name}/{dataset['path']}" if name else str(dataset["path"])
    array = open_array(path, key)
    axis_list = _axes(multiscale, array.ndim)
    letters = "".join(axis["name"][:1].upper() for axis in axis_list)
    if not letters.endswith("YX"):
        raise LayoutError(
            f"The image in {path} has axes {letters}; they have to end in Y and X."
        )
    axes = plan_axes(letters[:-2], array.shape[:-2], planes=planes, path=path)
    facts = _calibration(multiscale, dataset, axis_list)
    modality = None
    times_s: tuple[float, ...] = ()
    record = attributes.get(OWN_KEY)
    if isinstance(record, Mapping):
        facts.instrument.update(_own_instrument(record))
        modality = Modality.PHASE
        times_s = _own_times(record)
    names = _channel_names(_ome(attributes))
    if planes and not names:
        focus, more = focus_of_planes(axes.n_channels, facts.plane_spacing_um)
        facts.instrument |= focus
        facts.notes += more
    source: FrameSource = ZarrSource(path, key, axes)
    return RawField(
        source=source,
        reader="napari-qpm result" if modality else "OME-Zarr",
        instrument=facts.instrument,
        notes=(*axes.notes, *facts.notes),
        position=name if n_images > 1 else "",
        modality=modality,
        channel_names=names if axes.n_channels > 1 else (),
        times_s=times_s,
    )


def _channel_names(ome: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labels that the display settings give the channels."""
    omero = ome.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, list):
        return ()
    names = [c.get("label") if isinstance(c, Mapping) else None for c in channels]
    return tuple(str(name or "") for name in names) if any(names) else ()


def _own_times(record: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the times of the frames that our own result was made from."""
    acquisition = record.get("acquisition")
    times = acquisition.get("times_s") if isinstance(acquisition, Mapping) else None
    if not isinstance(times, list) or not all(
        isinstance(t, int | float) for t in times
    ):
        return ()
    return tuple(map(float, times))


def _axes(multiscale: Mapping[str, Any], n_axes: int) -> list[dict[str, Any]]:
    """Return axes as mappings; versions before 0.4 named them only, or not at all."""
    axes = multiscale.get("axes") or list("tczyx"[-n_axes:])
    return [dict(a) if isinstance(a, Mapping) else {"name": str(a)} for a in axes]


def _calibration(
    multiscale: Mapping[str, Any],
    dataset: Mapping[str, Any],
    axes: list[dict[str, Any]],
) -> FileFacts:
    """Return sizes and frame interval; numbers without a unit mean nothing."""
    scale = np.ones(len(axes))
    for owner in (multiscale, dataset):
        for transform in owner.get("coordinateTransformations", ()):
            if transform.get("type") == "scale":
                scale = scale * np.asarray(transform["scale"], float)
    by_name = {
        axis["name"].lower(): (float(size), axis.get("unit"))
        for axis, size in zip(axes, scale, strict=True)
    }
    facts = FileFacts()
    found, notes = facts.instrument, facts.notes
    (y, y_unit), (x, x_unit) = by_name["y"], by_name["x"]
    if y_unit in _UM and x_unit in _UM:
        y_um, x_um = y * _UM[y_unit], x * _UM[x_unit]
        if abs(y_um - x_um) <= 0.01 * x_um:
            found["pixel_size_um"] = x_um
        else:
            notes.append(
                f"The file states pixels of {x_um:g} x {y_um:g} um (x, y); only square "
                "pixels are supported, so the pixel size stays unknown."
            )
    interval, unit = by_name.get("t", (0.0, None))
    if unit in _SECONDS and interval > 0:
        found["frame_interval_s"] = interval * _SECONDS[unit]
    step, unit = by_name.get("z", (0.0, None))
    if unit in _UM and step > 0:
        facts.plane_spacing_um = step * _UM[unit]
    for name, words in _DEFAULTS.items():
        if found.get(name) == 1:
            notes.append(
                f"The file states {words}, which some programs write when they do not "
                "know; check it."
            )
    return facts


def _own_instrument(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what our own result knows: unit, and the optics it was made with."""
    instrument: dict[str, Any] = {"phase_unit": record.get("unit", "rad")}
    acquisition = record.get("acquisition")
    stored = acquisition.get("instrument") if isinstance(acquisition, Mapping) else None
    stored = stored or record.get("instrument")
    if isinstance(stored, Mapping):
        instrument.update({k: stored[k] for k in KEPT_FIELDS if k in stored})
    return instrument
