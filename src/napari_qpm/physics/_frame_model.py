"""What models of camera frames share: the light, the empty field and its phase."""

import torch
from torch import Tensor

from napari_qpm.errors import LayoutError
from napari_qpm.physics._optical_model import OpticalModel
from napari_qpm.physics.legendre import legendre_surface

__all__ = ["FrameModel"]


class FrameModel(OpticalModel):
    """A forward model of camera frames of one size.

    Every such model has the values ``brightness_counts`` and ``unevenness``: the mean
    light is ``brightness_counts (1 + surface)``, the surface being that of the Legendre
    coefficients ``unevenness`` ``(I, J)``. Phase models have ``background_rad``
    ``(I, J)``, too: the phase of an empty field.
    """

    shape: tuple[int, int]

    def light(self, like: Tensor) -> Tensor:
        """Return the brightness ``(N or 1, Y, X)``, thin axes if it is even."""
        brightness = self.image_value("brightness_counts", like)
        coefficients = self.value("unevenness", like)
        if not coefficients.numel():
            return brightness
        return brightness * (1 + legendre_surface(coefficients, like))

    def with_background(self, phase: Tensor) -> Tensor:
        """Return a phase ``(N, Y, X)`` with that of the empty field added."""
        coefficients = self.value("background_rad", phase)
        if not coefficients.numel():
            return phase
        return phase + legendre_surface(coefficients, phase)

    def check_images(self, what: str, *images: Tensor | None) -> None:
        """Raise unless these are ``(N, Y, X)`` of the model's size."""
        for image in images:
            if image is None:
                continue
            if image.ndim != 3 or tuple(image.shape[1:]) != self.shape:
                raise LayoutError(
                    f"{what} is (N, {self.shape[0]}, {self.shape[1]}) here, "
                    f"not {tuple(image.shape)}."
                )

    def empty_field(self) -> Tensor:
        """Return zeros ``(1, Y, X)`` on the model's device."""
        some = next(self.parameters())
        return torch.zeros(1, *self.shape, dtype=some.dtype, device=some.device)
