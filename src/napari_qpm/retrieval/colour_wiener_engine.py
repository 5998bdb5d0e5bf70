"""Weak phase from one colour picture: the inverse filter of all three colours at once.

``I_c - 1 = (4 pi / lambda_c) sin(pi lambda_c z_c f^2) W`` for weak phase keeps the
rings of diffraction that the transport equation neglects: better than it far from
focus. What must be weak is the change of phase over the width of a ring, not the phase:
a frame where it is not is told by how far this formula leaves exact diffraction.
"""

from typing import Any, ClassVar

import numpy as np
import scipy.special
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import Acquisition
from napari_qpm.retrieval._cosine_series import CosineSeries, cosine_series
from napari_qpm.retrieval.engine import BackgroundParameters
from napari_qpm.retrieval.intensity_engine import (
    ColourTransportEngine,
    TransportParameters,
    evened,
)

__all__ = ["ColourWienerEngine", "WienerParameters", "strength", "weak_path"]

MAX_STRENGTH = 0.42
"""Share of the contrast that the weak-phase formula misses, from which a frame is
doubtful: of 32 such held-out simulated frames, 30 are wrong by over 5 % (docs/tie.md).
"""
TRANSPORT_REACH_UM = 3.0
"""Farthest focus [um in air] up to which transport of intensity was always better."""


class WienerParameters(TransportParameters):
    """Parameters of the weak-phase filter."""

    band_centres_nm: tuple[float, float, float] = Field(
        (605.0, 535.0, 465.0),
        title="Colours (nm)",
        description="Mean wavelengths of red, green and blue.",
    )
    condenser_na: float = Field(
        0.0,
        ge=0.0,
        le=1.4,
        title="Condenser NA",
        description="Numerical aperture of the illumination; 0 for a closed "
        "aperture diaphragm.",
    )


class ColourWienerEngine(ColourTransportEngine):
    """Phase of weak objects in one colour picture.

    Parameters
    ----------
    parameters
        Largest structure, colours and background; the solver plays no part.
    """

    name: ClassVar[str] = "wiener-rgb"
    title: ClassVar[str] = "Weak-phase filter (colours)"
    Parameters: ClassVar[type[BackgroundParameters]] = WienerParameters

    def __init__(self, parameters: WienerParameters | None = None):
        super().__init__(parameters or WienerParameters())

    def _path(self, frame: NDArray[Any], acquisition: Acquisition) -> NDArray[Any]:
        assert isinstance(self.parameters, WienerParameters)
        planes = evened(frame, acquisition.reference)
        return weak_path(
            planes,
            *self._optics(planes[0], acquisition),
            condenser_na=self.parameters.condenser_na,
            largest_um=self.parameters.largest_um,
        )

    def _optics(
        self, image: NDArray[Any], acquisition: Acquisition
    ) -> tuple[NDArray[Any], CosineSeries, NDArray[Any]]:
        """Return air-equivalent focus, series and wavelengths [um] of images."""
        assert isinstance(self.parameters, WienerParameters)
        instrument = acquisition.instrument
        pixel = float(instrument.pixel_size_um or 1)
        return (
            np.asarray(instrument.focus_um) / float(instrument.medium_index or 1),
            cosine_series((image.shape[0], image.shape[1]), (pixel, pixel)),
            np.asarray(self.parameters.band_centres_nm) / 1000,
        )

    def _path_note(
        self, path: NDArray[Any], acquisition: Acquisition
    ) -> dict[str, Any]:
        optics = self._optics(path, acquisition)
        missed = strength(path, *optics)
        note: dict[str, Any] = {"weak_phase_missed": round(missed, 3)}
        if missed > MAX_STRENGTH:
            farthest = np.abs(optics[0]).max()
            remedy = "Focus closer to the cells; this far from them transport of "
            remedy += "intensity is no remedy either."
            if farthest <= TRANSPORT_REACH_UM:
                remedy = "Take Transport of intensity (colours), tie-rgb, or focus "
                remedy += "closer to the cells."
            note["warning"] = (
                "The phase is too steep for the weak-phase filter this far from focus: "
                f"{missed:.0%} of the change in brightness is not of its kind, and "
                f"cells are likely wrong by 5 % or more. {remedy}"
            )
        return note


def weak_path(
    planes: NDArray[np.float32],
    focus_um: NDArray[np.floating],
    series: CosineSeries,
    wavelengths_um: NDArray[np.floating],
    *,
    condenser_na: float = 0.0,
    largest_um: float = 100.0,
) -> NDArray[np.float32]:
    """Return the optical path ``(Y, X)`` [um] of a weak phase object.

    Parameters
    ----------
    planes
        ``(C, Y, X)`` intensities.
    focus_um
        ``(C,)`` air-equivalent focus of each.
    series
        For images of this shape.
    wavelengths_um
        ``(C,)``.
    condenser_na
        Numerical aperture of the illumination.
    largest_um
        Structure larger than this fades out: the noise-to-signal ratio of the filter
        is its response there.
    """
    f2 = series.squared / np.float32(4 * np.pi**2)

    def response(squared: Any) -> list[Any]:
        return [
            4
            * np.pi
            / wavelength
            * np.sin(np.pi * wavelength * z * squared)
            * _blur(np.sqrt(squared) * abs(z) * condenser_na)
            for wavelength, z in zip(wavelengths_um, focus_um, strict=True)
        ]

    filters = response(f2)
    damping = sum(float(h) ** 2 for h in response(1 / largest_um**2))
    power = np.zeros(series.shape, np.float32)
    found = np.zeros(series.shape, np.float32)
    for plane, transfer in zip(planes, filters, strict=True):
        relative = plane / plane.mean(dtype=np.float64) - 1
        found += transfer * series.coefficients(relative)
        power += transfer**2
    result = found / (power + np.float32(max(damping, 1e-12)))
    result[0, 0] = 0
    return series.image(np.asarray(result, np.float32))


def strength(
    path: NDArray[np.floating],
    focus_um: NDArray[np.floating],
    series: CosineSeries,
    wavelengths_um: NDArray[np.floating],
) -> float:
    """Return how much of the contrast behind an optical path the weak formula misses.

    Parameters
    ----------
    path
        ``(Y, X)`` [um].
    focus_um, series, wavelengths_um
        As `weak_path` takes them.

    Returns
    -------
    float
        Rms difference between exact (Fresnel) and weak-phase contrast of all colours,
        over the rms of the exact one; 0 for a flat path.
    """
    f2 = series.squared / np.float32(4 * np.pi**2)
    spectrum = series.coefficients(np.asarray(path, np.float32))
    missed = whole = 0.0
    for wavelength, z in zip(wavelengths_um, focus_um, strict=True):
        turn = np.pi * wavelength * z * f2
        field = np.exp(2j * np.pi * path / wavelength)
        real, imaginary = (
            series.coefficients(np.asarray(part, np.float32))
            for part in (field.real, field.imag)
        )
        cosine, sine = np.cos(turn), np.sin(turn)
        exact = series.image(real * cosine + imaginary * sine) ** 2
        exact += series.image(imaginary * cosine - real * sine) ** 2
        weak = series.image(4 * np.pi / wavelength * sine * spectrum)
        missed += float(np.sum((exact - 1 - weak) ** 2))
        whole += float(np.sum((exact - 1) ** 2))
    return float(np.sqrt(missed / whole)) if whole > 0 else 0.0


def _blur(radius_cycles: Any) -> Any:
    """Return the contrast that the image of the source leaves, 2 J1(u) / u."""
    u = 2 * np.pi * np.asarray(radius_cycles)
    return np.where(u > 1e-6, 2 * scipy.special.j1(u) / np.maximum(u, 1e-6), 1.0)
