"""Camera: from mean counts to what a pixel reads, and how far that scatters.

Mean counts are light only; the dark level is added here. All randomness comes from the
generator that is passed, so the same seed gives the same frame.
"""

from typing import Any

import torch
from torch import Tensor

from napari_qpm.errors import ParameterError
from napari_qpm.physics._optical_model import OpticalModel

__all__ = ["Detector"]

QUANTISATION_VARIANCE = 1 / 12
"""Of rounding to whole counts."""


class Detector(OpticalModel):
    """Camera with shot noise, read noise, unequal pixels, saturation and rounding.

    Every value may have a leading axis of N: one a sample.

    Parameters
    ----------
    gain_e_per_count
        Electrons per raw count.
    read_noise_e
        Rms noise of a dark pixel, electrons.
    dark_counts
        Mean raw value of a dark pixel.
    prnu
        Relative rms difference of the pixels' response (photo-response
        non-uniformity).
    full_well_e
        Electrons at which a pixel is full.
    bit_depth
        Bits of a raw count; `None` neither rounds nor clips.
    exact_poisson
        Draw true Poisson numbers; a Gaussian of the same variance is ten times faster
        and not to be told apart above some 30 electrons.
    dtype
        Of the values.
    """

    def __init__(
        self,
        *,
        gain_e_per_count: Any,
        read_noise_e: Any = 0.0,
        dark_counts: Any = 0.0,
        prnu: Any = 0.0,
        full_well_e: Any = float("inf"),
        bit_depth: int | None = None,
        exact_poisson: bool = True,
        dtype: torch.dtype = torch.float32,
    ):
        values = {
            "gain_e_per_count": gain_e_per_count,
            "read_noise_e": read_noise_e,
            "dark_counts": dark_counts,
            "prnu": prnu,
            "full_well_e": full_well_e,
        }
        super().__init__(values, dtype=dtype)
        if bit_depth is not None and not 1 <= bit_depth <= 24:
            raise ParameterError(f"bit_depth is 1 to 24, not {bit_depth}.")
        self.bit_depth = bit_depth
        self.exact_poisson = bool(exact_poisson)

    @property
    def saturation_counts(self) -> float:
        """Raw value of a saturated pixel."""
        return float("inf") if self.bit_depth is None else (1 << self.bit_depth) - 1.0

    def forward(
        self,
        mean_counts: Tensor,
        generator: torch.Generator | None = None,
        pixel_response: Tensor | None = None,
    ) -> Tensor:
        """Return raw counts ``(N, C, Y, X)``, whole numbers if there is a bit depth.

        Parameters
        ----------
        mean_counts
            Noiseless light ``(N, C, Y, X)``.
        generator
            Source of all random numbers, on the device of the counts.
        pixel_response
            Standard normal pattern that broadcasts with the counts: the same camera in
            every frame. Without it each sample has a camera of its own.
        """
        gain = self._image_value("gain_e_per_count", mean_counts)
        electrons = mean_counts * gain
        prnu = self._image_value("prnu", mean_counts)
        if pixel_response is not None or bool((prnu > 0).any()):
            if pixel_response is None:
                pixel_response = _normal(mean_counts, generator)
            electrons = electrons * (1 + prnu * pixel_response)
        electrons = electrons.clamp(min=0)
        read_noise = self._image_value("read_noise_e", mean_counts)
        if self.exact_poisson:
            electrons = torch.poisson(electrons, generator=generator)
            full_well = self._image_value("full_well_e", mean_counts)
            electrons = torch.minimum(electrons, full_well)
            electrons = electrons + read_noise * _normal(mean_counts, generator)
        else:
            deviation = torch.sqrt(electrons + read_noise**2)
            electrons = electrons + deviation * _normal(mean_counts, generator)
            full_well = self._image_value("full_well_e", mean_counts)
            electrons = torch.minimum(electrons, full_well)
        counts = electrons / gain + self._image_value("dark_counts", mean_counts)
        if self.bit_depth is None:
            return counts
        return counts.round().clamp(0, self.saturation_counts)

    def variance(self, mean_counts: Tensor) -> Tensor:
        """Return the variance of the raw counts at this mean light (photon transfer).

        ``mean / gain + (read noise / gain)^2 + (prnu mean)^2 + 1/12``; the last of the
        rounding, if there is any. It does not know of saturation.
        """
        gain = self._image_value("gain_e_per_count", mean_counts)
        read_noise = self._image_value("read_noise_e", mean_counts) / gain
        uneven = self._image_value("prnu", mean_counts) * mean_counts
        variance = mean_counts.clamp(min=0) / gain + read_noise**2 + uneven**2
        return variance if self.bit_depth is None else variance + QUANTISATION_VARIANCE

    def reparameterised(
        self,
        signal: Tensor,
        max_photons: Tensor | float,
        generator: torch.Generator | None = None,
        background_photons: Tensor | float = 10.0,
    ) -> Tensor:
        """Return a noisy signal through which gradients flow.

        ``a + b/k + sqrt(a/k + b/k^2) z1 + (read noise / k) z2`` with standard normal z:
        Poisson as a Gaussian, which the background b keeps true for dark pixels.

        Parameters
        ----------
        signal
            a: noiseless ``(N, C, Y, X)``, 1 = `max_photons` per detector pixel.
        max_photons
            k: photons at signal 1; a number or a tensor that broadcasts.
        generator
            Source of all random numbers.
        background_photons
            b: photons in every pixel that are not signal.
        """
        background = background_photons / max_photons
        variance = signal / max_photons + background / max_photons
        read_noise = self._image_value("read_noise_e", signal) / max_photons
        return (
            signal
            + background
            + torch.sqrt(variance) * _normal(signal, generator)
            + read_noise * _normal(signal, generator)
        )

    def _image_value(self, name: str, like: Tensor) -> Tensor:
        return self.image_value(name, like)[:, None]


def _normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(
        like.shape, generator=generator, dtype=like.dtype, device=like.device
    )
