"""The sign of a wrapped phase under which cells are thicker than the medium.

A camera does not see it, so it is read from the objects: they rise from a background.
An empty field has none, whatever its aberrations, and then the guess says so.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval._surface_kernels import subtract_surface
from napari_qpm.retrieval.background import (
    BackgroundFit,
    Surface,
    block_heights,
    fit_background,
    fit_wrapped_slopes,
)
from napari_qpm.retrieval.engine import Background, Unwrapping
from napari_qpm.retrieval.unwrapping import UnwrapResult, unwrap

__all__ = ["SignGuess", "infer_sign"]

MIN_CONFIDENCE = 0.2
"""Below this the sign of the phase is a guess worth a warning."""
ORDERS = (2, 4, 6)
"""Backgrounds that are tried, from plain to bent."""
WORTH_AN_ORDER = 1.5
"""How much denser the background must get for a higher order to be believed: an order
that bends into cells makes it denser by less."""
LEAST_NOISE = 0.02
"""Noise [rad] below which a background is not believed."""
OBJECT_BLOCKS = 2.0
"""Width of the smallest objects that are looked for, in blocks of the coarse grid
(a 96th of the field)."""
OUTSTANDING = 0.995
"""Quantile of the field that must stand out: half a percent of it may be one cell."""
NOISE_DETAIL = 45.0
"""Detail over the noise of a block, from which it is an object. Simulated empty fields
with aberrations up to order 6 have 7 to 30, the reference of the HL60 hologram, which
is coherent speckle, 36; real cells have 62 and more, simulated ones 50 and more."""
RESIDUES = (0.01, 0.02)
"""Residues a pixel at which confidence begins to fall, and is lost: there unwrapping
puts cells on levels of its own."""
ROUGH_DENSITY = (0.9, 1.4)
"""Share of the background over its noise [1/rad] at which there is no confidence, and
from which there is all: between crowded cells a fit runs through the cells, and is
rough. The real red cells have 1.42, other real holograms 2.9 and more."""


@dataclass(frozen=True)
class SignGuess:
    """Which sign makes the objects thicker than the medium.

    Parameters
    ----------
    sign
        +1 or -1, to be multiplied into the phase.
    confidence
        0 when objects rise and fall alike, or when there are none; 1 when all go one
        way.
    """

    sign: int
    confidence: float

    @property
    def is_clear(self) -> bool:
        """Whether the objects say it plainly."""
        return self.confidence >= MIN_CONFIDENCE

    def note(self) -> str:
        """Return what the user should know of it."""
        if self.is_clear:
            return (
                f"The sign of the phase was set to {self.sign:+d} so that cells are "
                "thicker than the medium. Correct with phase_sign=… if they are not."
            )
        return (
            f"The sign of the phase ({self.sign:+d}) is a guess: nothing in the field "
            "stands out to one side. Check that cells are bright. Correct with "
            "phase_sign=… if they are dark."
        )


def infer_sign(wrapped: NDArray[np.float32], *, token: CancelToken) -> SignGuess:
    """Return the sign that makes cells thicker than the medium.

    Parameters
    ----------
    wrapped
        ``(N, Y, X)`` wrapped phase [rad] of a few frames.

    Notes
    -----
    Either sign is tried as if it were right, with a background fitted below what stands
    out. Under the right sign nearly all that leaves the background rises above it, and
    the background is dense (a large share of the field, little noise). The background
    is quadratic, or of a higher order where that explains the field far better.

    Confidence falls to zero without detail of the size of objects, well above the
    noise, where no background is flat, and where the phase cannot be unwrapped.
    What it does not see: a few balls whose rims are so steep that a turn is lost
    without a residue look like holes.
    """
    scores, weights = [0.0], [0.0]
    for frame in wrapped:
        token.raise_if_cancelled()
        if np.isfinite(frame).any():
            score, weight = _judge(frame)
            scores.append(score)
            weights.append(weight)
    count = max(len(scores) - 1, 1)
    clear = float(np.dot(scores, weights)) / count
    leaning = clear if clear != 0 else sum(scores)
    return SignGuess(1 if leaning >= 0 else -1, abs(clear))


@dataclass(frozen=True, eq=False)
class _Side:
    """A field as it looks under one sign.

    Parameters
    ----------
    fit
        Background below what rises.
    heights
        Block means above it [rad], the rim left out; 0 where there is no phase.
    floor
        Their noise from block to block [rad].
    """

    fit: BackgroundFit
    heights: NDArray[np.float32]
    floor: float

    @classmethod
    def of(cls, phase: NDArray[np.float32], order: int, curvature: Surface) -> Self:
        """Return the side of an unwrapped phase, some curvature taken out before."""
        fit = fit_background(phase, Background.ZERNIKE, order, removed=curvature)
        heights, floor = block_heights(phase, fit.surface)
        return cls(fit, _inner(heights), floor)

    @property
    def rise(self) -> float:
        """+1 when all that leaves the background rises above it, -1 when it falls."""
        edge = 4 * max(self.fit.noise, LEAST_NOISE)
        above = float(np.maximum(self.heights - edge, 0).sum())
        below = float(np.maximum(-self.heights - edge, 0).sum())
        return (above - below) / (above + below) if above + below > 0 else 0.0

    @property
    def detail(self) -> float:
        """Height of detail of the size of objects, over that of white noise."""
        near, far = OBJECT_BLOCKS, 3 * OBJECT_BLOCKS
        blurred = (scipy.ndimage.gaussian_filter(self.heights, s) for s in (near, far))
        band = np.abs(np.subtract(*blurred))
        # What the difference of two Gaussians leaves of white noise.
        variance = (1 / near**2 + 1 / far**2 - 4 / (near**2 + far**2)) / (4 * np.pi)
        noise = self.floor * np.sqrt(variance) + 1e-9
        return float(np.quantile(band, OUTSTANDING) / noise)


def _judge(frame: NDArray[np.float32]) -> tuple[float, float]:
    """Return from -1 to 1 which sign a wrapped phase speaks for, and its weight."""
    slopes = fit_wrapped_slopes(frame)
    unwrapped = unwrap(subtract_surface(frame, slopes, wrap=True), Unwrapping.AUTO)
    curvature = slopes.curvature()
    up, down = _sides(unwrapped.phase, ORDERS[0], curvature)
    for order in ORDERS[1:]:
        other = _sides(unwrapped.phase, order, curvature)
        density = max(up.fit.density, down.fit.density)
        if max(side.fit.density for side in other) > WORTH_AN_ORDER * density:
            up, down = other
    dense_up, dense_down = up.fit.density, down.fit.density
    score = (up.rise * dense_up - down.rise * dense_down) / (dense_up + dense_down)
    weight = _evidence(up, down) * _trust(unwrapped)
    return score, weight * (1 - _fading(max(dense_up, dense_down), *ROUGH_DENSITY))


def _sides(
    phase: NDArray[np.float32], order: int, curvature: Surface
) -> tuple[_Side, _Side]:
    return _Side.of(phase, order, curvature), _Side.of(-phase, order, -curvature)


def _inner(heights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what is clear of the frame's edge, where filters ring; NaN becomes 0."""
    rim = -(-min(heights.shape) // 8)
    return np.nan_to_num(heights[rim:-rim, rim:-rim])


def _evidence(up: _Side, down: _Side) -> float:
    """Return 1 when the field holds objects, 0 when all may be noise."""
    detail = min(up.detail, down.detail)
    return 1 - _fading(detail, 0.8 * NOISE_DETAIL, 1.2 * NOISE_DETAIL)


def _trust(unwrapped: UnwrapResult) -> float:
    """Return 1 when the levels of cells can be believed, 0 when they cannot."""
    return _fading(unwrapped.n_residues / unwrapped.phase.size, *RESIDUES)


def _fading(value: float, start: float, end: float) -> float:
    """Return 1 up to `start` and 0 from `end` on."""
    return float(np.clip((end - value) / (end - start), 0, 1))
