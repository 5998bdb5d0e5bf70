"""What a sample shows and through which instrument."""

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Handedness
from napari_qpm.errors import ParameterError, UnknownNameError

__all__ = ["ALPHA_UM3_PER_PG", "SampleSettings", "Specimen", "Stream"]

ALPHA_UM3_PER_PG = 0.18
"""Refraction increment (mL/g) by which the phase of a simulated mass is drawn."""


class Stream(IntEnum):
    """Independent random numbers of one seed."""

    CELLS = 1
    FRAMES = 2
    OPTICS = 3


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
    specimen, n_cells
        `n_cells` None covers about a third of the field.
    noise
        Shot and read noise; quantisation stays.
    background
        Vignetting, residual tilt, curvature and (off-axis) aberration, drifting piston.
    wavelength_nm, pixel_size_um, numerical_aperture, medium_index, frame_interval_s
        Instrument.
    visibility
        Fringe contrast of the interference.
    handedness, layout
        Of the polarization camera.
    carrier_cycles_per_px
        ``(fy, fx)`` of the off-axis fringes.
    sphere_radius_um, sphere_index_step
        Of the sphere and over the medium.
    """

    seed: int = 0
    n_frames: int = 12
    shape: tuple[int, int] = (384, 384)
    specimen: Specimen = Specimen.CELLS
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
    sphere_radius_um: float = 10.0
    sphere_index_step: float = 0.02

    def __post_init__(self) -> None:
        if self.n_frames < 1 or min(self.shape) < 16:
            raise ParameterError(
                f"A sample has at least 1 frame of 16 x 16 pixels, not "
                f"{self.n_frames} of {self.shape}."
            )
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        for name, kind in (("specimen", Specimen), ("handedness", Handedness)):
            value = str(getattr(self, name))
            options = [str(member) for member in kind]
            if value not in options:
                raise UnknownNameError(name, value, options)
            object.__setattr__(self, name, kind(value))

    @property
    def field_um(self) -> NDArray[np.float64]:
        """``(y, x)`` size of the field of view."""
        return np.array(self.shape) * self.pixel_size_um

    @property
    def radians_per_um(self) -> float:
        """Phase of 1 um of optical path."""
        return 2 * math.pi / (self.wavelength_nm / 1000)

    @property
    def phase_sum_per_pg(self) -> float:
        """Sum of the phase [rad] over the pixels of 1 pg of dry mass."""
        return ALPHA_UM3_PER_PG * self.radians_per_um / self.pixel_size_um**2

    def rng(self, *stream: int) -> np.random.Generator:
        """Return the random numbers of one cell or frame."""
        return np.random.default_rng([self.seed, *stream])
