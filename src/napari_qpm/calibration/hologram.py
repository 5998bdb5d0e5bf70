"""What holograms tell of an off-axis microscope: carrier, contrast, light, phase."""

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.calibration.cutoff import Support, find_support, optics_of
from napari_qpm.calibration.empty_field import (
    EmptyField,
    block_means,
    contrast_finding,
    fit_signed_phase,
    light_findings,
    phase_finding,
    sign_finding,
)
from napari_qpm.calibration.finding import Finding
from napari_qpm.calibration.scattered_light import fit_scattered_light
from napari_qpm.jobs import CancelToken

__all__ = ["fit_holograms"]

FILTER_SHARE = 1 / 3
"""Radius of the sideband filter over the carrier frequency."""
SIDEBAND_ORDER = 6
"""Degree of the phase that is taken out before the edge of a sideband is looked for."""


def fit_holograms(
    acquisition: Acquisition, dark: Finding, token: CancelToken
) -> dict[str, Finding]:
    """Return what the reference, or else the first frame, tells of the instrument.

    Raises
    ------
    SidebandError
        No frame shows a single clear carrier.
    """
    from napari_qpm.retrieval.off_axis_engine import resolve_sideband

    resolved = resolve_sideband(acquisition, token)
    carrier = resolved.instrument.sideband_cycles_per_px
    assert carrier is not None
    frame = np.asarray(acquisition.read(0)[0], dtype=np.float32)
    reference = acquisition.reference
    empty = frame if reference is None else np.asarray(reference[0], np.float32)
    what = "the first frame" if reference is None else "the reference"
    token.raise_if_cancelled()
    wrapped, amplitude = _demodulated(empty, carrier)
    sign = _sign(resolved, frame, wrapped if reference is None else None, token)
    factor = sign.value or 1
    field = fit_signed_phase(wrapped, sign.value)
    token.raise_if_cancelled()
    mask = field.fit.mask
    light = block_means(_without_fringes(empty, carrier))
    level = light - float(dark.value or 0)
    fringes = 2 * block_means(amplitude)
    visibility = fringes / np.maximum(level, 1e-6)
    found = {
        "sideband_cycles_per_px": _carrier(carrier, field, factor, empty.shape, what),
        "phase_sign": sign,
        "visibility": contrast_finding(visibility, mask, dark),
        **light_findings(light, mask, dark),
        "background_rad": _background(field),
    }
    found |= fit_scattered_light(empty, carrier, found["visibility"], dark)
    support = _support(frame, carrier, wrapped, sign.value)
    verdict, optics = optics_of(support, acquisition.instrument)
    shown = "Radius at which the sideband of the first frame "
    shown += "fades." if support.radius is None else "ends with an edge."
    found["sideband_radius_cycles_per_px"] = Finding(
        support.radius or support.faded, support.uncertainty or None, verdict or shown
    )
    return found | optics


def _support(
    frame: NDArray[np.float32],
    carrier: tuple[float, float],
    wrapped: NDArray[np.float32],
    sign: int | None,
) -> Support:
    """Return how far the sideband of a frame reaches, aberrations taken out.

    Parameters
    ----------
    wrapped
        Phase [rad] of the empty field, or of the frame itself.
    """
    bent = fit_signed_phase(wrapped, sign, SIDEBAND_ORDER)
    background = None
    if bent.fit.is_trusted:
        height, width = wrapped.shape
        background = (sign or 1) * bent.surface.evaluate((height, width))
    support = find_support(frame, carrier, background)
    if support.radius is None:
        return support
    seen = fit_signed_phase(_demodulated(frame, carrier)[0], sign, SIDEBAND_ORDER)
    # What scatters as far as an aperture stands out; aberrations left over do not.
    return support if seen.shows_objects else replace(support, radius=None)


def _demodulated(
    frame: NDArray[np.float32], carrier: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return wrapped phase [rad] and half the fringe amplitude on the camera's grid."""
    from napari_qpm.retrieval._surface_kernels import phase_of
    from napari_qpm.retrieval.demodulation import Demodulator

    radius = FILTER_SHARE * float(np.hypot(*carrier))
    shape = (int(frame.shape[0]), int(frame.shape[1]))
    field = Demodulator(shape, carrier, radius, full=True).field(frame[None])
    wrapped, amplitude = phase_of(field)
    return wrapped[0], amplitude[0]


def _sign(
    acquisition: Acquisition,
    frame: NDArray[np.float32],
    wrapped: NDArray[np.float32] | None,
    token: CancelToken,
) -> Finding:
    """Return the sign of the sideband: stated, or seen from objects in the field."""
    stated = acquisition.instrument.phase_sign
    if stated is not None:
        return Finding(stated, None, "As stated.")
    carrier = acquisition.instrument.sideband_cycles_per_px
    assert carrier is not None
    if wrapped is None:
        wrapped = _demodulated(frame, carrier)[0]
        if acquisition.reference is not None:
            reference = np.asarray(acquisition.reference[0], np.float32)
            wrapped = wrapped - _demodulated(reference, carrier)[0]
            wrapped = np.angle(np.exp(1j * wrapped)).astype(np.float32)
    return sign_finding(wrapped, token, "phase_sign")


def _carrier(
    start: tuple[float, float],
    field: EmptyField,
    sign: int,
    shape: tuple[int, ...],
    what: str,
) -> Finding:
    """Return the carrier that leaves the empty field without tilt."""
    how = f"Strongest peak in the spectrum of {what}"
    if not field.fit.is_trusted:
        bins = 0.5
        errors = tuple(bins / n for n in shape)
        return Finding(start, errors, f"{how}, to half a bin.")
    slopes = _tilt(field)
    scale = np.pi * (np.array(shape) - 1)
    frequency = np.array(start) + sign * slopes / scale
    deviation = np.array([field.errors[1, 0], field.errors[0, 1]]) / scale
    how += ", refined so that the empty field has no tilt."
    value = (float(frequency[0]), float(frequency[1]))
    return Finding(value, (float(deviation[0]), float(deviation[1])), how)


def _tilt(field: EmptyField) -> NDArray[np.float64]:
    coefficients = field.surface.coefficients
    return np.array([coefficients[1, 0], coefficients[0, 1]])


def _background(field: EmptyField) -> Finding:
    """Return the phase of the empty field, whose tilt the carrier holds.

    A tilt is zero in the middle of the frame, a carrier at its first pixel.
    """
    from napari_qpm.retrieval.background import Surface

    coefficients = field.surface.coefficients.copy()
    coefficients[0, 0] -= float(_tilt(field).sum())
    moved = replace(field, surface=Surface(coefficients))
    return phase_finding(moved, without=((1, 0), (0, 1)))


def _without_fringes(
    frame: NDArray[np.float32], carrier: tuple[float, float]
) -> NDArray[Any]:
    width = 0.7 / float(np.hypot(*carrier))
    smooth: NDArray[Any] = scipy.ndimage.gaussian_filter(frame, width)
    return smooth
