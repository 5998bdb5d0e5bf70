"""Polarization camera: four interferograms in one exposure, behind four analysers.

Object and reference wave come in crossed linear polarizations; one quarter-wave plate
makes them opposite circular. Behind an analyser at theta, with t = +-2 theta
(handedness), retardance error d and extinction ratio e, m = (1 - e) / (1 + e),

``I ~ |U|^2 (1 - m sin d sin t) + |R|^2 (1 + m sin d sin t)
    + 2 m (Re(U R*) cos t - cos d Im(U R*) sin t)``,

which for perfect optics is ``(A^2 + B^2) / 2 + A B cos(phi + t)``.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from napari_qpm.acquisition import Handedness, ReferenceWave
from napari_qpm.errors import LayoutError, ParameterError
from napari_qpm.physics._frame_model import FrameModel
from napari_qpm.physics._optical_model import intensity, phasor
from napari_qpm.physics.pupil import Pupil, round_aperture

__all__ = ["ANGLES_DEG", "PolarizationCamera", "sample_mosaic"]

ANGLES_DEG = (0, 45, 90, 135)
"""Order of the four channels and of everything that is given for each analyser."""
SONY_LAYOUT = (90, 45, 135, 0)


class PolarizationCamera(FrameModel):
    """Mean counts of a polarization camera behind a common-path interferometer.

    Every value may have a leading axis of N: one a sample.

    Parameters
    ----------
    shape
        ``(Y, X)`` of the frames; even sides for a mosaic.
    visibility, brightness_counts
        Fringe contrast and mean light of an empty field. With an unscattered
        reference an empty field has no fringes; the visibility is their coherence then.
    unevenness, background_rad
        Legendre coefficients ``(I, J)`` of the light and of the empty field's phase.
    reference_amplitude
        B: amplitude of the reference wave over that of the object wave.
    extinction_ratio
        e: intensity through the crossed over that through the parallel analyser.
    retardance_error_deg
        d: how far the quarter-wave plate is from 90 degrees.
    angle_errors_deg, gains
        ``(4,)`` of the analysers at 0, 45, 90, 135 degrees.
    pinhole_cycles_per_px
        Cut-off of a point-diffraction reference wave.
    handedness, reference_wave, layout, roi_offset_px
        As in `Instrument`.
    mosaic
        Whether frames are raw mosaics or the four channels.
    pupil
        Objective in front; without one the field is imaged as it is.
    dtype
        Of the values.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        visibility: Any = 1.0,
        brightness_counts: Any = 1.0,
        unevenness: Any = ((),),
        background_rad: Any = ((),),
        reference_amplitude: Any = 1.0,
        extinction_ratio: Any = 0.0,
        retardance_error_deg: Any = 0.0,
        angle_errors_deg: Any = (0.0, 0.0, 0.0, 0.0),
        gains: Any = (1.0, 1.0, 1.0, 1.0),
        pinhole_cycles_per_px: Any = None,
        handedness: Handedness = Handedness.POSITIVE,
        reference_wave: ReferenceWave = ReferenceWave.SEPARATE,
        layout: Sequence[int] = SONY_LAYOUT,
        roi_offset_px: tuple[int, int] = (0, 0),
        mosaic: bool = True,
        pupil: Pupil | None = None,
        dtype: torch.dtype = torch.float32,
    ):
        values = {
            "visibility": visibility,
            "brightness_counts": brightness_counts,
            "unevenness": unevenness,
            "background_rad": background_rad,
            "reference_amplitude": reference_amplitude,
            "extinction_ratio": extinction_ratio,
            "retardance_error_deg": retardance_error_deg,
            "angle_errors_deg": angle_errors_deg,
            "gains": gains,
        }
        self.reference_wave = ReferenceWave(reference_wave)
        if self.reference_wave is ReferenceWave.POINT_DIFFRACTION:
            if pinhole_cycles_per_px is None:
                raise ParameterError(
                    "A point-diffraction reference needs pinhole_cycles_per_px, the "
                    "highest frequency that the pinhole passes."
                )
            values["pinhole_cycles_per_px"] = pinhole_cycles_per_px
        item_dims = {
            "unevenness": 2,
            "background_rad": 2,
            "angle_errors_deg": 1,
            "gains": 1,
        }
        super().__init__(values, item_dims, dtype)
        self.shape = (int(shape[0]), int(shape[1]))
        self.mosaic = bool(mosaic)
        if self.mosaic and (self.shape[0] % 2 or self.shape[1] % 2):
            raise LayoutError(f"A polarization mosaic has even sides, not {shape}.")
        self.handedness = Handedness(handedness)
        self._cell = _cell_of(layout, roi_offset_px)
        self.pupil = pupil

    def forward(self, phase: Tensor, amplitude: Tensor | None = None) -> Tensor:
        """Return mean counts: a mosaic ``(N, 1, Y, X)`` or channels ``(N, 4, Y, X)``.

        Parameters
        ----------
        phase
            Of the object ``(N, Y, X)`` [rad], positive = thicker than the medium.
        amplitude
            Of the object ``(N, Y, X)``, 1 = no absorption.
        """
        self.check_images("The phase", phase)
        self.check_images("The amplitude", amplitude)
        object_light, reference_light, real, imaginary = self._interference(
            self.with_background(phase), amplitude
        )
        common, crossed, cosine, sine = self._analysers(phase)
        light = self.light(phase)
        # In a mosaic a pixel has one analyser: with rows taken in pairs, coefficients
        # broadcast over the pairs, and nothing is computed to be thrown away.
        total = self._spread((object_light + reference_light) * light)
        imbalance = self._spread((reference_light - object_light) * light)
        frames = common * total + crossed * imbalance
        frames = frames + cosine * self._spread(real * light)
        frames = frames - sine * self._spread(imaginary * light)
        return frames.reshape(len(frames), -1, *self.shape)

    def reference(self) -> Tensor:
        """Return the mean counts ``(N or 1, 1 or 4, Y, X)`` of an empty field."""
        frame: Tensor = self(self.empty_field())
        return frame

    def _interference(
        self, phase: Tensor, amplitude: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return |U|^2, |R|^2, and real and imaginary part of twice U R*, scaled.

        The scale makes an empty field 1, except for fringes of unscattered light.
        """
        ratio = self.image_value("reference_amplitude", phase)
        visibility = self.image_value("visibility", phase)
        scale = 1 / (1 + ratio**2)
        if self.reference_wave is ReferenceWave.SEPARATE and self.pupil is None:
            modulus = torch.ones_like(phase) if amplitude is None else amplitude
            fringe = visibility * modulus
            return (
                scale * modulus**2,
                scale * ratio**2,
                fringe * torch.cos(phase),
                fringe * torch.sin(phase),
            )
        field = phasor(phase, amplitude)
        if self.pupil is not None:
            field = self.pupil(field)
        match self.reference_wave:
            case ReferenceWave.SEPARATE:
                product = field
                object_light = scale * intensity(field)
                reference_light = scale * ratio**2
            case ReferenceWave.POINT_DIFFRACTION:
                cutoff = self.image_value("pinhole_cycles_per_px", phase)
                spectrum = torch.fft.fft2(field) * round_aperture(field, cutoff)
                passed = torch.fft.ifft2(spectrum)
                product = field * passed.conj()
                object_light = scale * intensity(field)
                reference_light = scale * ratio**2 * intensity(passed)
            case ReferenceWave.UNSCATTERED:
                unscattered = field.mean((-2, -1), keepdim=True)
                scattered = field - unscattered
                product = 2 * scattered * unscattered.conj()
                object_light = intensity(scattered)
                reference_light = intensity(unscattered)
        return (
            object_light,
            reference_light,
            visibility * product.real,
            visibility * product.imag,
        )

    def _analysers(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what each analyser does to the light, shaped like `_spread`'s images.

        Gain, gain m sin d sin t, gain m cos t, gain m cos d sin t.
        """
        nominal = torch.tensor(ANGLES_DEG, dtype=like.dtype, device=like.device)
        sign = 1 if self.handedness is Handedness.POSITIVE else -1
        angles = nominal + self.value("angle_errors_deg", like)
        t = 2 * sign * torch.deg2rad(angles)
        ratio = self.value("extinction_ratio", like)[:, None]
        contrast = (1 - ratio) / (1 + ratio)
        error = torch.deg2rad(self.value("retardance_error_deg", like))[:, None]
        gains = self.value("gains", like)
        crossed = gains * contrast * torch.sin(error) * torch.sin(t)
        cosine = gains * contrast * torch.cos(t)
        sine = gains * contrast * torch.cos(error) * torch.sin(t)
        return (
            self._per_analyser(gains),
            self._per_analyser(crossed),
            self._per_analyser(cosine),
            self._per_analyser(sine),
        )

    def _per_analyser(self, values: Tensor) -> Tensor:
        if not self.mosaic:
            return values[:, :, None, None]
        cell = values[:, list(self._cell)].reshape(-1, 1, 2, 2)
        return cell.repeat(1, 1, 1, self.shape[1] // 2)

    def _spread(self, image: Tensor) -> Tensor:
        """Return images with an axis for channels, or with their rows in pairs."""
        if not self.mosaic or image.shape[1] == 1:
            return image[:, None]
        n, height, width = image.shape
        return image.reshape(n, height // 2, 2, width)


def sample_mosaic(
    channels: Tensor,
    layout: Sequence[int] = SONY_LAYOUT,
    roi_offset_px: tuple[int, int] = (0, 0),
) -> Tensor:
    """Return the mosaic ``(N, 1, Y, X)`` of channels ``(N, 4, Y, X)`` at 0 to 135 deg.

    Parameters
    ----------
    layout, roi_offset_px
        As in `Instrument`.
    """
    mosaic = torch.empty_like(channels[:, :1])
    for position, channel in enumerate(_cell_of(layout, roi_offset_px)):
        row, column = divmod(position, 2)
        mosaic[:, 0, row::2, column::2] = channels[:, channel, row::2, column::2]
    return mosaic


def _cell_of(
    layout: Sequence[int], roi_offset_px: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the channel of each pixel of the frame's first 2x2, in reading order."""
    if sorted(layout) != sorted(ANGLES_DEG):
        raise LayoutError(
            f"The layout {tuple(layout)} is not an order of 0, 45, 90, 135."
        )
    down, right = roi_offset_px[0] % 2, roi_offset_px[1] % 2
    a, b, c, d = (
        ANGLES_DEG.index(layout[2 * ((row + down) % 2) + (column + right) % 2])
        for row in (0, 1)
        for column in (0, 1)
    )
    return a, b, c, d
