"""Phase to raw frames: the optics and cameras of the samples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import (
    Acquisition,
    Handedness,
    Modality,
    PhaseUnit,
    ReferenceWave,
)
from napari_qpm.errors import ParameterError
from napari_qpm.specimens._settings import SampleSettings, Stream

__all__ = ["CAMERAS"]

FloatImage = NDArray[np.float32]


def _polarization_camera(s: SampleSettings, phase: FloatImage) -> Acquisition:
    """Return a raw 12-bit mosaic: ``I = mean (1 + V cos(phi +- 2 theta))``."""
    if s.shape[0] % 2 or s.shape[1] % 2:
        raise ParameterError(f"A polarization mosaic has even sides, not {s.shape}.")
    sign = 1 if s.handedness is Handedness.POSITIVE else -1
    analyser = np.tile(
        np.deg2rad(np.reshape(s.layout, (2, 2))), (s.shape[0] // 2, s.shape[1] // 2)
    )
    optics = _Optics.draw(s, tilt=3.0, curvature=1.2, piston=0.25)
    camera = _Detector(s, mean=0.42, bit_depth=12, full_well_electrons=10_500)
    frames = np.empty(phase.shape, np.uint16)
    for t, specimen in enumerate(phase):
        total = specimen + optics.phase(t) + sign * 2 * analyser
        frames[t] = camera.expose(t, optics.illumination, total)
    return _acquisition(
        s,
        frames,
        Modality.POLARIZATION,
        "polarization-sample",
        polarization_layout=s.layout,
        handedness=s.handedness,
        reference_wave=ReferenceWave.SEPARATE,
        bit_depth=12,
    )


def _off_axis_camera(s: SampleSettings, phase: FloatImage) -> Acquisition:
    """Return 8-bit holograms ``B [1 + V cos(2 pi f r + phi + phi_ab)]`` + reference."""
    y, x = np.indices(s.shape, dtype=np.float64)
    fy, fx = s.carrier_cycles_per_px
    carrier = 2 * math.pi * (fy * y + fx * x)
    optics = _Optics.draw(s, tilt=1.5, curvature=6.0, aberration=1.0, piston=0.25)
    camera = _Detector(s, mean=0.45, bit_depth=8, full_well_electrons=15_000)
    frames = np.empty(phase.shape, np.uint8)
    for t, specimen in enumerate(phase):
        frames[t] = camera.expose(
            t, optics.illumination, specimen + optics.phase(t) + carrier
        )
    reference = camera.expose(-1, optics.illumination, optics.phase(0) + carrier)
    return _acquisition(
        s,
        frames,
        Modality.OFF_AXIS,
        "off-axis-sample",
        reference=reference.astype(np.uint8),
        bit_depth=8,
    )


def _phase_camera(s: SampleSettings, phase: FloatImage) -> Acquisition:
    """Return already retrieved phase: 15 mrad of noise, a weak residual background."""
    optics = _Optics.draw(s, tilt=0.03, curvature=0.02, piston=0.005)
    frames = np.empty_like(phase)
    for t, specimen in enumerate(phase):
        frames[t] = specimen + optics.phase(t)
        if s.noise:
            noise = s.rng(Stream.FRAMES, t).normal(size=s.shape)
            noise += 8 * ndimage.gaussian_filter(noise, 6)
            frames[t] += 0.015 * noise
    return _acquisition(
        s, frames, Modality.PHASE, "phase-sample", phase_unit=PhaseUnit.RADIANS
    )


def _acquisition(
    s: SampleSettings,
    frames: NDArray[Any],
    modality: Modality,
    name: str,
    reference: NDArray[Any] | None = None,
    **instrument: Any,
) -> Acquisition:
    return Acquisition.from_array(
        frames,
        modality,
        name=name,
        reference=reference,
        wavelength_nm=s.wavelength_nm,
        pixel_size_um=s.pixel_size_um,
        numerical_aperture=s.numerical_aperture,
        medium_index=s.medium_index,
        frame_interval_s=s.frame_interval_s,
        **instrument,
    )


@dataclass(frozen=True, eq=False)
class _Optics:
    """Illumination (mean 1) and the phase of an empty field, piston drifting."""

    illumination: NDArray[np.float64]
    shape_rad: NDArray[np.float64]
    piston_rad: NDArray[np.float64]

    @classmethod
    def draw(
        cls,
        s: SampleSettings,
        *,
        tilt: float,
        curvature: float,
        piston: float,
        aberration: float = 0.0,
    ) -> "_Optics":
        """Return optics with these terms [rad at the border]; piston is a walk."""
        rng = s.rng(Stream.OPTICS)
        y, x = np.meshgrid(
            *(np.linspace(-1, 1, n) for n in s.shape), indexing="ij", sparse=True
        )
        if not s.background:
            return cls(np.ones(s.shape), np.zeros(s.shape), np.zeros(s.n_frames))
        glow = np.exp(-0.08 * ((x - 0.2) ** 2 + (y + 0.1) ** 2))
        direction = rng.uniform(0, 2 * math.pi)
        shape = tilt * (math.cos(direction) * x + math.sin(direction) * y)
        shape = shape + curvature * (x**2 + 0.9 * y**2 + 0.15 * x * y)
        shape = shape + aberration * (x * (x**2 + y**2) + 0.5 * (x**2 + y**2) ** 2)
        pistons = piston * (2 + np.cumsum(rng.normal(size=s.n_frames)))
        return cls(glow / glow.mean(), shape, pistons)

    def phase(self, t: int) -> NDArray[np.float64]:
        return np.asarray(self.shape_rad + self.piston_rad[t])


@dataclass(frozen=True)
class _Detector:
    """A camera: interference, shot and read noise, saturation and quantisation.

    `mean` is the average signal as a share of the saturation level.
    """

    settings: SampleSettings
    mean: float
    bit_depth: int
    full_well_electrons: float
    read_noise_electrons: float = 2.5

    def expose(
        self, t: int, illumination: NDArray[np.float64], phase: NDArray[np.float64]
    ) -> NDArray[np.uint16]:
        s, top = self.settings, (1 << self.bit_depth) - 1
        signal = self.mean * illumination * (1 + s.visibility * np.cos(phase))
        if s.noise:
            electrons = signal * self.full_well_electrons
            variance = electrons + self.read_noise_electrons**2
            # Far above ten electrons a Poisson count is Gaussian, and much faster.
            noise = s.rng(Stream.FRAMES, t + 1).normal(size=s.shape) * np.sqrt(variance)
            signal = signal + noise / self.full_well_electrons
        return np.clip(np.rint(signal * top), 0, top).astype(np.uint16)


CAMERAS: dict[str, Callable[[SampleSettings, FloatImage], Acquisition]] = {
    "polarization": _polarization_camera,
    "off-axis": _off_axis_camera,
    "phase": _phase_camera,
}
