"""What a sample shows and through which instrument."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from napari_qpm.acquisition import Handedness, Modality
from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.specimens._recipes import CellKind

__all__ = ["ALPHA_UM3_PER_PG", "SampleSettings", "Specimen"]

ALPHA_UM3_PER_PG = 0.18
"""Refraction increment (mL/g) by which the phase of a simulated mass is drawn."""


class Specimen(StrEnum):
    """What lies in the field of view."""

    CELLS = "cells"
    """Living cells; one of them divides."""
    SPHERE = "sphere"
    """One homogeneous sphere in the centre, with its exact projected phase."""
    EMPTY = "empty"
    """Nothing."""


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """What is simulated.

    Parameters
    ----------
    seed
        The same seed and settings give the same recording.
    n_frames, shape
        Number of frames and ``(Y, X)``; a mosaic needs even sides.
    specimen, cell_kind
        What lies in the field, and how its cells grow.
    confluence, n_cells
        Share of the field that cells cover at the beginning, or their number.
    noise
        Shot and read noise; quantisation stays.
    background
        Vignetting, residual tilt, curvature and (off-axis) aberration, drifting piston.
    wavelength_nm, pixel_size_um, numerical_aperture, medium_index, frame_interval_s
        Instrument; phase belongs to this wavelength also where the lamp is white.
    visibility
        Fringe contrast of the interference.
    handedness, layout
        Of the polarization camera.
    carrier_cycles_per_px
        ``(fy, fx)`` of the off-axis fringes.
    focus_curve_um, coherence_ratio
        Of the colour picture: a0 [um], a1 [um/um] and a2 [um/um^2] of the focus over
        wavelength, and aperture of the condenser over that of the objective.
    sphere_radius_um, sphere_index_step
        Of the sphere and over the medium.
    """

    seed: int = 0
    n_frames: int = 12
    shape: tuple[int, int] = (384, 384)
    specimen: Specimen = Specimen.CELLS
    cell_kind: CellKind = CellKind.ADHERENT
    confluence: float = 0.3
    n_cells: int | None = None
    noise: bool = True
    background: bool = True
    wavelength_nm: float = 532.0
    pixel_size_um: float = 0.345
    numerical_aperture: float = 0.3
    medium_index: float = 1.337
    frame_interval_s: float = 600.0
    visibility: float = 0.8
    handedness: Handedness = Handedness.POSITIVE
    layout: tuple[int, int, int, int] = (90, 45, 135, 0)
    carrier_cycles_per_px: tuple[float, float] = (0.2207, 0.2383)
    focus_curve_um: tuple[float, float, float] = (3.0, -40.0, 120.0)
    coherence_ratio: float = 0.3
    sphere_radius_um: float = 10.0
    sphere_index_step: float = 0.02

    def __post_init__(self) -> None:
        if self.n_frames < 1 or min(self.shape) < 16:
            raise ParameterError(
                f"A sample has at least 1 frame of 16 x 16 pixels, not "
                f"{self.n_frames} of {self.shape}."
            )
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        for name, kind in (
            ("specimen", Specimen),
            ("cell_kind", CellKind),
            ("handedness", Handedness),
        ):
            value = str(getattr(self, name))
            options = [str(member) for member in kind]
            if value not in options:
                what = name.replace("cell_kind", "kind of cell")
                raise UnknownNameError(what, value, options)
            object.__setattr__(self, name, kind(value))

    @classmethod
    def of(cls, modality: Modality, options: Mapping[str, Any]) -> Self:
        """Return settings of a kind of sample, its defaults changed by options."""
        known = {f.name for f in dataclasses.fields(cls)}
        for name in options:
            if name not in known:
                raise UnknownNameError("sample option", name, known)
        settings = cls(**{**_DEFAULTS[modality], **options})
        is_odd = settings.shape[0] % 2 or settings.shape[1] % 2
        if modality is Modality.POLARIZATION and is_odd:
            raise ParameterError(
                f"A polarization mosaic has even sides, not {settings.shape}."
            )
        return settings

    @property
    def radians_per_um(self) -> float:
        """Phase of 1 um of optical path."""
        return 2 * math.pi / (self.wavelength_nm / 1000)

    @property
    def phase_sum_per_pg(self) -> float:
        """Sum of the phase [rad] over the pixels of 1 pg of dry mass."""
        return ALPHA_UM3_PER_PG * self.radians_per_um / self.pixel_size_um**2


_DEFAULTS: dict[Modality, dict[str, Any]] = {
    Modality.POLARIZATION: {},
    # |carrier| = 3 NA / (wavelength M): the sideband just clears the central band.
    Modality.OFF_AXIS: {"n_frames": 1, "shape": (512, 512), "pixel_size_um": 0.19},
    Modality.CHROMATIC: {"n_frames": 3},
    Modality.PHASE: {"n_frames": 6},
}
