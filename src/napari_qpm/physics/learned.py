"""Optics that are themselves the network: trained, then built as glass.

The detector signal is ``|A|^2`` (arXiv 2205.11521). Lengths are in um; the defaults are
those of that work, a pixel of half a wavelength, at which the edge of the spectrum,
1 / wavelength, is a circle that touches the sides of the Fourier plane.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_qpm.errors import LayoutError, ParameterError
from napari_qpm.physics._optical_model import intensity, phasor
from napari_qpm.physics.grids import frequency_axes
from napari_qpm.physics.propagation import propagation_kernel

__all__ = ["DiffractiveNetwork", "FourierFilter", "demagnify"]

WAVELENGTH_UM = 0.6328
PIXEL_UM = 0.3164
LAYER_DISTANCE_UM = 3.373
DETECTOR_DISTANCE_UM = 5.904


class FourierFilter(nn.Module):
    """Learnable complex filter in the Fourier plane of a 4f system.

    Amplitude (as a logit, so that the filter is passive) and phase of every frequency
    are learned. Frequencies beyond 1 / wavelength do not propagate: 0.

    Parameters
    ----------
    size
        Pixels of the square field.
    wavelength_um, pixel_um
        Wavelength, and pixel of the field.
    generator
        Source of the start values, standard normal both.
    """

    passes: Tensor

    def __init__(
        self,
        size: int = 256,
        *,
        wavelength_um: float = WAVELENGTH_UM,
        pixel_um: float = PIXEL_UM,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.size = int(size)
        start = torch.randn(2, size, size, generator=generator)
        self.amplitude_logit = nn.Parameter(start[0].clone())
        self.phase_rad = nn.Parameter(start[1].clone())
        fy, fx = frequency_axes(start[0], torch.float64)
        passes = (fy**2 + fx**2) <= (pixel_um / wavelength_um) ** 2
        self.register_buffer("passes", passes, persistent=False)

    def transmission(self) -> Tensor:
        """Return the complex filter ``(Y, X)``, in FFT order."""
        amplitude = torch.sigmoid(self.amplitude_logit) * self.passes
        return phasor(self.phase_rad, amplitude)

    def forward(self, field: Tensor) -> Tensor:
        """Return the intensity ``(N, Y, X)`` of a complex field ``(N, Y, X)``."""
        _check_size(field, self.size)
        filtered = torch.fft.ifft2(torch.fft.fft2(field) * self.transmission())
        return intensity(filtered)


class DiffractiveNetwork(nn.Module):
    """Phase masks one behind the other, with free space between (D2NN).

    Light travels from the specimen to the first mask, from mask to mask and from the
    last used one to the detector. Every mask may be the last one (`depth`), with a
    learned power of its own, because masks lose light and the target is not dimmed.
    Masks are separate parameters: freeze one with ``phases_rad[i].requires_grad_``.

    Parameters
    ----------
    size
        Pixels of the square masks.
    n_layers
        Number of masks.
    wavelength_um, pixel_um
        Wavelength, and pixel of masks and field.
    layer_distance_um, detector_distance_um
        Distance in front of each mask, and behind the last used one.
    window
        Factor by which the field is enlarged with darkness for each step; 4 keeps light
        that leaves the masks out, 2 is enough for previews.
    generator
        Source of the start phases, standard normal.
    """

    to_layer: Tensor
    to_detector: Tensor

    def __init__(
        self,
        size: int = 256,
        n_layers: int = 5,
        *,
        wavelength_um: float = WAVELENGTH_UM,
        pixel_um: float = PIXEL_UM,
        layer_distance_um: float = LAYER_DISTANCE_UM,
        detector_distance_um: float = DETECTOR_DISTANCE_UM,
        window: int = 4,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if n_layers < 1 or window < 1:
            raise ParameterError("n_layers and window are 1 or more.")
        self.size, self.window = int(size), int(window)
        self.phases_rad = nn.ParameterList(
            torch.randn(size, size, generator=generator) for _ in range(n_layers)
        )
        self.log_powers = nn.Parameter(torch.zeros(n_layers))
        like = torch.empty(size * window, size * window)
        for name, distance in (
            ("to_layer", layer_distance_um),
            ("to_detector", detector_distance_um),
        ):
            kernel = propagation_kernel(
                like, distance, wavelength_um=wavelength_um, pixel_um=pixel_um
            )
            self.register_buffer(name, kernel, persistent=False)

    @property
    def powers(self) -> Tensor:
        """Amplitude factors ``(n_layers,)`` of the output behind each mask."""
        return torch.exp(self.log_powers)

    def forward(self, field: Tensor, depth: int | None = None) -> Tensor:
        """Return the intensity ``(N, Y, X)`` behind `depth` masks, all by default."""
        _check_size(field, self.size)
        depth = len(self.phases_rad) if depth is None else depth
        if not 1 <= depth <= len(self.phases_rad):
            raise ParameterError(
                f"depth is 1 to {len(self.phases_rad)} masks, not {depth}."
            )
        for n in range(depth):
            field = self._travel(field, self.to_layer)
            field = field * phasor(self.phases_rad[n])
        field = self._travel(field, self.to_detector)
        power: Tensor = self.powers[depth - 1]
        return power * power * intensity(field)

    def _travel(self, field: Tensor, kernel: Tensor) -> Tensor:
        """Return the field at the next plane; what leaves the mask is lost."""
        before = (kernel.shape[-1] - self.size) // 2
        after = kernel.shape[-1] - self.size - before
        wide = functional.pad(field, (before, after, before, after))
        wide = torch.fft.ifft2(torch.fft.fft2(wide) * kernel)
        stop = before + self.size
        inside: Tensor = wide[..., before:stop, before:stop]
        return inside


def demagnify(intensity: Tensor, side_factor: int) -> Tensor:
    """Return ``(..., Y, X)`` averaged over squares, by 2x2 averages one after another.

    Parameters
    ----------
    side_factor
        Power of two by which each side shrinks: 8 leaves 1/64 of the pixels, 16 leaves
        1/256.
    """
    steps = int(math.log2(side_factor)) if side_factor >= 1 else -1
    if 1 << max(steps, 0) != side_factor:
        raise ParameterError(f"side_factor is a power of two, not {side_factor}.")
    height, width = intensity.shape[-2:]
    if height % side_factor or width % side_factor:
        raise LayoutError(
            f"An image of {height} x {width} does not shrink by {side_factor}."
        )
    pooled = intensity.reshape(1, -1, height, width)
    for _ in range(steps):
        pooled = functional.avg_pool2d(pooled, 2)
    return pooled.reshape(*intensity.shape[:-2], *pooled.shape[-2:])


def _check_size(field: Tensor, size: int) -> None:
    shape = tuple(field.shape)
    if shape[-2:] != (size, size):
        raise LayoutError(f"The field is (N, {size}, {size}), not {shape}.")
