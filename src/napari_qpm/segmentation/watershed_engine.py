"""Classical segmentation: a threshold above the background, then a watershed.

Touching cells are parted by phase and shape together: the landscape that is flooded is
the blob response of the phase at the size of the cells plus the distance to the edge.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from napari_qpm.acquisition import PhaseMap
from napari_qpm.jobs import CancelToken
from napari_qpm.parameters import Parameters
from napari_qpm.segmentation._hills import part_hills
from napari_qpm.segmentation._level_kernels import block_means, kept_pieces, piece_areas
from napari_qpm.segmentation.background_level import background_level
from napari_qpm.segmentation.cell_scale import (
    blob_response,
    typical_diameter,
)

__all__ = ["WatershedEngine", "WatershedParameters", "cell_diameter_px"]

_UNIT_HINT = "In um when the pixel size is known, else in pixels."
_SMOOTHING_PX = 1.3
_RESPONSE_SIGMA_PER_DIAMETER = 0.25
_DISTANCE_WEIGHT = 0.3
_LEAST_AREA_SHARE = 0.1
_LARGEST_HOLE_SHARE = 0.25
_FAINT_CELL = 0.6
_ENOUGH_PX_PER_DIAMETER = 24
"""Pixels across a cell that place the lines between touching cells; large cells are
parted on a coarser grid. Their outlines stay on the full one."""


class WatershedParameters(Parameters):
    """What the threshold and the watershed can be told."""

    cell_diameter: float | None = Field(
        None,
        gt=0,
        le=10_000,
        title="Cell diameter",
        description="Typical diameter of one cell; it sets where touching cells are "
        f"parted. {_UNIT_HINT} Empty: estimated in each frame.",
    )
    threshold: float | None = Field(
        None,
        title="Threshold",
        description="Height above the background level from which a pixel belongs to a "
        "cell, in the unit of the phase image. Empty: from the noise of the background "
        "and the height of the cells.",
    )
    noise_factor: float = Field(
        4.5,
        ge=1,
        le=100,
        title="Noise factor",
        description="The automatic threshold is at least this many standard deviations "
        "of the background. Higher values find fewer faint edges.",
    )
    edge_fraction: float = Field(
        0.1,
        ge=0,
        le=0.9,
        title="Edge fraction",
        description="The automatic threshold is at least this share of the typical "
        "height of the cells. Higher values draw tighter outlines.",
    )
    peak_factor: float = Field(
        12.0,
        ge=1,
        le=1000,
        title="Peak factor",
        description="A cell must rise somewhere to this many standard deviations of "
        "the background, else it is taken for noise. Beside such cells, others of more "
        "than half their height count as well.",
    )
    separation: float = Field(
        0.15,
        ge=0,
        le=5,
        title="Separation",
        description="Depth of the valley between two cells, relative to the variation "
        "inside cells. Higher values part fewer cells, 0 parts at every ripple.",
    )
    minimum_area: float | None = Field(
        None,
        ge=0,
        title="Minimum area",
        description="Smaller objects are dropped. In um^2 when the pixel size is "
        "known, else in pixels. Empty: a tenth of the area of a typical cell.",
    )
    smoothing: float | None = Field(
        None,
        ge=0,
        le=1000,
        title="Smoothing",
        description="Standard deviation of the Gaussian smoothing before the "
        f"threshold. {_UNIT_HINT} Empty: 1.3 pixels.",
    )
    fill_holes: bool = Field(
        True,
        title="Fill holes",
        description="Fill holes in cells up to a quarter of a typical cell's area; "
        "larger ones are gaps between cells.",
    )


@dataclass(frozen=True)
class _Foreground:
    """Frame without background: smoothed height, and where cells are."""

    height: NDArray[np.float32]
    mask: NDArray[np.bool_]


class WatershedEngine:
    """Finds what rises above the background and parts touching cells at their valleys.

    Parameters
    ----------
    parameters
        See `WatershedParameters`; the defaults suit most recordings.
    """

    name: ClassVar[str] = "watershed"
    title: ClassVar[str] = "Threshold and watershed"
    Parameters: ClassVar[type[WatershedParameters]] = WatershedParameters
    companions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: WatershedParameters | None = None):
        self.parameters = parameters or WatershedParameters()

    def segment(self, phase_map: PhaseMap, token: CancelToken) -> NDArray[np.int32]:
        """Return labels ``(N, Y, X)`` of frames in memory; 0 is background.

        Pixels that are not finite are background.
        """
        pixel = phase_map.pixel_size_um
        pixel_um = 1.0 if pixel is None else math.sqrt(pixel[0] * pixel[1])
        labels = np.zeros(phase_map.shape, np.int32)
        for t in range(phase_map.n_frames):
            token.raise_if_cancelled()
            labels[t] = self._segment_frame(phase_map.read(t), pixel_um, token)
        return labels

    def second_opinion(self) -> "WatershedEngine":
        """Return an engine that parts fewer cells and draws tighter outlines.

        Frames in which that changes much are those in which the cells are wrong most
        often: on 25 simulated fields the two go together with a rank correlation of
        0.7.
        """
        chosen = self.parameters
        changes: dict[str, float] = {
            "separation": min(2 * chosen.separation, 5.0),
            "edge_fraction": min(2 * chosen.edge_fraction, 0.9),
        }
        if chosen.threshold is not None:
            changes["threshold"] = 1.5 * chosen.threshold
        return WatershedEngine(chosen.model_copy(update=changes))

    def _segment_frame(
        self, phase: NDArray[np.float32], pixel_um: float, token: CancelToken
    ) -> NDArray[np.int32]:
        chosen = self.parameters
        foreground = self._foreground(phase, pixel_um)
        if not foreground.mask.any():
            return np.zeros(phase.shape, np.int32)
        # Within frames as well: a preview of a large one is given up at once.
        token.raise_if_cancelled()
        # The root evens out thin and thick cells, as scores on real ones showed.
        root = np.sqrt(np.maximum(foreground.height, 0))
        if chosen.cell_diameter is None:
            diameter = typical_diameter(root, foreground.mask)
        else:
            diameter = chosen.cell_diameter / pixel_um
        token.raise_if_cancelled()
        cell_area = math.pi * diameter**2 / 4
        if chosen.minimum_area is None:
            least_area = _LEAST_AREA_SHARE * cell_area
        else:
            least_area = chosen.minimum_area / pixel_um**2
        mask = foreground.mask
        if chosen.fill_holes:
            mask = _without_holes(mask, _LARGEST_HOLE_SHARE * cell_area)
        mask = _without_small(mask, least_area)
        if not mask.any():
            return np.zeros(phase.shape, np.int32)
        token.raise_if_cancelled()
        step = max(1, int(diameter / _ENOUGH_PX_PER_DIAMETER))
        if step > 1 and min(phase.shape) >= step:
            return _part_coarsely(
                root, mask, diameter, chosen.separation, least_area, step
            )
        landscape = _landscape(root, mask, diameter)
        return part_hills(landscape, mask, chosen.separation, least_area)

    def _foreground(self, phase: NDArray[np.float32], pixel_um: float) -> _Foreground:
        chosen = self.parameters
        sigma = (
            _SMOOTHING_PX if chosen.smoothing is None else chosen.smoothing / pixel_um
        )
        valid = np.isfinite(phase)
        smooth = _smooth(phase, valid, sigma)
        background = background_level(smooth)
        height = np.where(valid, smooth - np.float32(background.level), 0)
        peak = chosen.peak_factor * background.noise
        if chosen.threshold is None:
            clear = height > peak
            typical = float(np.median(height[clear])) if clear.any() else 0.0
            if clear.any():
                # Beside clear cells, those of half their height are cells too.
                half = _FAINT_CELL * typical
                peak = min(peak, max(half, peak / 2))
            edge = max(
                chosen.noise_factor * background.noise, chosen.edge_fraction * typical
            )
        else:
            edge = chosen.threshold
        return _Foreground(height, _hysteresis(height, valid, edge, max(edge, peak)))


def cell_diameter_px(phase: NDArray[np.float32]) -> float | None:
    """Return the typical diameter [px] of the cells in a frame ``(Y, X)``.

    None where nothing rises above the background.
    """
    foreground = WatershedEngine()._foreground(phase, 1.0)
    if not foreground.mask.any():
        return None
    root = np.sqrt(np.maximum(foreground.height, 0))
    return typical_diameter(root, foreground.mask)


def _smooth(
    phase: NDArray[np.float32], valid: NDArray[np.bool_], sigma: float
) -> NDArray[np.float32]:
    """Return the phase smoothed over valid pixels only; NaN where it is not valid."""
    if valid.all():
        smooth: NDArray[np.float32] = ndimage.gaussian_filter(phase, sigma)
        return smooth
    weight = ndimage.gaussian_filter(valid.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(valid, phase, np.float32(0)), sigma)
    return np.where(valid, total / np.where(valid, weight, 1), np.float32(np.nan))


def _hysteresis(
    height: NDArray[np.float32], valid: NDArray[np.bool_], edge: float, peak: float
) -> NDArray[np.bool_]:
    """Return what exceeds `edge`, in pieces that somewhere exceed `peak`."""
    pieces, n_pieces = ndimage.label((height > edge) & valid)
    kept = np.zeros(n_pieces + 1, bool)
    kept[pieces[(height > peak) & valid]] = True
    kept[0] = False
    mask: NDArray[np.bool_] = kept_pieces(pieces, kept)
    return mask


def _without_small(mask: NDArray[np.bool_], least_area: float) -> NDArray[np.bool_]:
    pieces, n_pieces = ndimage.label(mask)
    kept = piece_areas(pieces, n_pieces) >= least_area
    kept[0] = False
    large: NDArray[np.bool_] = kept_pieces(pieces, kept)
    return large


def _without_holes(mask: NDArray[np.bool_], largest_hole: float) -> NDArray[np.bool_]:
    """Fill holes up to an area; what reaches the border is no hole."""
    gaps, n_gaps = ndimage.label(~mask)
    filled = piece_areas(gaps, n_gaps) <= largest_hole
    border = np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]])
    filled[border] = False
    # Number 0 is the mask itself.
    filled[0] = True
    closed: NDArray[np.bool_] = kept_pieces(gaps, filled)
    return closed


def _part_coarsely(
    root: NDArray[np.float32],
    mask: NDArray[np.bool_],
    diameter: float,
    separation: float,
    least_area: float,
    step: int,
) -> NDArray[np.int32]:
    """Return labels of a mask whose cells are parted on a grid coarser by `step`."""
    rows, columns = (-(-size // step) for size in mask.shape)
    after = [
        (0, n * step - size)
        for n, size in zip((rows, columns), mask.shape, strict=True)
    ]
    share = block_means(np.pad(mask, after), step)
    hills = block_means(np.pad(root, after, mode="edge"), step)
    landscape = _landscape(hills, share >= 0.5, diameter / step)
    # Every block that holds a pixel of the mask, so that none is left without label
    # and no label without pixel.
    labels = part_hills(landscape, share > 0, separation, least_area / step**2)
    fine = labels.repeat(step, axis=0).repeat(step, axis=1)
    parted: NDArray[np.int32] = fine[: mask.shape[0], : mask.shape[1]] * mask
    return parted


def _landscape(
    root: NDArray[np.float32], mask: NDArray[np.bool_], diameter: float
) -> NDArray[np.float32]:
    """Return hills with one summit a cell: blob response plus distance to the edge."""
    response = blob_response(root, max(_RESPONSE_SIGMA_PER_DIAMETER * diameter, 0.5))
    spread = float(response[mask].std())
    distance = ndimage.gaussian_filter(
        ndimage.distance_transform_edt(mask).astype(np.float32), 1.0
    )
    landscape = response / max(spread, 1e-12) + _DISTANCE_WEIGHT * distance / (
        diameter / 2
    )
    return np.asarray(landscape, dtype=np.float32)
