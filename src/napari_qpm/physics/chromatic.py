"""White-light brightfield with a colour camera: each colour has its own focus.

The object is an optical path difference W, the same for all colours, so its phase is
``2 pi W / wavelength``. The objective focuses each wavelength at
``z = a0 + a1 (wavelength - 0.55) + a2 (wavelength - 0.55)^2`` (um, in air: divide a
displacement in a medium by its index), and out of focus phase becomes contrast.
"""

import math
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor

from napari_qpm.errors import ParameterError
from napari_qpm.physics._frame_model import FrameModel
from napari_qpm.physics._optical_model import (
    intensity,
    over_image,
    phasor,
    precise_dtype,
)
from napari_qpm.physics.bayer import bayer_mosaic
from napari_qpm.physics.borders import wrap_smoothly
from napari_qpm.physics.disk_blur import disk_transfer
from napari_qpm.physics.grids import (
    frequency_axes,
    frequency_step,
    quadrant_axes,
    unfold_quadrant,
)
from napari_qpm.physics.propagation import kernel_at
from napari_qpm.physics.pupil import aperture_at
from napari_qpm.physics.spectrum import band_weights, white_lamp

__all__ = ["ChromaticBrightfield", "Coherence"]

CENTRAL_WAVELENGTH_UM = 0.55
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


class Coherence(StrEnum):
    """How the size of the light source is taken into account."""

    FAST = "fast"
    """Defocused images are blurred by the image of the source: right to first order.

    Within 1 % of the contrast up to a coherence ratio of 0.3 where the aperture
    resolves the object, 4 % up to 0.6; worse where the aperture limits the detail."""
    ABBE = "abbe"
    """One coherent image a point of the source, summed: exact and slow."""


class ChromaticBrightfield(FrameModel):
    """Mean counts of a colour camera behind a brightfield microscope.

    Every value may have a leading axis of N: one a sample.

    Parameters
    ----------
    shape
        ``(Y, X)`` of the frames.
    na, pixel_um
        Numerical aperture of the objective and pixel in object space.
    focus_curve_um
        ``(3,)``: a0 [um], a1 [um/um], a2 [um/um^2].
    coherence_ratio
        Numerical aperture of the condenser over that of the objective.
    band_centres_um, band_widths_um
        ``(3,)`` centres and standard deviations of red, green and blue.
    crosstalk
        Share of a channel's light that belongs to the two others.
    channel_gains
        ``(3,)`` relative brightness of the channels.
    brightness_counts, unevenness
        Mean light of an empty field; Legendre coefficients of its deviation.
    coherence
        Member of `Coherence`.
    n_wavelengths, n_source_points
        Samples of the lamp's spectrum and (Abbe) of the condenser's aperture.
    bayer
        Pattern of a Bayer mosaic such as ``"RGGB"``; `None` gives three full channels.
    margin_px
        Width of the bridge by which the computation joins opposite borders, so that
        light does not come in from the other side.
    dtype
        Of the values.
    """

    wavelengths_um: Tensor
    powers: Tensor
    source_points: Tensor

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        na: Any,
        pixel_um: Any,
        focus_curve_um: Any = (0.0, 0.0, 0.0),
        coherence_ratio: Any = 0.3,
        band_centres_um: Any = (0.605, 0.535, 0.465),
        band_widths_um: Any = (0.04, 0.04, 0.04),
        crosstalk: Any = 0.0,
        channel_gains: Any = (1.0, 1.0, 1.0),
        brightness_counts: Any = 1.0,
        unevenness: Any = ((),),
        coherence: Coherence | str = Coherence.FAST,
        n_wavelengths: int = 9,
        n_source_points: int = 37,
        bayer: str | None = None,
        margin_px: int = 32,
        dtype: torch.dtype = torch.float32,
    ):
        values = {
            "na": na,
            "pixel_um": pixel_um,
            "focus_curve_um": focus_curve_um,
            "coherence_ratio": coherence_ratio,
            "band_centres_um": band_centres_um,
            "band_widths_um": band_widths_um,
            "crosstalk": crosstalk,
            "channel_gains": channel_gains,
            "brightness_counts": brightness_counts,
            "unevenness": unevenness,
        }
        item_dims = {
            "focus_curve_um": 1,
            "band_centres_um": 1,
            "band_widths_um": 1,
            "channel_gains": 1,
            "unevenness": 2,
        }
        super().__init__(values, item_dims, dtype)
        if min(n_wavelengths, n_source_points) < 1 or margin_px < 0:
            raise ParameterError(
                "n_wavelengths and n_source_points are 1 or more, margin_px 0 or more."
            )
        self.shape = (int(shape[0]), int(shape[1]))
        margin_px = min(margin_px, *self.shape)
        self.coherence = Coherence(coherence)
        self.bayer = bayer
        self.margin_px = int(margin_px)
        wavelengths, powers = white_lamp(n_wavelengths)
        self.register_buffer("wavelengths_um", wavelengths.to(dtype), persistent=False)
        self.register_buffer("powers", powers.to(dtype), persistent=False)
        points = _disk_points(n_source_points).to(dtype)
        self.register_buffer("source_points", points, persistent=False)

    def forward(self, opd_um: Tensor, amplitude: Tensor | None = None) -> Tensor:
        """Return mean counts ``(N, 3, Y, X)`` red, green, blue, or a Bayer mosaic.

        Parameters
        ----------
        opd_um
            Optical path difference of the object ``(N, Y, X)`` [um].
        amplitude
            Of the object ``(N, Y, X)``, 1 = no absorption.
        """
        self.check_images("The optical path difference", opd_um)
        self.check_images("The amplitude", amplitude)
        path = wrap_smoothly(opd_um, self.margin_px)
        if amplitude is not None:
            amplitude = wrap_smoothly(amplitude, self.margin_px)
        if self.coherence is Coherence.FAST:
            colours = self._blurred_images(path, amplitude)
        else:
            colours = self._source_images(path, amplitude)
        colours = colours[..., : self.shape[0], : self.shape[1]]
        gains = over_image(self.value("channel_gains", opd_um))
        colours = colours * gains * self.light(opd_um)[:, None]
        return colours if self.bayer is None else bayer_mosaic(colours, self.bayer)

    def focus_um(self, like: Tensor) -> Tensor:
        """Return the focus ``(N or 1, M)`` of each wavelength of the lamp."""
        curve = self.value("focus_curve_um", like)[..., None]
        offset = self.wavelengths_um.to(curve) - CENTRAL_WAVELENGTH_UM
        return curve[:, 0] + curve[:, 1] * offset + curve[:, 2] * offset**2

    def channel_weights(self, like: Tensor) -> Tensor:
        """Return the share ``(N or 1, 3, M)`` of each wavelength in each channel."""
        return band_weights(
            self.wavelengths_um.to(like),
            self.powers.to(like),
            self.value("band_centres_um", like),
            self.value("band_widths_um", like),
            self.value("crosstalk", like),
        )

    def reference(self) -> Tensor:
        """Return the mean counts ``(N or 1, 3 or 1, Y, X)`` of an empty field."""
        frame: Tensor = self(self.empty_field())
        return frame

    # Wavelengths come one after another: on a CPU that is four times faster than all at
    # once, because the images of one wavelength fit the cache.

    def _blurred_images(self, path: Tensor, amplitude: Tensor | None) -> Tensor:
        """Return coherent images, blurred by the defocused image of the source."""
        fy, fx = quadrant_axes(path)
        frequency = 2 * math.pi * torch.sqrt(fy**2 + fx**2)
        radius_um = self.focus_um(path).abs() * self._source_na(path)[:, None]
        radius_px = over_image(radius_um / self.value("pixel_um", path)[:, None])
        weights = over_image(self.channel_weights(path))
        mixed = path.new_zeros(1)
        for m, spectrum in enumerate(self._spectra(path, amplitude)):
            transfer = self._transfer(m, quadrant_axes(path, _precise(path)), path)
            image = torch.fft.ifft2(spectrum * unfold_quadrant(transfer, path))
            blur = disk_transfer(frequency * radius_px[:, m])
            blurred = torch.fft.rfft2(intensity(image))
            blurred = blurred * unfold_quadrant(blur, path, rows_only=True)
            mixed = mixed + weights[:, :, m] * blurred[:, None]
        colours: Tensor = torch.fft.irfft2(mixed, s=path.shape[-2:])
        return colours

    def _source_images(self, path: Tensor, amplitude: Tensor | None) -> Tensor:
        """Return the sum of the coherent images of all points of the source."""
        fy, fx = frequency_axes(path, _precise(path))
        tilt_na = self._source_na(path) * self.value("pixel_um", path)
        weights = over_image(self.channel_weights(path))
        colours = path.new_zeros(1)
        for m, spectrum in enumerate(self._spectra(path, amplitude)):
            tilt = over_image((tilt_na / self.wavelengths_um[m]).to(fy))
            total, empty = path.new_zeros(1), path.new_zeros(1)
            for y, x in self.source_points.to(fy):
                transfer = self._transfer(m, (fy + y * tilt, fx + x * tilt), path)
                total = total + intensity(torch.fft.ifft2(spectrum * transfer))
                empty = empty + intensity(transfer[..., :1, :1])
            colours = colours + weights[:, :, m] * (total / empty)[:, None]
        return colours

    def _spectra(self, path: Tensor, amplitude: Tensor | None) -> Iterator[Tensor]:
        """Yield the spectrum ``(N, Y, X)`` of the object wave of each wavelength."""
        for wavelength in self.wavelengths_um.to(path):
            phase = 2 * math.pi / wavelength * path
            yield torch.fft.fft2(phasor(phase, amplitude))

    def _transfer(self, m: int, axes: tuple[Tensor, Tensor], like: Tensor) -> Tensor:
        """Return pupil and defocus ``(N or 1, ...)`` at frequencies [cycles/px]."""
        wavelength = self.wavelengths_um[m].to(like)
        pixel = self.value("pixel_um", like)
        cutoff = over_image(self.value("na", like) * pixel / wavelength)
        aperture = aperture_at(axes, cutoff, frequency_step(like)).to(like)
        per_um = (axes[0] / over_image(pixel), axes[1] / over_image(pixel))
        focus = self.focus_um(like)[:, m]
        return kernel_at(per_um, like, focus, wavelength_um=wavelength) * aperture

    def _source_na(self, like: Tensor) -> Tensor:
        return self.value("coherence_ratio", like) * self.value("na", like)


def _precise(like: Tensor) -> torch.dtype:
    return precise_dtype(like.device)


def _disk_points(n: int) -> Tensor:
    """Return ``(n, 2)`` points that fill the unit disk evenly (sunflower)."""
    number = torch.arange(n, dtype=torch.float64)
    radius = torch.sqrt((number + 0.5) / n)
    angle = number * GOLDEN_ANGLE
    return torch.stack([radius * torch.sin(angle), radius * torch.cos(angle)], dim=1)
