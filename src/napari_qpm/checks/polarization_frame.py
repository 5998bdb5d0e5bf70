"""The polarization frame that a phase explains, as a mosaic or as four images.

``I_angle = a B + b A cos(phase + smooth + 2 angle + e)``: brightness B and fringe
amplitude A are low-passed over a few pixels and hold no phase, the smooth phase is
fitted, and so are gain a, contrast b and angle error e of each analyser, within what a
real camera has.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import (
    Acquisition,
    Handedness,
    PhaseMap,
    ReferenceWave,
)
from napari_qpm.checks.frame_fit import FrameFit, fringe_misfit, usable_frame
from napari_qpm.checks.noise import four_angle_noise, mosaic_noise
from napari_qpm.checks.resampling import phasor_at
from napari_qpm.checks.smooth_phase import direction, fit_sign, smooth_terms
from napari_qpm.retrieval.demosaic import ANGLES, angle_pattern
from napari_qpm.retrieval.four_step import AngleSampling, difference_images
from napari_qpm.retrieval.unscattered import unscattered_fraction

__all__ = ["explain_angles"]

ENVELOPE_WIDTH_PX = 4.0
"""Of the low-pass of brightness and amplitude: 0.5 % of the noise passes each."""
MARGIN_PX = 4
NOTABLE_GAIN = 2e-3
"""Deviation of a gain from 1 at which the frame is evened out and fitted again."""
GAIN_LIMITS = (0.7, 1.4)
CONTRAST_LIMITS = (0.5, 1.5)
LARGEST_ANGLE_ERROR_RAD = np.deg2rad(20)
"""Twice an analyser error of 10 degrees. Without limits a wrong sign or order of the
angles could be fitted away."""
SAMPLES = 40_000

ComplexImage = NDArray[np.complex64]
FloatImage = NDArray[np.float32]
Behind = list[tuple[FloatImage, ComplexImage]]
"""Brightness and fringes at the pixels of each analyser, turned to its angle."""


@dataclass(frozen=True)
class _Analyser:
    """Gain, contrast and twice the angle error [rad] of one of the four analysers."""

    gain: float = 1.0
    contrast: float = 1.0
    turn_rad: float = 0.0

    def see(self, brightness: FloatImage, fringe: ComplexImage) -> FloatImage:
        """Return the image of light with fringes that have its own angle."""
        factor = self.contrast * np.exp(1j * self.turn_rad)
        turned = fringe.real * np.float32(factor.real)
        turned -= fringe.imag * np.float32(factor.imag)
        return np.asarray(np.float32(self.gain) * brightness + turned, np.float32)


PERFECT = (_Analyser(),) * 4


class _Camera:
    """Where a frame ``(C, Y, X)`` holds each of the four angles."""

    def __init__(self, acquisition: Acquisition):
        instrument, where = acquisition.instrument, repr(acquisition.name)
        layout = instrument.polarization_layout
        if layout is None and acquisition.shape[1] == 4:
            layout = ANGLES
        if layout is None:
            layout = instrument.require("polarization_layout", "The residual", where)
        self.sampling = AngleSampling(layout, instrument.roi_offset_px)
        self.is_mosaic = acquisition.shape[1] == 1
        pattern = angle_pattern(layout, instrument.roi_offset_px)
        self._places: list[Any] = []
        for channel, angle in zip(self.sampling.channel_order, ANGLES, strict=True):
            if self.is_mosaic:
                (row,), (column,) = np.nonzero(pattern == angle)
                self._places.append((0, slice(row, None, 2), slice(column, None, 2)))
            else:
                self._places.append((channel, slice(None), slice(None)))

    def part(self, frame: NDArray[Any], n: int) -> NDArray[Any]:
        """Return the pixels of a frame ``(C, Y, X)`` behind analyser n."""
        return np.asarray(frame[self._places[n]])

    def image_part(self, image: NDArray[Any], n: int) -> NDArray[Any]:
        """Return the pixels of an image ``(Y, X)`` that analyser n sees."""
        return np.asarray(image[self._places[n][1:]])

    def put(self, frame: FloatImage, n: int, values: FloatImage) -> None:
        """Write the pixels behind analyser n."""
        frame[self._places[n]] = values

    def evened(self, frame: FloatImage, analysers: tuple[_Analyser, ...]) -> FloatImage:
        """Return the frame with the gains taken out."""
        even = frame.copy()
        for n, analyser in enumerate(analysers):
            even[self._places[n]] /= np.float32(analyser.gain)
        return even

    def noise(self, frame: FloatImage) -> float:
        """Return the noise of a pixel."""
        if self.is_mosaic:
            return mosaic_noise(frame[0])
        return four_angle_noise(frame[list(self.sampling.channel_order)])


@dataclass(frozen=True)
class _Light:
    """What a frame shows apart from the phase.

    Parameters
    ----------
    mean
        Of the four images, noisy.
    measured
        Field of the object, ``A exp(i ...)``.
    unscattered
        Its part that serves as reference wave, and so makes no fringes; `None` where
        the reference is another wave.
    fixed
        Phase of the reference frame, as a phasor.
    """

    mean: FloatImage
    measured: ComplexImage
    unscattered: FloatImage | None
    fixed: ComplexImage | np.complex64

    def fringe(self, field: ComplexImage) -> ComplexImage:
        """Return the fringes that an object's field makes."""
        return field if self.unscattered is None else field - self.unscattered

    def brightness(self, fringe: ComplexImage) -> FloatImage:
        """Return B under these fringes.

        Scattered light, 2 g |s| |u| in the fringes and g |s|^2 in the brightness, has
        the detail of the object; what else there is of brightness is smooth.
        """
        if self.unscattered is None:
            return self._smooth_mean
        detail = fringe.real**2 + fringe.imag**2
        detail /= 2 * np.maximum(self.unscattered, np.float32(1e-6))
        return _low_pass(self.mean - detail) + detail

    @functools.cached_property
    def _smooth_mean(self) -> FloatImage:
        return _low_pass(self.mean)


def explain_angles(
    frame: NDArray[Any],
    phase: NDArray[np.float32],
    acquisition: Acquisition,
    phase_map: PhaseMap,
) -> FrameFit:
    """Return the frame that a phase ``(y, x)`` explains, beside ``(C, Y, X)``."""
    raw = usable_frame(frame)
    shape = (raw.shape[1], raw.shape[2])
    camera = _Camera(acquisition)
    phasor, is_known = phasor_at(phase, shape, phase_map.grid_scale)
    judged = np.where(is_known, raw, np.nan)
    analysers = _known_gains(acquisition)
    for _ in range(2):
        light = _light(camera.evened(raw, analysers), camera, acquisition)
        sign, field = _object_field(light, phasor, is_known, acquisition, phase_map)
        behind = _behind(camera, light, light.fringe(field))
        before, analysers = analysers, _fit_analysers(judged, camera, behind)
        change = max(
            abs(new.gain - old.gain) for new, old in zip(analysers, before, strict=True)
        )
        if change < NOTABLE_GAIN:
            break
    predicted = _seen(camera, analysers, behind, raw.shape)
    predicted[:, ~is_known] = np.nan
    own = _behind(camera, light, light.fringe(light.measured))
    best = _seen(camera, _fit_analysers(judged, camera, own), own, raw.shape)
    return FrameFit(
        predicted=predicted,
        best=best,
        noise=camera.noise(raw),
        misfit_rad=fringe_misfit(light.measured, field, is_known),
        sign=sign,
        sign_is_free=acquisition.instrument.handedness is None,
        margin_px=MARGIN_PX,
    )


def _low_pass(image: FloatImage) -> FloatImage:
    smooth = ndimage.gaussian_filter(image, ENVELOPE_WIDTH_PX, truncate=3.0)
    return np.asarray(smooth, np.float32)


def _known_gains(acquisition: Acquisition) -> tuple[_Analyser, ...]:
    gains = acquisition.instrument.analyser_gains
    return PERFECT if gains is None else tuple(_Analyser(gain) for gain in gains)


def _light(even: FloatImage, camera: _Camera, acquisition: Acquisition) -> _Light:
    images = difference_images(even, camera.sampling)
    measured, unscattered = images.fringe / 2, None
    fixed: ComplexImage | np.complex64 = np.complex64(1)
    if acquisition.reference is not None:
        blank = difference_images(usable_frame(acquisition.reference), camera.sampling)
        if acquisition.instrument.reference_wave is ReferenceWave.UNSCATTERED:
            fraction = unscattered_fraction(images, blank)
            unscattered = np.float32(fraction / 2) * blank.total
            unscattered = _low_pass(unscattered)
            measured = measured + unscattered
        else:
            fixed = direction(blank.fringe)
    mean = np.asarray(images.total / 4, np.float32)
    return _Light(mean, measured, unscattered, fixed)


def _object_field(
    light: _Light,
    phasor: ComplexImage,
    is_known: NDArray[np.bool_],
    acquisition: Acquisition,
    phase_map: PhaseMap,
) -> tuple[int, ComplexImage]:
    """Return the sign of the phase and the field that it makes with the amplitude."""
    instrument = acquisition.instrument
    signs: tuple[int, ...] = (1, -1)
    if instrument.handedness is not None:
        turned = instrument.handedness is Handedness.NEGATIVE
        signs = ((-1 if turned else 1) * (instrument.phase_sign or 1),)
    measured = np.where(is_known, light.measured * np.conj(light.fixed), 0)
    sign, smooth = fit_sign(measured, phasor, signs, smooth_terms(phase_map))
    amplitude = _low_pass(np.abs(light.measured))
    oriented = phasor if sign > 0 else np.conj(phasor)
    field: ComplexImage = np.asarray(amplitude * oriented, np.complex64)
    field *= smooth.phasor(field.shape) * light.fixed
    return sign, field


def _seen(
    camera: _Camera,
    analysers: tuple[_Analyser, ...],
    behind: Behind,
    shape: tuple[int, ...],
) -> FloatImage:
    """Return the frame ``(C, Y, X)`` that these analysers see."""
    frame = np.empty(shape, np.float32)
    for n, (analyser, parts) in enumerate(zip(analysers, behind, strict=True)):
        camera.put(frame, n, analyser.see(*parts))
    return frame


def _behind(camera: _Camera, light: _Light, fringe: ComplexImage) -> Behind:
    """Return what perfect analysers would see."""
    brightness = light.brightness(fringe)
    turns = [np.complex64(np.exp(2j * np.deg2rad(angle))) for angle in ANGLES]
    return [
        (camera.image_part(brightness, n), camera.image_part(fringe, n) * turn)
        for n, turn in enumerate(turns)
    ]


def _fit_analysers(
    judged: FloatImage, camera: _Camera, behind: Behind
) -> tuple[_Analyser, ...]:
    """Return the analysers that explain a frame best, within their limits.

    Pixels that are NaN do not count.
    """
    fitted = []
    for n, (brightness, own) in enumerate(behind):
        values = camera.part(judged, n).ravel()
        pick = slice(None, None, max(1, values.size // SAMPLES))
        columns = (brightness.ravel(), own.real.ravel(), own.imag.ravel())
        design = np.stack([column[pick] for column in columns], axis=1)
        fitted.append(_bounded(design.astype(np.float64), values[pick]))
    return tuple(fitted)


def _bounded(design: NDArray[np.float64], values: FloatImage) -> _Analyser:
    known = np.isfinite(values)
    design = design[known]
    gram, moment = design.T @ design, design.T @ values[known]
    solution = np.linalg.lstsq(gram, moment, rcond=1e-12)[0]
    gain = float(np.clip(solution[0], *GAIN_LIMITS))
    contrast = float(np.clip(solution[1], *CONTRAST_LIMITS))
    turn = float(np.arctan2(-solution[2], contrast))
    limit = LARGEST_ANGLE_ERROR_RAD
    return _Analyser(gain, contrast, float(np.clip(turn, -limit, limit)))
