"""Phase of the object where only the unscattered light serves as reference (SLIM).

The field behind the object is U = u + s: the unscattered light u, uniform but for the
illumination, and the scattered light s. The set-up shifts one against the other, so the
four-step phase is that of s against u, not that of U. With the intensities
``a + b cos(arg s/u + 2 theta)``, a = g (|u|^2 + |s|^2), b = 2 g |u| |s|, the object
phase is arg(1 + s/u) (Wang et al., Opt. Express 19, 1016, 2011). The two roots of
``x^2 - a x + b^2 / 4`` are g|u|^2 and g|s|^2; a pixel does not say which is which, a
blank frame, where a = g|u|^2, does.
"""

import numpy as np

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval.four_step import DifferenceImages, Fringes

__all__ = ["unscattered_fraction", "unscattered_fringes"]

SAMPLED_PIXELS = 20_000
SMALLEST_FRACTION = 0.02
LARGEST_FRACTION = 1.5
"""Above 1 when the lamp was brighter than for the blank frame."""
FRACTION_STEP = 0.005
TOLERANCE = 0.05
"""Distance (in units of the blank) at which a pixel no longer supports a fraction."""
PREFERENCE_FOR_BRIGHT = 0.3
"""Cost of a fraction of 0 against 1. Both roots are uniform over an empty background;
the unscattered one is the brighter unless cells fill half of the field, and then their
own pixels decide."""
DARK_BLANK = 0.05
"""Share of the blank's median below which a pixel is not illuminated."""
TINY = np.float32(1e-30)


def unscattered_fraction(images: DifferenceImages, blank: DifferenceImages) -> float:
    """Return |u|^2 of a frame over that of the blank frame.

    The unscattered light is the same everywhere, so the fraction is the value that most
    pixels have among their two roots.

    Raises
    ------
    LayoutError
        The blank frame is dark.
    """
    reference = blank.total
    lit = reference > DARK_BLANK * np.median(reference)
    lit &= np.isfinite(images.total)
    if not lit.any():
        raise LayoutError(
            "The reference frame is dark. Phase from unscattered light needs a blank "
            "frame: an empty field under the same illumination."
        )
    chosen = np.flatnonzero(lit)
    chosen = chosen[:: max(1, chosen.size // SAMPLED_PIXELS)]
    brightness = reference.ravel()[chosen].astype(np.float64)
    total = images.total.ravel()[chosen] / brightness
    contrast = 2 * np.abs(images.fringe.ravel()[chosen]) / brightness
    spread = np.sqrt(np.maximum(total**2 - contrast**2, 0))
    roots = np.stack([total + spread, total - spread]) / 2
    candidates = np.arange(SMALLEST_FRACTION, LARGEST_FRACTION, FRACTION_STEP)
    costs = [
        np.minimum(np.abs(roots - candidate).min(axis=0) / TOLERANCE, 1).mean()
        + PREFERENCE_FOR_BRIGHT * abs(1 - candidate)
        for candidate in candidates
    ]
    best = float(candidates[int(np.argmin(costs))])
    nearest = np.take_along_axis(roots, np.abs(roots - best).argmin(axis=0)[None], 0)[0]
    supporting = nearest[np.abs(nearest - best) <= TOLERANCE]
    return float(np.median(supporting)) if supporting.size else best


def unscattered_fringes(
    images: DifferenceImages, blank: DifferenceImages, out: Fringes
) -> float:
    """Write the object's wrapped phase, amplitude and quality; return the fraction.

    Multiplying 1 + s/u by ``4 g |u|^2`` gives ``4 g |u|^2 + Z``, with
    ``4 g |u|^2 = fraction * (sum of the blank's four images)``: no division, no root.

    Parameters
    ----------
    images
        Of the frame with cells.
    blank
        Of an empty field under the same illumination.
    out
        Filled; its amplitude is relative to the unscattered light.
    """
    fraction = unscattered_fraction(images, blank)
    unscattered = np.float32(fraction) * blank.total
    field = unscattered + images.fringe
    magnitude = np.abs(field)
    mismatch = np.abs(images.axial - images.diagonal)
    out.wrapped[...] = np.angle(field)
    out.amplitude[...] = magnitude / (unscattered + TINY)
    out.quality[...] = 1 - np.minimum(mismatch / (magnitude + TINY), 1)
    return fraction
