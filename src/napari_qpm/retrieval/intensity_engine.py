"""Phase from intensities alone: planes through focus, or colours that focus apart.

One equation serves all (`intensity_transport`): for the optical path it knows no
wavelength, so red, green and blue are three planes.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap, PhaseUnit
from napari_qpm.errors import LayoutError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval._cosine_series import CosineSeries, cosine_series
from napari_qpm.retrieval.engine import BackgroundParameters
from napari_qpm.retrieval.finishing import flatten
from napari_qpm.retrieval.frame_checks import raw_frame_notes
from napari_qpm.retrieval.intensity_transport import (
    AxialChange,
    Solver,
    axial_change,
    optical_path,
)
from napari_qpm.retrieval.object_sign import infer_sign

__all__ = ["ColourTransportEngine", "TransportEngine", "TransportParameters"]

NOTABLE_DRIFT = 0.02
"""Change of the mean light between planes that is worth a word."""


class TransportParameters(BackgroundParameters):
    """Parameters of the transport of intensity."""

    solver: Solver = Field(
        Solver.AUTO,
        title="Light",
        description="Uniform is fast and right where the empty field is evenly bright; "
        "universal is right for any light. Auto looks at the frame.",
    )
    largest_um: float = Field(
        100.0,
        ge=2.0,
        le=100_000.0,
        title="Largest (µm)",
        description="Structure that is larger fades out: it is mostly noise. Make it "
        "at least twice as large as a cell.",
    )


class TransportEngine:
    """Phase of through-focus stacks of two planes or more.

    Parameters
    ----------
    parameters
        Solver, largest structure and background.
    """

    name: ClassVar[str] = "tie"
    title: ClassVar[str] = "Transport of intensity"
    modality: ClassVar[Modality] = Modality.THROUGH_FOCUS
    Parameters: ClassVar[type[BackgroundParameters]] = TransportParameters

    def __init__(self, parameters: TransportParameters | None = None):
        self.parameters: TransportParameters = parameters or TransportParameters()

    def resolve(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with its sign settled.

        Raises
        ------
        MissingMetadataError
            Pixel size, medium index or the positions of the planes are unknown.
        LayoutError
            There is not one position for each plane.
        """
        instrument, where = acquisition.instrument, repr(acquisition.name)
        for name in ("pixel_size_um", "focus_um", "medium_index"):
            instrument.require(name, self.title, where)
        focus, n_planes = instrument.focus_um or (), acquisition.shape[1]
        if len(focus) != n_planes:
            raise LayoutError(
                f"focus_um of {acquisition.name!r} has {len(focus)} positions for "
                f"{n_planes} {'colours' if self._is_coloured else 'planes'}. Give one "
                "for each, in um along the axis."
            )
        if instrument.phase_sign is not None:
            return acquisition
        path = self._path(acquisition.read(0), acquisition)
        phase = path * np.float32(2 * np.pi / _wavelength_um(acquisition))
        wrapped = np.angle(np.exp(1j * phase)).astype(np.float32)
        guess = infer_sign(wrapped[None], token=token)
        resolved = acquisition.with_instrument(phase_sign=guess.sign)
        return resolved.with_note(guess.note())

    def retrieve(
        self, frames: NDArray[Any], acquisition: Acquisition, token: CancelToken
    ) -> PhaseMap:
        """Return the phase of frames ``(N, C, Y, X)``, C planes or colours each.

        In radians where the wavelength is known, else optical path in nm.
        """
        phases, notes, amplitudes = [], [], []
        unit, per_um = _unit(acquisition)
        factor = np.float32((acquisition.instrument.phase_sign or 1) * per_um)
        for frame in frames:
            token.raise_if_cancelled()
            note = raw_frame_notes(frame, acquisition) | _brightness_note(frame)
            if "problem" in note or not frame.any():
                note.setdefault("problem", "The frame is black, so it has no phase.")
                phase = np.full(frame.shape[1:], np.nan, np.float32)
                amplitude = np.zeros_like(phase)
            else:
                path = self._path(frame, acquisition)
                phase, found = flatten(path * factor, self.parameters)
                note = _together(found | note, self._path_note(path, acquisition))
                amplitude = _amplitude(frame)
            phases.append(phase)
            amplitudes.append(amplitude)
            notes.append(note)
        return PhaseMap(
            phase=np.stack(phases),
            acquisition=acquisition,
            unit=unit,
            amplitude=np.stack(amplitudes),
            frame_notes=tuple(notes),
        )

    @property
    def _is_coloured(self) -> bool:
        return self.modality is Modality.CHROMATIC

    def _path(self, frame: NDArray[Any], acquisition: Acquisition) -> NDArray[Any]:
        """Return the optical path ``(Y, X)`` [um] of a frame ``(C, Y, X)``."""
        instrument = acquisition.instrument
        planes = evened(frame, acquisition.reference)
        focus = np.asarray(instrument.focus_um, np.float64)
        pixel = float(instrument.pixel_size_um or 1)
        _, height, width = planes.shape
        series = cosine_series((height, width), (pixel, pixel))
        return self._solve(axial_change(planes, focus), series, acquisition)

    def _path_note(
        self, path: NDArray[Any], acquisition: Acquisition
    ) -> dict[str, Any]:
        """Return what the optical path itself tells about its method."""
        return {}

    def _solve(
        self, change: AxialChange, series: CosineSeries, acquisition: Acquisition
    ) -> NDArray[np.float32]:
        return optical_path(
            change,
            series,
            medium_index=float(acquisition.instrument.medium_index or 1),
            largest_um=self.parameters.largest_um,
            solver=self.parameters.solver,
        )


class ColourTransportEngine(TransportEngine):
    """Phase of one colour picture whose colours focus apart.

    Parameters
    ----------
    parameters
        Solver, largest structure and background.
    """

    name: ClassVar[str] = "tie-rgb"
    title: ClassVar[str] = "Transport of intensity (colours)"
    modality: ClassVar[Modality] = Modality.CHROMATIC


def evened(frame: NDArray[Any], reference: NDArray[Any] | None) -> NDArray[np.float32]:
    """Return planes ``(C, Y, X)`` over an empty field's; NaN becomes the mean."""
    planes = frame.astype(np.float32)
    if reference is not None:
        empty = reference.astype(np.float32)
        level = empty.mean(axis=(1, 2), keepdims=True)
        planes = planes / np.maximum(empty, np.float32(0.01) * level)
    lost = ~np.isfinite(planes)
    if lost.any():
        planes[lost] = np.broadcast_to(
            np.nanmean(planes, axis=(1, 2), keepdims=True), planes.shape
        )[lost]
    return planes


def _together(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the notes of both, with the warnings of both."""
    warnings = [note["warning"] for note in (first, second) if "warning" in note]
    both = first | second
    return both | {"warning": " ".join(warnings)} if warnings else both


def _unit(acquisition: Acquisition) -> tuple[PhaseUnit, float]:
    """Return the unit of the result and its amount in 1 um of optical path."""
    wavelength = acquisition.instrument.wavelength_nm
    if wavelength is None:
        return PhaseUnit.NANOMETRES, 1000.0
    return PhaseUnit.RADIANS, 2 * np.pi * 1000 / wavelength


def _wavelength_um(acquisition: Acquisition) -> float:
    """Return the wavelength, or a usual one: enough to judge a sign."""
    return (acquisition.instrument.wavelength_nm or 550.0) / 1000


def _amplitude(frame: NDArray[Any]) -> NDArray[np.float32]:
    light = np.maximum(frame.mean(axis=0, dtype=np.float32), 0)
    return np.asarray(np.sqrt(light), np.float32)


def _brightness_note(frame: NDArray[Any]) -> dict[str, Any]:
    """Return how much the planes of a frame differ in mean light."""
    means = np.nanmean(frame, axis=(1, 2), dtype=np.float64)
    drift = float(np.ptp(means) / max(float(means.mean()), 1e-12))
    return {"brightness_range": round(drift, 4)} if drift > NOTABLE_DRIFT else {}
