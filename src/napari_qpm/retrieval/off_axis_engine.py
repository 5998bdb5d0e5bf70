"""Off-axis holograms by Fourier demodulation on the grid of the sideband alone.

Only the columns of the spectrum that hold the sideband are transformed, and the inverse
transform runs on the small window around it: the phase comes on a grid that the band
limit of the hologram fills (about 2.6 times coarser at the default filter), and is
interpolated to the full grid only when asked for.
"""

from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap
from napari_qpm.errors import LayoutError, SidebandError
from napari_qpm.fringes import find_carrier
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval._surface_kernels import phase_of
from napari_qpm.retrieval.demodulation import Demodulator, cached_demodulator
from napari_qpm.retrieval.engine import PhaseParameters
from napari_qpm.retrieval.finishing import finish_phase
from napari_qpm.retrieval.frame_checks import raw_frame_notes
from napari_qpm.retrieval.object_sign import infer_sign
from napari_qpm.retrieval.once import OncePerAcquisition
from napari_qpm.retrieval.refocusing import RefocusParameters, refocus

__all__ = [
    "FourierEngine",
    "FourierParameters",
    "SidebandParameters",
    "demodulated",
    "fill_nan",
    "fringe_visibility",
    "lost_on_grid",
    "resolve_sideband",
]

MIN_VISIBILITY = 0.02
"""Fringe visibility below which a frame counts as without fringes; real holograms have
0.1 and more, camera noise alone about 0.01 in the filter's band."""


class Grid(StrEnum):
    """Grid on which the phase of a hologram is returned."""

    CROPPED = "cropped"
    """The sideband's own grid, coarser than the camera's and complete."""
    FULL = "full"
    """The camera's grid, by Fourier interpolation."""


class Filter(StrEnum):
    """Edge of the filter around the sideband."""

    DISK = "disk"
    """Sharp edge: all of the band at full weight, slight ringing at hard steps."""
    SMOOTH = "smooth"
    """Raised-cosine edge over the outer fifth: less ringing."""


class SidebandParameters(PhaseParameters):
    """What every engine needs to know to cut out a sideband."""

    filter_radius: float = Field(
        1 / 3,
        ge=0.1,
        le=0.6,
        title="Filter radius",
        description="Radius of the filter around the sideband, in units of the carrier "
        "frequency. A third keeps clear of the central order; larger shows finer "
        "detail and more of the central order's leakage.",
    )


class FourierParameters(SidebandParameters, RefocusParameters):
    """Parameters of the Fourier demodulation."""

    filter_shape: Filter = Field(
        Filter.DISK,
        title="Filter edge",
        description="Sharp (disk) or smooth edge of the filter.",
    )
    grid: Grid = Field(
        Grid.CROPPED,
        title="Output grid",
        description="Cropped is fast and loses nothing; full gives the camera's grid.",
    )


class FourierEngine:
    """Phase of off-axis holograms.

    Parameters
    ----------
    parameters
        Filter, grid, focus, unwrapping and background.
    """

    name: ClassVar[str] = "fourier"
    title: ClassVar[str] = "Fourier demodulation"
    modality: ClassVar[Modality] = Modality.OFF_AXIS
    Parameters: ClassVar[type[PhaseParameters]] = FourierParameters

    def __init__(self, parameters: FourierParameters | None = None):
        self.parameters: FourierParameters = parameters or FourierParameters()
        self._empty_field = OncePerAcquisition(self._read_reference)

    def resolve(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with sideband and sign found where they are unknown.

        Raises
        ------
        LayoutError
            The frames have several channels.
        SidebandError
            No frame of a sample shows a single clear carrier.
        """
        resolved = resolve_sideband(acquisition, token)
        if resolved.instrument.phase_sign is not None:
            return resolved
        wrapped = [self._wrapped(f, resolved)[0] for f in _sample(resolved)]
        guess = infer_sign(np.concatenate(wrapped), token=token)
        resolved = resolved.with_instrument(phase_sign=guess.sign)
        return resolved.with_note(guess.note())

    def retrieve(
        self, frames: NDArray[Any], acquisition: Acquisition, token: CancelToken
    ) -> PhaseMap:
        """Return phase and amplitude of holograms ``(N, 1, Y, X)``."""
        wrapped, amplitude = self._wrapped(frames, acquisition)
        raw_notes = [raw_frame_notes(frame, acquisition) for frame in frames]
        for n, note in enumerate(raw_notes):
            visibility = fringe_visibility(frames[n], amplitude[n])
            if not visibility >= MIN_VISIBILITY:
                note.setdefault("problem", "The frame shows no fringes.")
            if "problem" in note:
                wrapped[n] = np.nan
        scale = self._demodulator(acquisition).scale
        if (acquisition.instrument.phase_sign or 1) < 0:
            np.negative(wrapped, out=wrapped)
        wrapped, amplitude, foci = refocus(
            wrapped, amplitude, acquisition, self.parameters, scale, token
        )
        finished = finish_phase(wrapped, self.parameters, token=token)
        return PhaseMap(
            phase=finished.phase,
            acquisition=acquisition,
            grid_scale=scale,
            wrapped=wrapped,
            amplitude=amplitude,
            frame_notes=tuple(map(_together, finished.notes, foci, raw_notes)),
        )

    def _demodulator(self, acquisition: Acquisition) -> Demodulator:
        carrier = acquisition.instrument.require(
            "sideband_cycles_per_px", "Fourier demodulation", acquisition.name
        )
        parameters = self.parameters
        return cached_demodulator(
            acquisition.shape[2:],
            carrier,
            parameters.filter_radius * float(np.hypot(*carrier)),
            parameters.filter_shape is Filter.SMOOTH,
            parameters.grid is Grid.FULL,
        )

    def _wrapped(
        self, frames: NDArray[Any], acquisition: Acquisition
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return wrapped phase [rad] and amplitude of holograms ``(N, 1, Y, X)``."""
        demodulator = self._demodulator(acquisition)
        holograms, lost = fill_nan(frames[:, 0])
        empty = self._empty_field(acquisition)
        wrapped, amplitude = demodulated(demodulator, holograms, empty)
        if lost is not None:
            wrapped[lost_on_grid(lost, wrapped.shape)] = np.nan
        return wrapped, amplitude

    def _read_reference(self, acquisition: Acquisition) -> NDArray[np.complex64] | None:
        """Return the factor ``(1, y, x)`` that takes an empty field's phase out."""
        if acquisition.reference is None:
            return None
        field = self._demodulator(acquisition).field(acquisition.reference)
        return np.asarray(np.conj(field) / np.maximum(np.abs(field), 1e-12))


def demodulated(
    demodulator: Demodulator,
    holograms: NDArray[Any],
    empty: NDArray[np.complex64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return wrapped phase [rad] and amplitude of holograms ``(N, Y, X)``.

    One by one, so that a field stays in the processor's cache.

    Parameters
    ----------
    empty
        Factor ``(1, y, x)`` that takes the phase of an empty field out.
    """
    shape = (len(holograms), *demodulator.output_shape)
    wrapped, amplitude = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for n in range(len(holograms)):
        field = demodulator.field(holograms[n : n + 1])
        if empty is not None:
            field *= empty
        phase_of(field, out=(wrapped[n : n + 1], amplitude[n : n + 1]))
    return wrapped, amplitude


def resolve_sideband(acquisition: Acquisition, token: CancelToken) -> Acquisition:
    """Return an off-axis acquisition whose sideband is known.

    It is searched in the reference hologram if there is one (no cells disturb it), else
    in a few frames of the series, of which the clearest counts.
    """
    if acquisition.shape[1] != 1:
        raise LayoutError(
            f"Holograms have one channel; {acquisition.name!r} has "
            f"{acquisition.shape[1]}."
        )
    if acquisition.instrument.sideband_cycles_per_px is not None:
        return acquisition
    frames = [frame[0, 0] for frame in _sample(acquisition)]
    if acquisition.reference is not None:
        frames.insert(0, acquisition.reference[0])
    carriers = []
    for frame in frames:
        token.raise_if_cancelled()
        carriers.append(find_carrier(frame))
    clear = [carrier for carrier in carriers if carrier.is_clear]
    if not clear:
        best = max(carriers, key=lambda c: c.prominence)
        raise SidebandError(
            f"No sideband was found in {acquisition.name!r}: its strongest pattern, at "
            f"({best.frequency[0]:+.3f}, {best.frequency[1]:+.3f}) cycles/px (y, x), "
            f"stands {best.prominence:.0f} times above its surroundings (a hologram: "
            f"20 or more) and a second one has {best.rival:.0%} of its strength. If "
            "these are holograms, set sideband_cycles_per_px; else choose another "
            "modality."
        )
    found = clear[0].frequency
    return acquisition.with_instrument(sideband_cycles_per_px=found).with_note(
        f"Sideband found at ({found[0]:+.4f}, {found[1]:+.4f}) cycles/px (y, x). "
        "Correct with sideband_cycles_per_px=(…)."
    )


def _together(*notes: dict[str, Any]) -> dict[str, Any]:
    """Return the notes of one frame; the last that says something is right."""
    return {key: value for note in notes for key, value in note.items()}


def _sample(acquisition: Acquisition) -> list[NDArray[Any]]:
    """Return first, middle and last frame, each ``(1, C, Y, X)``, without repeats."""
    last = acquisition.n_frames - 1
    return [acquisition.read(t)[None] for t in sorted({0, last // 2, last})]


def fringe_visibility(frame: NDArray[Any], amplitude: NDArray[np.float32]) -> float:
    """Return the fringe visibility of a frame, 0 to 1."""
    level = float(np.nanmean(frame, dtype=np.float64)) if frame.size else 0.0
    return 2 * float(np.median(amplitude)) / level if level > 0 else 0.0


def fill_nan(
    holograms: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return holograms without NaN, and where NaN was, if anywhere.

    One NaN would spread over the whole frame in its Fourier transform.
    """
    if holograms.dtype.kind != "f":
        return holograms, None
    lost = ~np.isfinite(holograms)
    if not lost.any():
        return holograms, None
    filled = np.where(lost, 0, holograms)
    count = np.maximum((~lost).sum(axis=(1, 2), keepdims=True), 1)
    level = filled.sum(axis=(1, 2), keepdims=True) / count
    return np.where(lost, level, filled), lost


def lost_on_grid(lost: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels of a coarser grid ``(N, y, x)`` hold lost raw pixels."""
    mask = np.zeros(shape, bool)
    n, y, x = np.nonzero(lost)
    rows = y * shape[1] // lost.shape[1]
    columns = x * shape[2] // lost.shape[2]
    mask[n, rows, columns] = True
    return mask
