"""Colour polarization sensors: a Bayer pattern of 2x2 polarizer blocks, 4x4 in all.

All four polarizers of a block see the same colour, so its phase does not depend on how
bright that colour is. Levelling the colours makes a plain mosaic of the frame, which
every method reads; dim colours bring their noise along.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import FrameSource

__all__ = ["LevelledSource", "colour_levels", "describe_levels", "levelled"]

_LEAST_DIFFERENCE = 0.04
_SAME_COLOUR = 0.03
_DIMMEST = 0.02
"""Colours below this share of the brightest say nothing."""
Levels = tuple[float, float, float, float]
"""Brightness of the blocks in reading order, the brightest 1."""


def colour_levels(image: NDArray[Any]) -> Levels | None:
    """Return how bright the four blocks of each 4x4 cell are; `None` for one colour.

    Parameters
    ----------
    image
        ``(Y, X)``, beginning with a whole cell.
    """
    y, x = (size // 4 for size in image.shape)
    if min(y, x) < 8:
        return None
    cells = image[: 4 * y, : 4 * x].astype(np.float32)
    blocks = cells.reshape(y, 2, 2, x, 2, 2).mean((2, 5)).transpose(1, 3, 0, 2)
    usual = np.median(blocks, axis=(2, 3)).ravel()
    if usual.max() <= 0:
        return None
    levels = usual / usual.max()
    falling = abs(levels[0] - levels[3])
    rising = abs(levels[1] - levels[2])
    greens = min(falling, rising)
    if np.ptp(levels) < _LEAST_DIFFERENCE or greens > _SAME_COLOUR:
        return None
    a, b, c, d = (float(max(level, _DIMMEST)) for level in levels)
    return a, b, c, d


def levelled(image: NDArray[Any], levels: Levels) -> NDArray[np.float32]:
    """Return the last two axes of an image with all colours equally bright."""
    y, x = image.shape[-2:]
    cell = np.kron(np.reshape(levels, (2, 2)), np.ones((2, 2))).astype(np.float32)
    repeated = np.tile(1 / cell, (-(-y // 4), -(-x // 4)))[:y, :x]
    return np.asarray(image * repeated, np.float32)


def describe_levels(levels: Levels) -> str:
    """Return the note on a colour sensor for the user."""
    shares = ", ".join(f"{100 * level:.0f} %" for level in levels)
    return (
        "The sensor has colour filters (4x4 pattern): its colours, of brightness "
        f"{shares} in reading order, are levelled so that it reads like a plain "
        "polarization sensor. Dim colours are noisy; saturated pixels are not found."
    )


class LevelledSource:
    """Frames of a colour polarization sensor with all colours equally bright.

    Parameters
    ----------
    source
        Raw frames ``(T, 1, Y, X)``.
    levels
        From `colour_levels`.
    """

    def __init__(self, source: FrameSource, levels: Levels):
        self._source = source
        self._levels = levels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return self._source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        return levelled(self._source.read(t), self._levels)
