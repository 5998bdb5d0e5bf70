"""How far two phases of one frame agree, for example a network's and the classical one.

Neither is the truth: where they differ, the checks tell which one explains the frame.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import PhaseMap
from napari_qpm.checks.background_check import find_field
from napari_qpm.errors import LayoutError

__all__ = ["Agreement", "compare_phases", "phase_at"]

INSIDE_SIGMAS = 4.0
LEAST_INSIDE_RAD = 0.3
"""Phase above the empty field from which a pixel counts as inside a cell."""
MARGIN_SHARE = 1 / 32
"""Edge of the frame that is left out: filters ring there, each in its own way."""
LEAST_PIXELS = 16

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How far one phase is from another, frame edge left out.

    Parameters
    ----------
    difference
        ``(Y, X)`` one minus the other [rad], piston removed, on the grid of the one.
    piston_rad
        What was removed: the median difference outside the cells of the other.
    rms_rad, correlation
        Over the frame.
    inside_rms_rad
        Inside the cells of the other; NaN where it shows none.
    inside_correlation
        The same for the correlation.
    inside_share
        Share of the frame that lies inside cells.
    """

    difference: FloatImage
    piston_rad: float
    rms_rad: float
    correlation: float
    inside_rms_rad: float
    inside_correlation: float
    inside_share: float

    def describe(self) -> str:
        """Return the agreement in a sentence or two."""
        text = f"They differ by {self.rms_rad:.2f} rad rms"
        if np.isfinite(self.inside_rms_rad):
            text += f", {self.inside_rms_rad:.2f} rad inside cells"
        if np.isfinite(self.correlation):
            text += f"; their correlation is {self.correlation:.2f}"
        text += "."
        if abs(self.piston_rad) >= 0.005:
            text += f" A level of {self.piston_rad:+.2f} rad was taken out first."
        return text

    def to_dict(self) -> dict[str, float | None]:
        """Return the numbers as JSON holds them; what is not a number is None."""
        names = (
            "piston_rad",
            "rms_rad",
            "correlation",
            "inside_rms_rad",
            "inside_correlation",
            "inside_share",
        )
        values = {name: float(getattr(self, name)) for name in names}
        return {n: v if np.isfinite(v) else None for n, v in values.items()}


def compare_phases(one: PhaseMap, other: PhaseMap, t: int = 0) -> Agreement:
    """Return how far frame `t` of one phase is from that of another.

    Parameters
    ----------
    one
        The phase in question.
    other
        Phase of the same field that it is compared with, on any grid. What it shows
        above its empty field counts as cells.
    t
        Number of the frame in both.

    Raises
    ------
    LayoutError
        The two do not cover the same field.
    """
    image = one.read(t)
    reference = phase_at(other, t, image.shape, one.grid_scale)
    inside = _inside(reference)
    judged = np.isfinite(image) & np.isfinite(reference) & _within(image.shape)
    difference = image - reference
    outside = judged & ~inside
    level = outside if outside.sum() >= LEAST_PIXELS else judged
    piston = float(np.median(difference[level])) if level.any() else float("nan")
    difference -= np.float32(piston)
    cells = judged & inside
    rms, correlation = _figures(image, reference, difference, judged)
    inside_rms, inside_correlation = _figures(image, reference, difference, cells)
    return Agreement(
        difference=difference,
        piston_rad=piston,
        rms_rad=rms,
        correlation=correlation,
        inside_rms_rad=inside_rms,
        inside_correlation=inside_correlation,
        inside_share=float(cells.sum() / max(judged.sum(), 1)),
    )


def phase_at(
    phase_map: PhaseMap, t: int, shape: tuple[int, ...], scale: tuple[float, float]
) -> FloatImage:
    """Return frame `t` of an unwrapped phase [rad] on another grid of the same field.

    Parameters
    ----------
    phase_map
        Any grid.
    t
        Number of the frame.
    shape, scale
        ``(Y, X)`` of the wanted grid and its raw pixels per pixel.

    Raises
    ------
    LayoutError
        The wanted grid reaches beyond the field.
    """
    image = phase_map.read(t)
    rows, columns = (
        np.arange(n) * s / own
        for n, s, own in zip(shape, scale, phase_map.grid_scale, strict=True)
    )
    for positions, length in zip((rows, columns), image.shape, strict=True):
        if positions[-1] > length + 1:
            raise LayoutError(
                "The two phases do not cover the same field: one is "
                f"{tuple(shape)} pixels of {scale[0]:.2f} raw pixels, the other "
                f"{image.shape} of {phase_map.grid_scale[0]:.2f}."
            )
    if image.shape == tuple(shape) and np.allclose(scale, phase_map.grid_scale):
        return image
    grid = np.meshgrid(rows, columns, indexing="ij")
    moved: Any = ndimage.map_coordinates(image, grid, order=1, mode="nearest")
    return np.asarray(moved, np.float32)


def _inside(reference: FloatImage) -> NDArray[np.bool_]:
    """Return where a phase ``(Y, X)`` stands above its empty field."""
    field = find_field(reference)
    if not np.isfinite(field.level_rad):
        return np.zeros(reference.shape, bool)
    edge = max(LEAST_INSIDE_RAD, INSIDE_SIGMAS * field.noise_rad)
    return np.asarray(np.nan_to_num(reference - field.level_rad) > edge)


def _within(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the frame ``(Y, X)`` without its edge."""
    margin = int(np.ceil(MARGIN_SHARE * min(shape)))
    within = np.zeros(shape, bool)
    within[margin : shape[0] - margin, margin : shape[1] - margin] = True
    return within


def _figures(
    image: FloatImage,
    reference: FloatImage,
    difference: FloatImage,
    where: NDArray[np.bool_],
) -> tuple[float, float]:
    """Return rms of the difference and correlation of the two over some pixels."""
    if where.sum() < LEAST_PIXELS:
        return float("nan"), float("nan")
    rms = float(np.sqrt(np.mean(difference[where].astype(np.float64) ** 2)))
    pair = np.stack([image[where], reference[where]]).astype(np.float64)
    if not (pair.std(axis=1) > 0).all():
        return rms, float("nan")
    one, other = pair - pair.mean(axis=1, keepdims=True)
    return rms, float(np.sum(one * other) / np.sqrt(np.sum(one**2) * np.sum(other**2)))
