"""HDF5 as qpimage stores phase, and as qpformat stores holograms.

Lengths are in metres and times in seconds there. qpimage keeps phase as it was measured
with its backgrounds beside it; what is shown is their difference, as in qpimage.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.acquisition import FrameSource, Modality, PhaseUnit
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.field import RawField

if TYPE_CHECKING:
    import h5py

__all__ = ["is_qpformat", "is_qpimage", "read_qpformat", "read_qpimage"]

PHASE, BACKGROUNDS = "phase/raw", "phase/bg_data"
_GROUP = re.compile(r"qpi_(\d+)")
_MASK = "estimate_bg_from_mask"
_OFF_AXIS = "off-axis holography"
_INSTRUMENT = {
    "wavelength": ("wavelength_nm", 1e9),
    "pixel size": ("pixel_size_um", 1e6),
    "medium index": ("medium_index", 1.0),
    "numerical aperture": ("numerical_aperture", 1.0),
}


def is_qpimage(file: "h5py.File") -> bool:
    """Return whether a file holds a QPImage or a QPSeries."""
    if "phase" in file and "amplitude" in file and PHASE in file:
        return True
    return any(f"{name}/{PHASE}" in file for name in _groups(file)[:1])


def is_qpformat(file: "h5py.File") -> bool:
    """Return whether a file holds raw interferograms as qpformat stores them."""
    return _text(file.attrs.get("file_format")) == "qpformat"


def read_qpimage(path: Path, file: "h5py.File") -> list[RawField]:
    """Return the phase images of a QPImage or QPSeries; groups count the frames."""
    groups = [""] if PHASE in file else _groups(file)
    names = [f"{group}/{PHASE}".lstrip("/") for group in groups]
    backgrounds = []
    for group in groups:
        folder = f"{group}/{BACKGROUNDS}".lstrip("/")
        stored = list(file[folder]) if folder in file else []
        usable = (f"{folder}/{key}" for key in stored if key != _MASK)
        backgrounds.append(tuple(usable))
    shape = _one_size(path, [file[name] for name in names], names)
    attributes = [dict(file[group or "/"].attrs) for group in groups]
    instrument, notes = _instrument(attributes)
    source = _series(path, names, shape, np.dtype(np.float32), backgrounds)
    if any(backgrounds):
        notes.append("The background that qpimage stored is taken off the phase.")
    return [
        RawField(
            source=source,
            reader="qpimage HDF5",
            instrument={**instrument, "phase_unit": PhaseUnit.RADIANS},
            notes=tuple(notes),
            modality=Modality.PHASE,
            times_s=_times(attributes),
        )
    ]


def read_qpformat(path: Path, file: "h5py.File") -> list[RawField]:
    """Return the interferograms of a qpformat file, with its reference."""
    names = sorted((name for name in file if name.isdecimal()), key=int)
    if not names:
        raise FileFormatError(
            f"{path} is a qpformat file without frames (datasets '0', '1', …)."
        )
    shape = _one_size(path, [file[name] for name in names], names)
    dtype = file[names[0]].dtype
    attributes = [dict(file[name].attrs) for name in names]
    instrument, notes = _instrument(attributes)
    kind = _text(file.attrs.get("imaging_modality"))
    modality = Modality.OFF_AXIS if kind == _OFF_AXIS else None
    if modality is None:
        notes.append(f"The file states {kind or 'no'} interferograms.")
    reference = file.get("reference")
    return [
        RawField(
            source=_series(path, names, shape, dtype, ()),
            reader="qpformat HDF5",
            instrument=instrument,
            notes=tuple(notes),
            modality=modality,
            reference=None if reference is None else np.asarray(reference[()]),
            times_s=_times(attributes),
        )
    ]


def _groups(file: "h5py.File") -> list[str]:
    """Return the groups of a QPSeries in frame order."""
    numbered = [(int(m[1]), name) for name in file if (m := _GROUP.fullmatch(name))]
    return [name for _, name in sorted(numbered)]


def _series(
    path: Path,
    names: Sequence[str],
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    backgrounds: Sequence[tuple[str, ...]],
) -> FrameSource:
    from napari_qpm.io.hdf5 import SeriesSource

    return SeriesSource(path, names, shape, dtype, backgrounds)


def _one_size(
    path: Path, datasets: Sequence[Any], names: Sequence[str]
) -> tuple[int, int]:
    """Return the size ``(Y, X)`` that every frame has."""
    first = datasets[0]
    for name, dataset in zip(names, datasets, strict=True):
        if dataset.dtype.kind not in "uif" or dataset.ndim != 2 or 0 in dataset.shape:
            raise LayoutError(
                f"{path} holds {name} of shape {dataset.shape} and type "
                f"{dataset.dtype}; frames are images of numbers, (Y, X)."
            )
        if dataset.shape != first.shape:
            raise LayoutError(
                f"{path} holds {name} of shape {dataset.shape}, but {names[0]} has "
                f"{first.shape} (Y, X). Frames of one recording have one size."
            )
    y, x = first.shape
    return int(y), int(x)


def _instrument(
    attributes: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, Any], list[str]]:
    """Return the fields that all frames agree on, and notes on the others."""
    found: dict[str, Any] = {}
    notes: list[str] = []
    for key, (field, factor) in _INSTRUMENT.items():
        values = {number for a in attributes if (number := _number(a.get(key)))}
        if len(values) == 1:
            # Metres as binary numbers: 5.32e-7 m is 532 nm, not 532.0000000000001.
            found[field] = float(f"{values.pop() * factor:.9g}")
        elif values:
            notes.append(f"Frames state different values of {key!r}; none is used.")
    return found, notes


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _times(attributes: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    """Return the time of each frame [s]; nothing when one is missing."""
    try:
        return tuple(float(a["time"]) for a in attributes)
    except (KeyError, TypeError, ValueError):
        return ()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
