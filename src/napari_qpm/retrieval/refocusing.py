"""Refocus a complex field: bring another plane into focus after the recording.

What is moved is the field without its background (a reference, or tilt and curvature).
Where only a phase exists there is no field, and nothing to refocus.
"""

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import Acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.background import fit_wrapped_slopes
from napari_qpm.retrieval.cell_focus import focus_cells
from napari_qpm.retrieval.engine import PhaseParameters
from napari_qpm.retrieval.propagator import Propagator, faded, find_focus

__all__ = ["Autofocus", "RefocusParameters", "refocus"]

SPARED_RIM = 1 / 24
"""Part of each side that fades into the plane as recorded."""


class Autofocus(StrEnum):
    """What is searched by itself."""

    OFF = "off"
    """Nothing: the distance is the one that is stated."""
    FRAME = "frame"
    """One plane for each frame."""
    CELLS = "cells"
    """One plane for each frame, then one for each cell in it."""


class RefocusParameters(PhaseParameters):
    """What engines that know the complex field offer beside `PhaseParameters`."""

    refocus_um: float = Field(
        0.0,
        ge=-100.0,
        le=100.0,
        title="Refocus (µm)",
        description="Distance in the medium to the plane that is brought into focus; "
        "0 keeps the plane of the camera. Needs wavelength, pixel size and medium "
        "index.",
        json_schema_extra={"slider": True},
    )
    autofocus: Autofocus = Field(
        Autofocus.OFF,
        title="Autofocus",
        description="Search the focus of every frame around the distance above: where "
        "the brightness of transparent cells has the least contrast. Cells: then of "
        "every cell by itself, where they lie at different heights.",
    )
    focus_range_um: float = Field(
        20.0,
        gt=0.0,
        le=100.0,
        title="Search ± (µm)",
        description="How far to both sides autofocus searches.",
    )

    @property
    def moves_focus(self) -> bool:
        """Whether any field is refocused."""
        return self.autofocus is not Autofocus.OFF or self.refocus_um != 0


def refocus(
    wrapped: NDArray[np.float32],
    amplitude: NDArray[np.float32],
    acquisition: Acquisition,
    parameters: RefocusParameters,
    grid_scale: tuple[float, float],
    token: CancelToken,
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[dict[str, Any]]]:
    """Return wrapped phase and amplitude of other planes, and what was found.

    Parameters
    ----------
    wrapped, amplitude
        ``(N, Y, X)``; the phase has the object's sign, so that the light goes forward.
    acquisition
        Knows wavelength, pixel size and medium index.
    parameters
        Where to.
    grid_scale
        Raw pixels per pixel of the field.
    token
        To cancel.

    Raises
    ------
    MissingMetadataError
        Wavelength, pixel size or medium index are unknown.
    """
    notes: list[dict[str, Any]] = [{} for _ in wrapped]
    if not parameters.moves_focus:
        return wrapped, amplitude, notes
    instrument, where = acquisition.instrument, repr(acquisition.name)
    wavelength, pixel, index = (
        float(instrument.require(name, "Refocusing", where))
        for name in ("wavelength_nm", "pixel_size_um", "medium_index")
    )
    propagator = Propagator(
        (wrapped.shape[1], wrapped.shape[2]),
        (pixel * grid_scale[0], pixel * grid_scale[1]),
        wavelength / 1000,
        index,
    )
    moved, bright = np.empty_like(wrapped), np.empty_like(amplitude)
    for n, (phase, light) in enumerate(zip(wrapped, amplitude, strict=True)):
        token.raise_if_cancelled()
        lost = ~(np.isfinite(phase) & np.isfinite(light))
        if lost.all():
            moved[n], bright[n] = phase, light
            continue
        slopes = fit_wrapped_slopes(phase).evaluate(phase.shape)
        field = light * np.exp(1j * (phase - slopes))
        if lost.any():
            field[lost] = np.mean(field[~lost])
        distance = parameters.refocus_um
        span = parameters.focus_range_um
        if parameters.autofocus is not Autofocus.OFF:
            distance = find_focus(field, propagator, distance, span, token)
        # The rim stays as recorded: moved along, its errors would reach everywhere.
        inner = faded(field, SPARED_RIM)
        there = propagator.at(propagator.spectrum(inner), distance) + (field - inner)
        notes[n] = {"focus_um": round(distance, 3)}
        if parameters.autofocus is Autofocus.CELLS:
            there, cells = focus_cells(there, propagator, span, token)
            notes[n]["cell_focus_um"] = [
                [round(c.y, 1), round(c.x, 1), round(distance + c.distance_um, 3)]
                for c in cells
            ]
        turned = np.angle(there * np.exp(1j * slopes))
        moved[n] = np.where(lost, np.float32(np.nan), turned)
        bright[n] = np.abs(there)
    return moved, bright, notes
