"""The hologram that a phase explains.

``I = B + 2 A cos(2 pi f r + s (phase + smooth))``: the fringe amplitude A is measured
in the frame's sideband without its phase (so it cannot hide an error of the phase), the
brightness B is what stays of the frame below the fringes, the smooth phase is fitted.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.checks.frame_fit import FrameFit, fringe_misfit, usable_frame
from napari_qpm.checks.noise import out_of_band_noise
from napari_qpm.checks.resampling import ALMOST_ALL, phasor_at, resample
from napari_qpm.checks.smooth_phase import direction, fit_sign, smooth_terms
from napari_qpm.fringes import find_carrier
from napari_qpm.retrieval.demodulation import Demodulator, cached_demodulator

__all__ = ["explain_hologram"]

FILTER_RADIUS = 1 / 3
"""In units of the carrier frequency, as the retrieval's default."""
BRIGHTNESS_WIDTH = 0.6
"""Of the low-pass that finds the brightness, in fringe periods: 8e-4 of the fringes
pass, and 2 % of the noise."""

ComplexImage = NDArray[np.complex64]


def explain_hologram(
    frame: NDArray[Any],
    phase: NDArray[np.float32],
    acquisition: Acquisition,
    phase_map: PhaseMap,
) -> FrameFit:
    """Return the hologram that a phase ``(y, x)`` explains, beside ``(1, Y, X)``."""
    hologram = usable_frame(frame)[0]
    carrier = _carrier(hologram, acquisition, phase_map)
    demodulator = _demodulator(hologram.shape, carrier, phase_map, phase.shape)
    measured = _sideband(demodulator, hologram)
    fixed: ComplexImage | np.complex64 = np.complex64(1)
    if acquisition.reference is not None:
        empty = usable_frame(acquisition.reference)[0]
        fixed = direction(_sideband(demodulator, empty))
    phasor, is_known = phasor_at(phase, measured.shape, phase_map.grid_scale)
    # cos(k r + phase) = cos(-k r - phase): which sideband is the object's own, a camera
    # does not tell.
    sign, smooth = fit_sign(
        np.where(is_known, measured * np.conj(fixed), 0),
        phasor,
        (1, -1),
        smooth_terms(phase_map),
    )
    field = np.abs(measured) * (phasor if sign > 0 else np.conj(phasor))
    field *= smooth.phasor(measured.shape) * fixed
    scale = demodulator.scale
    predicted = _with_fringes(hologram, field, carrier, scale)
    if not is_known.all():
        known = (
            resample(is_known.astype(np.float32), hologram.shape, scale) > ALMOST_ALL
        )
        predicted[~known] = np.nan
    return FrameFit(
        predicted=predicted[None],
        best=_with_fringes(hologram, measured, carrier, scale)[None],
        noise=out_of_band_noise(hologram, carrier),
        misfit_rad=fringe_misfit(measured, field, is_known),
        sign=sign,
        sign_is_free=True,
        margin_px=int(np.ceil(1 / demodulator.radius)),
    )


def _carrier(
    hologram: NDArray[np.float32], acquisition: Acquisition, phase_map: PhaseMap
) -> tuple[float, float]:
    """Return the carrier that the phase refers to, else the one seen in the frame."""
    for known in (phase_map.acquisition, acquisition):
        if known.instrument.sideband_cycles_per_px is not None:
            return known.instrument.sideband_cycles_per_px
    reference = acquisition.reference
    return find_carrier(hologram if reference is None else reference[0]).frequency


def _sideband(demodulator: Demodulator, hologram: NDArray[np.float32]) -> ComplexImage:
    field: ComplexImage = demodulator.field(hologram[None])[0]
    return field


def _demodulator(
    shape: tuple[int, ...],
    carrier: tuple[float, float],
    phase_map: PhaseMap,
    grid: tuple[int, ...],
) -> Demodulator:
    """Return the demodulator whose grid is that of the phase, if there is one."""
    share = FILTER_RADIUS
    for step in phase_map.history:
        if step.name == "retrieve":
            share = float(step.parameters.get("filter_radius", share))
    radius = share * float(np.hypot(*carrier))
    cropped = cached_demodulator(shape, carrier, radius)
    if cropped.output_shape == grid:
        return cropped
    return cached_demodulator(
        shape, carrier, FILTER_RADIUS * float(np.hypot(*carrier)), full=True
    )


def _with_fringes(
    hologram: NDArray[np.float32],
    field: ComplexImage,
    carrier: tuple[float, float],
    scale: tuple[float, float],
) -> NDArray[np.float32]:
    """Return the fringes of a field over the brightness that the hologram then has."""
    fringes = _fringes(resample(field, hologram.shape, scale), carrier)
    width = BRIGHTNESS_WIDTH / float(np.hypot(*carrier))
    brightness = ndimage.gaussian_filter(hologram - fringes, width, truncate=3.0)
    return np.asarray(brightness + fringes, np.float32)


def _fringes(field: ComplexImage, carrier: tuple[float, float]) -> NDArray[np.float32]:
    """Return twice the real part of a field on its carrier."""
    waves = [
        np.exp(2j * np.pi * f * np.arange(n)).astype(np.complex64)
        for f, n in zip(carrier, field.shape, strict=True)
    ]
    turned = field * (2 * waves[0][:, None])
    return np.asarray(
        turned.real * waves[1].real - turned.imag * waves[1].imag, np.float32
    )
