"""The numerical aperture as the spectrum of a hologram shows it.

An objective passes frequencies up to ``NA pixel / wavelength`` [cycles/px] around the
carrier. Where the specimen scatters that far, the sideband ends there with an edge.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.calibration.noise_spectrum import window
from napari_qpm.instrument import Instrument

__all__ = ["Support", "find_support", "optics_of"]

LEAST_STEP = 2.5
"""Power inside over power outside of an edge."""
OVER_NEIGHBOURS = 2.0
"""How much steeper (in logarithms) an edge is than the fall before it."""
MAX_RADIUS = 0.6
"""Radius, over the carrier frequency, up to which a sideband is looked at."""
MIN_RADIUS, MIN_RINGS = 0.15, 10
"""And from which, in the same unit and in rings: nearer, all spectra fall steeply."""
MAX_EDGE_DEVIATION = 0.15
"""Relative difference of an edge from a stated aperture that still agrees with it."""
MAX_FADED_RATIO = 1.5
"""Radius at which a sideband fades over that of a stated aperture: up to this, strong
phases and the noise explain it."""
NEAR_FLOOR = 4.0
"""Power over the floor that other orders may leave outside of the edge."""
FADED = 2.0
"""Power over the floor at which a sideband has faded."""


@dataclass(frozen=True)
class Support:
    """How far a sideband reaches.

    Parameters
    ----------
    radius
        Of its edge [cycles/px], or `None` when it fades without one.
    uncertainty
        Of the radius [cycles/px].
    faded
        Radius [cycles/px] at which it is lost in the noise.
    """

    radius: float | None
    uncertainty: float
    faded: float


def find_support(
    frame: NDArray[Any],
    carrier: tuple[float, float],
    background: NDArray[np.float32] | None = None,
) -> Support:
    """Return how far the sideband of a hologram ``(Y, X)`` reaches.

    Only the half of it that faces away from the central order is looked at.

    Parameters
    ----------
    background
        Phase ``(Y, X)`` [rad] of the sideband of an empty field, carrier taken off. It
        is taken out first: curvature alone spreads a sideband and ends it with an edge,
        too.
    """
    image = np.asarray(frame, dtype=np.float32)
    weighted = (image - image.mean()) * window(image.shape)
    if background is not None:
        # The conjugate sideband gets blurred, but lies on the side not looked at.
        weighted = weighted * np.exp(-1j * background)
    power = np.abs(scipy.fft.fft2(weighted)) ** 2
    radius, profile = _profile(power, carrier)
    floor = float(np.nanmin(profile))
    furthest = MAX_RADIUS * float(np.hypot(*carrier))
    nearest = max(MIN_RADIUS * float(np.hypot(*carrier)), MIN_RINGS * radius[0] * 2)
    # Other orders come back further out: the first radius in the noise counts.
    is_faded = (profile < FADED * floor) | (radius > furthest)
    faded = float(radius[int(np.argmax(is_faded))])
    edges = [
        (step, r)
        for r in radius[(radius > nearest) & (radius < furthest)]
        if (step := _edge_step(radius, profile, float(r), floor)) is not None
    ]
    if not edges:
        return Support(None, 0.0, faded)
    edge = float(max(edges)[1])
    return Support(edge, max(1.0 / min(image.shape), 0.03 * edge), faded)


def optics_of(
    support: Support, instrument: Instrument
) -> tuple[str | None, dict[str, Finding]]:
    """Return a sentence on a stated aperture, and what follows for unknown optics.

    An edge gives the aperture where wavelength and pixel size are known, or the pixel
    size where wavelength and aperture are.
    """
    radius = support.radius
    wavelength, pixel = instrument.wavelength_nm, instrument.pixel_size_um
    aperture = instrument.numerical_aperture
    shown = f"The sideband ends at {radius or support.faded:.4f} cycles/px"
    found: dict[str, Finding] = {}
    if radius is None:
        shown = f"The sideband fades at {support.faded:.4f} cycles/px without an edge"
    if pixel is None or wavelength is None or aperture is None:
        found = _implied(support, instrument, shown)
    if wavelength is None or pixel is None or aperture is None:
        return None, found
    limit = aperture * pixel / (wavelength / 1000)
    implied = (radius or support.faded) * wavelength / 1000 / pixel
    ratio = (radius or support.faded) / limit
    verdict = f"{shown}, as of an aperture of {implied:.3g}; stated is {aperture:g}"
    if radius is None and ratio <= MAX_FADED_RATIO:
        verdict += ", which that does not contradict."
    elif radius is not None and abs(ratio - 1) <= MAX_EDGE_DEVIATION:
        verdict += ": they agree."
    else:
        verdict += (
            ", so wavelength, pixel size or aperture is wrong, or the sideband holds "
            "light of another order."
        )
    return verdict, found


def _implied(
    support: Support, instrument: Instrument, shown: str
) -> dict[str, Finding]:
    """Return findings of the aperture and pixel size that are unknown."""
    radius = support.radius
    wavelength, pixel = instrument.wavelength_nm, instrument.pixel_size_um
    aperture = instrument.numerical_aperture
    found: dict[str, Finding] = {}
    if aperture is None:
        if radius is None:
            found["numerical_aperture"] = unknown(f"{shown}: the aperture is not seen.")
        elif wavelength is None or pixel is None:
            found["numerical_aperture"] = unknown(
                f"{shown}; that is NA times pixel size over wavelength, two of which "
                "are unknown."
            )
        else:
            factor = wavelength / 1000 / pixel
            found["numerical_aperture"] = Finding(
                radius * factor, support.uncertainty * factor, f"{shown}."
            )
    if pixel is None:
        if radius is None or wavelength is None or aperture is None:
            found["pixel_size_um"] = unknown(
                "A hologram does not tell it unless its sideband has an edge and "
                "wavelength and aperture are known. Give pixel_size_um."
            )
        else:
            factor = wavelength / 1000 / aperture
            found["pixel_size_um"] = Finding(
                radius * factor, support.uncertainty * factor, f"{shown}."
            )
    return found


def _profile(
    power: NDArray[np.float32], carrier: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return radii [cycles/px] and the typical power there around the carrier."""
    fy, fx = (scipy.fft.fftfreq(n) for n in power.shape)
    dy = (fy - carrier[0] + 0.5) % 1 - 0.5
    dx = (fx - carrier[1] + 0.5) % 1 - 0.5
    distance = np.hypot(dy[:, None], dx)
    outward = dy[:, None] * carrier[0] + dx * carrier[1] > 0
    width = max(1.0 / min(power.shape), 0.002)
    ring = (distance[outward] / width).astype(np.int64)
    values = power[outward].astype(np.float64)
    count = int(0.5 / width)
    order = np.argsort(ring, kind="stable")
    edges = np.searchsorted(ring[order], np.arange(count + 1))
    ordered = values[order]
    # Medians, because other orders and parasitic fringes are spots; of the
    # exponential distribution of noise power they are ln 2 of the mean.
    profile = np.array(
        [
            np.median(ordered[a:b]) / np.log(2) if b > a else np.nan
            for a, b in itertools.pairwise(edges)
        ]
    )
    return (np.arange(count) + 0.5) * width, profile


def _edge_step(
    radius: NDArray[np.float64],
    profile: NDArray[np.float64],
    edge: float,
    floor: float,
) -> float | None:
    """Return by how much (in logarithms) the power falls at an edge, if it is one.

    An edge leads from signal to the floor, and more steeply than the power falls before
    it: the spectrum of smooth cells falls steeply, too, but ever more so.
    """
    bounds = ((0.76, 0.86), (0.90, 0.98), (1.02, 1.10))
    rings = [(radius > a * edge) & (radius < b * edge) for a, b in bounds]
    if not all(ring.any() for ring in rings):
        return None
    further_in, inside, outside = (float(np.nanmean(profile[ring])) for ring in rings)
    if outside > NEAR_FLOOR * floor or inside < LEAST_STEP * outside:
        return None
    step = float(np.log(inside / outside))
    return step if step > OVER_NEIGHBOURS * np.log(further_in / inside) else None
