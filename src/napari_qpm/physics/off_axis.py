"""Off-axis interferometer: the phase of the object bends straight carrier fringes."""

import math
from typing import Any

import torch
from torch import Tensor

from napari_qpm.errors import ParameterError
from napari_qpm.physics._frame_model import FrameModel
from napari_qpm.physics._optical_model import (
    intensity,
    phasor,
    precise_dtype,
)
from napari_qpm.physics.grids import pixel_axes
from napari_qpm.physics.pupil import Pupil
from napari_qpm.physics.scattering import scattered_wave

__all__ = ["OffAxisInterferometer"]


class OffAxisInterferometer(FrameModel):
    """Mean counts of holograms.

    ``I = B [(1 + A^2) / 2 + V A cos(2 pi (fy y + fx x) + s (phi + background))
    + sum_p V_p cos(2 pi f_p r + psi_p)]``, with pixel numbers y, x from the top left
    one. Every value may have a leading axis of N: one a sample.

    Scattered light is speckle that is added to the object wave ``A exp(i (phi +
    background))``: power between the orders of the spectrum, and unevenness of the
    phase that no longer exposure takes away.

    Parameters
    ----------
    shape
        ``(Y, X)`` of the frames.
    carrier_cycles_per_px
        ``(fy, fx)`` of the chosen sideband.
    visibility, brightness_counts
        Fringe contrast V and mean light B of an empty field.
    unevenness
        Legendre coefficients ``(I, J)`` of the light's relative deviation from B.
    background_rad
        Legendre coefficients ``(I, J)`` of the phase of an empty field: curvature and
        aberrations of both arms.
    parasitic_visibility, parasitic_cycles_per_px, parasitic_phase_rad
        ``(P,)``, ``(P, 2)``, ``(P,)`` of weak straight fringes from reflections.
    scattered_share, scattered_cycles_per_px
        Power of the scattered light over that of the object wave of an empty field, and
        the standard deviation of its Gaussian power spectrum; see `scattered_wave`.
    scattering_seed
        Of the speckle pattern, which is the same in every frame of a microscope.
    phase_sign
        s: +1, or -1 if the sideband holds the phase of thicker objects reversed.
    pupil
        Objective in front; without one the field is imaged as it is.
    dtype
        Of the values.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        carrier_cycles_per_px: Any,
        visibility: Any = 1.0,
        brightness_counts: Any = 1.0,
        unevenness: Any = ((),),
        background_rad: Any = ((),),
        parasitic_visibility: Any = (),
        parasitic_cycles_per_px: Any = None,
        parasitic_phase_rad: Any = None,
        scattered_share: Any = 0.0,
        scattered_cycles_per_px: Any = 0.15,
        scattering_seed: int = 0,
        phase_sign: int = 1,
        pupil: Pupil | None = None,
        dtype: torch.dtype = torch.float32,
    ):
        if phase_sign not in (1, -1):
            raise ParameterError(f"phase_sign is +1 or -1, not {phase_sign!r}.")
        contrasts = torch.as_tensor(parasitic_visibility, dtype=dtype)
        if parasitic_cycles_per_px is None:
            parasitic_cycles_per_px = torch.zeros(*contrasts.shape, 2)
        if parasitic_phase_rad is None:
            parasitic_phase_rad = torch.zeros(contrasts.shape)
        values = {
            "carrier_cycles_per_px": carrier_cycles_per_px,
            "visibility": visibility,
            "brightness_counts": brightness_counts,
            "unevenness": unevenness,
            "background_rad": background_rad,
            "parasitic_visibility": contrasts,
            "parasitic_cycles_per_px": parasitic_cycles_per_px,
            "parasitic_phase_rad": parasitic_phase_rad,
            "scattered_share": scattered_share,
            "scattered_cycles_per_px": scattered_cycles_per_px,
        }
        item_dims = {
            "carrier_cycles_per_px": 1,
            "unevenness": 2,
            "background_rad": 2,
            "parasitic_visibility": 1,
            "parasitic_cycles_per_px": 2,
            "parasitic_phase_rad": 1,
        }
        super().__init__(values, item_dims, dtype)
        self.shape = (int(shape[0]), int(shape[1]))
        self.phase_sign = int(phase_sign)
        self.scattering_seed = int(scattering_seed)
        self.pupil = pupil

    def forward(
        self,
        phase: Tensor,
        amplitude: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return mean counts ``(N, 1, Y, X)``.

        Parameters
        ----------
        phase
            Of the object ``(N, Y, X)`` [rad], positive = thicker than the medium.
        amplitude
            Of the object ``(N, Y, X)``, 1 = no absorption.
        generator
            Source of another pattern of scattered light than that of the seed.
        """
        self.check_images("The phase", phase)
        self.check_images("The amplitude", amplitude)
        carrier = self.carrier(phase)
        total = self.with_background(phase)
        visibility = self.image_value("visibility", phase)
        scattered = self._scattered_wave(phase, generator)
        if self.pupil is None and scattered is None:
            fringe = torch.cos(carrier + self.phase_sign * total)
            if amplitude is None:
                pattern = 1 + visibility * fringe
            else:
                pattern = (1 + amplitude**2) / 2 + visibility * amplitude * fringe
        else:
            image = phasor(total, amplitude)
            if self.pupil is not None:
                image = self.pupil(image)
            if scattered is not None:
                image = image + scattered
            fringe = image.real * torch.cos(carrier)
            fringe = fringe - self.phase_sign * image.imag * torch.sin(carrier)
            pattern = (1 + intensity(image)) / 2 + visibility * fringe
        pattern = pattern + self._parasitic_fringes(phase)
        return (self.light(phase) * pattern)[:, None]

    def reference(self) -> Tensor:
        """Return the mean counts ``(N or 1, 1, Y, X)`` of an empty field."""
        frame: Tensor = self(self.empty_field())
        return frame

    def carrier(self, like: Tensor) -> Tensor:
        """Return the phase ``(N or 1, Y, X)`` [rad] of the straight fringes."""
        return _straight_phase(self.value("carrier_cycles_per_px", like), like)

    def _scattered_wave(
        self, like: Tensor, generator: torch.Generator | None
    ) -> Tensor | None:
        """Return speckle ``(N or 1, Y, X)``, `None` where there is none."""
        share = self.value("scattered_share", like)
        if not share.requires_grad and not bool((share > 0).any()):
            return None
        if generator is None:
            generator = torch.Generator().manual_seed(self.scattering_seed)
        band = self.value("scattered_cycles_per_px", like)
        return scattered_wave(share, band, like, generator)

    def _parasitic_fringes(self, like: Tensor) -> Tensor | float:
        visibility = self.value("parasitic_visibility", like)
        if not visibility.shape[-1]:
            return 0.0
        phase = _straight_phase(self.value("parasitic_cycles_per_px", like), like)
        phase = phase + self.value("parasitic_phase_rad", like)[..., None, None]
        return (visibility[..., None, None] * torch.cos(phase)).sum(1)


def _straight_phase(frequency: Tensor, like: Tensor) -> Tensor:
    """Return ``2 pi (fy y + fx x)``, ``(..., Y, X)``, of frequencies ``(..., 2)``."""
    y, x = pixel_axes(like)
    turns_y = _part_of_a_turn(frequency[..., 0, None, None], y)
    turns_x = _part_of_a_turn(frequency[..., 1, None, None], x)
    return 2 * math.pi * (turns_y + turns_x)


def _part_of_a_turn(frequency: Tensor, position: Tensor) -> Tensor:
    """Return the product modulo 1; thousands of turns cost float32 milliradians."""
    kind = precise_dtype(position.device)
    turns = frequency.to(kind) * position.to(kind)
    return (turns - turns.detach().floor()).to(position.dtype)
