"""A network's phase, brought into line with the fringes of its own frame.

A network knows where cells are and how many turns they are high; the fringes know the
phase to a hundredth of a turn, but for whole turns and the background of the empty
field. So the network's phase is taken out of the fringes: what is left is its error,
small and smooth enough to be unwrapped, and the background. The error is added, and the
background is found with the help of the network and taken out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval.background import fit_background, fit_wrapped_slopes
from napari_qpm.retrieval.crowded_background import fit_crowded_background
from napari_qpm.retrieval.demodulation import cached_demodulator
from napari_qpm.retrieval.engine import Background, Unwrapping
from napari_qpm.retrieval.unwrapping import unwrap

__all__ = ["Sharpened", "sharpen"]

FILTER_SHARE = 0.6
"""Radius of the filter around the sideband over the carrier frequency: what the network
has found already need not be kept clear of, so it may be wide."""
BACKGROUND_ORDER = 5
"""Highest order of the background that is looked for."""

FloatImage = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sharpened:
    """A network's phase after its error was taken out.

    Parameters
    ----------
    phase
        ``(Y, X)`` [rad], above its background.
    far_share
        Share of the pixels in which the network was off by more than half a turn. Where
        it is not small, neither phase is to be trusted.
    """

    phase: FloatImage
    far_share: float


def sharpen(
    phase: FloatImage,
    hologram: NDArray[np.generic],
    carrier: tuple[float, float],
    sign: int = 1,
    surface: FloatImage | None = None,
    *,
    has_reference: bool = False,
) -> Sharpened:
    """Return a phase ``(Y, X)`` [rad] that follows the fringes of its frame.

    Parameters
    ----------
    phase
        ``(Y, X)`` [rad], right to about half a turn.
    hologram
        ``(Y, X)`` counts without NaN, on the same grid.
    carrier
        ``(fy, fx)`` of the sideband on that grid [cycles/px].
    sign
        -1 if this sideband holds the phase of thicker objects reversed.
    surface
        ``(Y, X)`` [rad]: what this sideband holds beside the carrier of an empty field,
        as far as it is known; may be wrapped.
    has_reference
        Whether the surface was measured on an empty field, so that nothing but a
        level is left.

    Raises
    ------
    LayoutError
        Phase and frame have different shapes.
    """
    if phase.shape != hologram.shape:
        raise LayoutError(
            f"The phase is {phase.shape}, its frame {hologram.shape}; both have to lie "
            "on one grid."
        )
    guess = np.nan_to_num(phase)
    rest = np.angle(_field(hologram, carrier, sign, surface) * np.exp(-1j * guess))
    rest = rest.astype(np.float32)
    smooth = fit_wrapped_slopes(rest).evaluate((phase.shape[0], phase.shape[1]))
    turned = np.exp(1j * (rest - smooth))
    turned *= np.conj(turned.mean())
    error = unwrap(np.angle(turned).astype(np.float32), Unwrapping.AUTO).phase
    found = guess + error
    if has_reference:
        # Tilt and curvature were taken out to unwrap, but belong to the cells here.
        found += smooth
        background = fit_background(found, Background.OFFSET)
    else:
        background = fit_crowded_background(found, BACKGROUND_ORDER, guess)
    found -= background.surface.evaluate((phase.shape[0], phase.shape[1]))
    far_share = float(np.mean(np.abs(found - guess) > np.pi))
    return Sharpened(np.asarray(found, np.float32), far_share)


def _field(
    hologram: NDArray[np.generic],
    carrier: tuple[float, float],
    sign: int,
    surface: FloatImage | None,
) -> NDArray[np.complex64]:
    """Return the complex field ``(Y, X)`` of the sideband, its phase of our sign."""
    radius = FILTER_SHARE * float(np.hypot(*carrier))
    shape = (int(hologram.shape[0]), int(hologram.shape[1]))
    field = cached_demodulator(shape, carrier, radius, full=True).field(hologram[None])[
        0
    ]
    if surface is not None:
        field = field * np.exp(-1j * surface)
    return np.asarray(np.conj(field) if sign < 0 else field, np.complex64)
