"""A recording that knows its physics, and the phase made from it.

An unknown value is `None`, never a silent default; what needs it names it
(`MissingMetadataError`). This module needs numpy only, so that simulation and training
can import it on a bare machine; dask is imported where a lazy view is asked for.
"""

import dataclasses
import functools
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import (
    LayoutError,
    MissingMetadataError,
    ModalityError,
    UnknownNameError,
)
from napari_qpm.instrument import Handedness, Instrument, PhaseUnit, ReferenceWave
from napari_qpm.provenance import Step

if TYPE_CHECKING:
    import dask.array as da

__all__ = [
    "HOLDS_CELLS",
    "REFERENCE_STEP",
    "RELATIVE",
    "Acquisition",
    "ArraySource",
    "FrameSource",
    "Handedness",
    "Instrument",
    "Modality",
    "PhaseMap",
    "PhaseUnit",
    "ReferenceWave",
]

REFERENCE_STEP = "reference"
"""Name of the step of a history that says which reference was taken."""
HOLDS_CELLS = "holds_cells"
"""Key of that step: whether a median over time was seen to hold cells."""
RELATIVE = "dry_mass_is_relative"
"""Column, and key of a frame's notes: whether the zero of a frame is a guess."""


class Modality(StrEnum):
    """Kind of recording; it decides what the channel axis means."""

    POLARIZATION = "polarization"
    """C = 1: a raw 2x2 polarization mosaic; C = 4: images behind 0, 45, 90, 135 deg."""
    OFF_AXIS = "off-axis"
    """C = 1: holograms with a carrier fringe."""
    CHROMATIC = "chromatic"
    """C = 3: red, green, blue brightfield."""
    THROUGH_FOCUS = "through-focus"
    """C = planes along the optical axis."""
    PHASE_SHIFTING = "phase-shifting"
    """C = 3 or more interferograms between which the reference wave was stepped."""
    PHASE = "phase"
    """C = 1: phase (or OPD, or dry-mass density) that was retrieved already."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the modality of this name; raise with the list of names otherwise."""
        try:
            return cls(name)
        except ValueError:
            raise UnknownNameError("modality", name, [m.value for m in cls]) from None


@runtime_checkable
class FrameSource(Protocol):
    """Random access to the frames of one field of view, safe from several threads."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""


class ArraySource:
    """Frames that are in memory already, or any lazy ``(T, C, Y, X)`` array.

    Parameters
    ----------
    array
        ``(Y, X)``, ``(T, Y, X)`` or ``(T, C, Y, X)``.
    """

    def __init__(self, array: Any):
        if array.ndim not in (2, 3, 4):
            raise LayoutError(
                f"Frames have 2 to 4 axes (T, C, Y, X), not shape {array.shape}."
            )
        while array.ndim < 4:
            array = array[None] if array.ndim == 2 else array[:, None]
        self._array = array

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        t, c, y, x = self._array.shape
        return int(t), int(c), int(y), int(x)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        return dtype

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        return np.asarray(self._array[t])


@dataclass(frozen=True)
class _FrameLoader:
    """Reads the frame of a dask block; a class, so that it can travel to a worker."""

    source: FrameSource

    def __call__(self, block_id: tuple[int, ...]) -> NDArray[Any]:
        return self.source.read(block_id[0])[None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Acquisition:
    """One field of view over time, `(T, C, Y, X)`, with what is known of its optics.

    Parameters
    ----------
    source
        Where the frames come from.
    modality
        `None` while it is neither detected nor stated.
    instrument
        What is known of the microscope.
    name
        Short name, for layers and output files.
    path
        Where it was opened from.
    reference
        ``(C, Y, X)`` frame of an empty field, in raw units.
    notes
        What was assumed or is doubtful, in sentences for the user.
    history
        Steps that led here.
    times_s
        Time of every frame [s], where the file states it; frames may be uneven.
    """

    source: FrameSource
    modality: Modality | None = None
    instrument: Instrument = field(default_factory=Instrument)
    name: str = "recording"
    path: Path | None = None
    reference: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    history: tuple[Step, ...] = ()
    times_s: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.times_s is not None and len(self.times_s) != self.n_frames:
            raise LayoutError(
                f"{self.name!r} has {self.n_frames} frames, but {len(self.times_s)} "
                "times."
            )
        if self.reference is not None:
            reference = np.asarray(self.reference)
            reference = reference[None] if reference.ndim == 2 else reference
            if self.modality is Modality.THROUGH_FOCUS and len(reference) == 1:
                # An empty field looks the same in every plane.
                reference = np.broadcast_to(reference, self.shape[1:])
            if reference.shape != self.shape[1:]:
                raise LayoutError(
                    f"The reference frame has shape {reference.shape}, the frames of "
                    f"{self.name!r} have {self.shape[1:]} (C, Y, X). "
                    "Use a reference from the same camera settings."
                )
            object.__setattr__(self, "reference", reference)

    @classmethod
    def from_array(
        cls,
        array: Any,
        modality: str | Modality | None = None,
        *,
        name: str = "array",
        reference: NDArray[Any] | None = None,
        **instrument: Any,
    ) -> Self:
        """Return an acquisition of a ``(Y, X)``, ``(T, Y, X)``, ``(T, C, Y, X)`` array.

        Further keywords are `Instrument` fields.
        """
        return cls(
            source=ArraySource(array),
            modality=None if modality is None else Modality.parse(modality),
            instrument=Instrument().replace(**instrument),
            name=name,
            reference=reference,
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return self.source.shape

    @property
    def n_frames(self) -> int:
        """Number of time points."""
        return self.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        return self.source.dtype

    @property
    def is_mosaic(self) -> bool:
        """Whether frames are raw polarization mosaics."""
        return self.modality is Modality.POLARIZATION and self.shape[1] == 1

    @property
    def has_empty_reference(self) -> bool:
        """Whether it has a reference, and that was not seen to hold cells."""
        taken = [step for step in self.history if step.name == REFERENCE_STEP]
        holds_cells = bool(taken) and taken[-1].parameters.get(HOLDS_CELLS, False)
        return self.reference is not None and not holds_cells

    @property
    def saturation_level(self) -> int | None:
        """Raw value of a saturated pixel; `None` for floats or unknown depth."""
        if self.dtype.kind != "u":
            return None
        bits, shift = self.instrument.bit_depth, self.instrument.bit_shift
        if bits is None:
            return int(np.iinfo(self.dtype).max) if self.dtype.itemsize == 1 else None
        return ((1 << bits) - 1) << shift

    def read(self, t: int) -> NDArray[Any]:
        """Return raw frame `t` as ``(C, Y, X)``, without dask."""
        n = self.n_frames
        if not -n <= t < n:
            raise LayoutError(f"{self.name!r} has {n} frames; there is no frame {t}.")
        return self.source.read(t % n)

    @functools.cached_property
    def frames(self) -> "da.Array":
        """Lazy ``(T, C, Y, X)`` view, one chunk a frame."""
        import dask.array as da

        t, c, y, x = self.shape

        return da.map_blocks(
            _FrameLoader(self.source),
            # Named by chance: dask would hash the whole recording otherwise.
            name=f"frames-{uuid.uuid4().hex}",
            chunks=((1,) * t, (c,), (y,), (x,)),
            dtype=self.dtype,
            meta=np.empty((0, 0, 0, 0), self.dtype),
        )

    def replace(self, **changes: Any) -> Self:
        """Return a copy with fields of the acquisition changed."""
        return dataclasses.replace(self, **changes)

    def time_s(self, t: int) -> float | None:
        """Return the time of frame `t` [s], or `None` when it is not known."""
        if self.times_s is not None:
            return self.times_s[t]
        interval = self.instrument.frame_interval_s
        return None if interval is None else t * interval

    def with_instrument(self, **changes: Any) -> Self:
        """Return a copy with `Instrument` fields changed.

        A stated frame interval replaces the times that the file states.
        """
        instrument = self.instrument.replace(**changes)
        times_s = None if "frame_interval_s" in changes else self.times_s
        return self.replace(instrument=instrument, times_s=times_s)

    def with_note(self, *notes: str) -> Self:
        """Return a copy with notes added; a note is never said twice."""
        return self.replace(notes=tuple(dict.fromkeys((*self.notes, *notes))))

    def require_modality(self) -> Modality:
        """Return the modality, or raise when it is unknown."""
        if self.modality is None:
            options = ", ".join(m.value for m in Modality)
            raise ModalityError(
                f"The kind of recording {self.name!r} is not known. "
                f"Say which it is with modality=…: {options}."
            )
        return self.modality

    def missing(self) -> dict[str, str]:
        """Return what is unknown: ``{field: what it is needed for}``."""
        gaps = {}
        instrument = self.instrument
        unit = instrument.phase_unit
        if self.modality is None:
            gaps["modality"] = "choosing a phase engine"
        if instrument.pixel_size_um is None:
            gaps["pixel_size_um"] = "lengths, areas and dry mass"
        needs_wavelength = self.modality is not Modality.PHASE or unit in (
            PhaseUnit.RADIANS,
            PhaseUnit.WAVES,
        )
        if instrument.wavelength_nm is None and needs_wavelength:
            gaps["wavelength_nm"] = "optical path difference and dry mass"
        if self.modality is Modality.PHASE and unit in (None, PhaseUnit.UNKNOWN):
            gaps["phase_unit"] = "optical path difference and dry mass"
        if self.modality in (Modality.THROUGH_FOCUS, Modality.CHROMATIC):
            if instrument.focus_um is None:
                gaps["focus_um"] = "phase from intensities"
            if instrument.medium_index is None:
                gaps["medium_index"] = "the scale of that phase"
        if self.n_frames > 1 and instrument.frame_interval_s is None:
            gaps["frame_interval_s"] = "times and rates"
        return gaps

    def record(self) -> dict[str, Any]:
        """Return a plain, serialisable description (layer metadata, provenance)."""
        return {
            "name": self.name,
            "path": None if self.path is None else str(self.path),
            "modality": None if self.modality is None else self.modality.value,
            "shape_tcyx": list(self.shape),
            "dtype": str(self.dtype),
            "instrument": self.instrument.to_dict(),
            "has_reference": self.reference is not None,
            "times_s": None if self.times_s is None else list(self.times_s),
            "missing": self.missing(),
            "notes": list(self.notes),
            "history": [step.to_dict() for step in self.history],
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseMap:
    """Phase of a recording, with what it was made from and how.

    Parameters
    ----------
    phase
        ``(T, Y, X)`` float32 in `unit` (radians unless the recording held something
        that cannot be converted), positive = optically thicker than the medium. NumPy
        for frames that an engine just made, dask for whole recordings.
    acquisition
        The recording; its instrument is what the engine used, found values included.
    grid_scale
        ``(y, x)`` raw pixels per pixel of this map.
    first_frame
        Number in the recording of this map's frame 0.
    wrapped, amplitude, quality, standard_deviation
        Optional ``(T, Y, X)`` companions: wrapped phase [rad], object amplitude
        (arbitrary units), reliability 0 to 1, noise of the phase [rad].
    frame_notes
        One dictionary a frame of what the engine found (residues, background level).
    history
        Steps that led here.
    """

    phase: Any
    acquisition: Acquisition
    grid_scale: tuple[float, float] = (1.0, 1.0)
    first_frame: int = 0
    unit: PhaseUnit = PhaseUnit.RADIANS
    wrapped: Any = None
    amplitude: Any = None
    quality: Any = None
    standard_deviation: Any = None
    frame_notes: Sequence[dict[str, Any]] = ()
    history: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        if self.phase.ndim != 3:
            raise LayoutError(f"Phase is (T, Y, X), not shape {self.phase.shape}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(T, Y, X)``."""
        t, y, x = self.phase.shape
        return int(t), int(y), int(x)

    @property
    def n_frames(self) -> int:
        """Number of time points."""
        return self.shape[0]

    @property
    def pixel_size_um(self) -> tuple[float, float] | None:
        """``(y, x)`` size of a pixel of this map in object space, if known."""
        pixel = self.acquisition.instrument.pixel_size_um
        if pixel is None:
            return None
        return pixel * self.grid_scale[0], pixel * self.grid_scale[1]

    def opd_nm_per_unit(self, needed_for: str = "Optical path difference") -> float:
        """Return the factor from values of this map to nm of optical path.

        Raises
        ------
        MissingMetadataError
            The wavelength or the unit of the phase is unknown, or the values are a
            dry-mass density (which has no optical path without its alpha).
        """
        instrument, where = self.acquisition.instrument, repr(self.acquisition.name)
        match self.unit:
            case PhaseUnit.NANOMETRES:
                return 1.0
            case PhaseUnit.MICROMETRES:
                return 1000.0
            case PhaseUnit.RADIANS:
                wavelength = instrument.require("wavelength_nm", needed_for, where)
                return float(wavelength) / (2 * math.pi)
            case PhaseUnit.WAVES:
                return float(instrument.require("wavelength_nm", needed_for, where))
        raise MissingMetadataError("phase_unit", needed_for, where)

    def read(self, t: int) -> NDArray[np.float32]:
        """Return the phase of frame `t` as ``(Y, X)``."""
        return np.asarray(self.phase[t], dtype=np.float32)

    def read_raw(self, t: int) -> NDArray[Any]:
        """Return the raw frame ``(C, Y, X)`` that frame `t` was made from."""
        return self.acquisition.read(self.first_frame + t)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with fields changed."""
        return dataclasses.replace(self, **changes)

    def record(self) -> dict[str, Any]:
        """Return a plain, serialisable description (layer metadata, provenance)."""
        return {
            "unit": self.unit.value,
            "grid_scale": list(self.grid_scale),
            "pixel_size_um": None
            if self.pixel_size_um is None
            else list(self.pixel_size_um),
            "acquisition": self.acquisition.record(),
            "history": [step.to_dict() for step in self.history],
        }
