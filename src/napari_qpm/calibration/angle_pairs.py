"""Which pixels of a polarization camera lie behind crossed analysers.

Crossed analysers share the light: I0 + I90 = I45 + I135. That tells the two pairs, but
neither which pair is which nor the direction in which angles are counted.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["AnglePairs", "Layout", "Pairing", "find_pairs", "pairing_of"]

Layout = tuple[int, int, int, int]

_CLEAR = 0.7
"""Imbalance of the best pairing over the second best that still decides."""
_CHANNEL_STEP = 3
"""Every third pixel of separate images is enough."""


class Pairing(StrEnum):
    """How crossed analysers lie in a 2x2 cell (or four images in this order)."""

    DIAGONAL = "diagonal"
    """First and fourth, second and third: all Sony sensors, wherever cropped."""
    BESIDE = "beside each other"
    """First and second, third and fourth."""
    ABOVE = "above each other"
    """First and third, second and fourth."""


_PLACES = {
    Pairing.DIAGONAL: ((0, 3), (1, 2)),
    Pairing.BESIDE: ((0, 1), (2, 3)),
    Pairing.ABOVE: ((0, 2), (1, 3)),
}


@dataclass(frozen=True)
class AnglePairs:
    """How well each pairing shares the light.

    Parameters
    ----------
    imbalance
        Median of ``|(I0 + I90) - (I45 + I135)|``, less its overall level, over their
        mean: 0 for perfect pairs.
    """

    imbalance: dict[Pairing, float]

    @property
    def best(self) -> Pairing | None:
        """The pairing that clearly fits; `None` where the light differs too little."""
        first, second = sorted(self.imbalance, key=lambda one: self.imbalance[one])[:2]
        is_clear = self.imbalance[first] <= _CLEAR * self.imbalance[second]
        return first if is_clear and self.imbalance[second] > 0 else None


def pairing_of(layout: Layout) -> Pairing:
    """Return which places an order of angles calls crossed."""
    return next(
        pairing
        for pairing, ((a, b), _) in _PLACES.items()
        if abs(layout[a] - layout[b]) == 90
    )


def find_pairs(frame: NDArray[Any]) -> AnglePairs:
    """Return how well each pairing shares the light of a frame.

    Parameters
    ----------
    frame
        ``(1, Y, X)`` mosaic or ``(4, Y, X)`` images of the angles, raw values.
    """
    if len(frame) == 4:
        values = np.asarray(frame[:, ::_CHANNEL_STEP, ::_CHANNEL_STEP], np.float32)
    else:
        height, width = (n // 2 * 2 for n in frame.shape[1:])
        raw = np.asarray(frame[0, :height, :width], np.float32)
        corners = [raw[row::2, column::2] for row in (0, 1) for column in (0, 1)]
        values = np.stack([corner[::2, ::2] for corner in corners])
    values = values.reshape(4, -1)
    values = values[:, np.isfinite(values).all(axis=0)]
    if not values.size:
        return AnglePairs(dict.fromkeys(Pairing, 0.0))
    light = np.maximum(values.sum(axis=0) / 2, 1e-9)
    imbalance = {}
    for pairing, ((a, b), (c, d)) in _PLACES.items():
        balance = (values[a] + values[b] - values[c] - values[d]) / light
        spread = np.median(np.abs(balance - np.median(balance)))
        imbalance[pairing] = float(spread)
    return AnglePairs(imbalance)
