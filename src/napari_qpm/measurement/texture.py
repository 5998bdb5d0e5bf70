"""Optional columns on the texture of the phase inside cells."""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.measurement.cells import Cells

__all__ = ["glcm_columns", "gradient_columns"]

_LEVELS = 32
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


def gradient_columns(
    opd_nm: NDArray[np.floating], cells: Cells, pixel_um: tuple[float, float]
) -> dict[str, NDArray[np.float64]]:
    """Return mean and standard deviation of the slope of the OPD [nm/um] in cells."""
    if min(opd_nm.shape) < 2:
        slope = np.full(opd_nm.shape, np.nan)
    else:
        rise_y, rise_x = np.gradient(opd_nm.astype(np.float64), *pixel_um)
        slope = np.hypot(rise_y, rise_x)
    mean, deviation, _ = cells.statistics(slope)
    return {"opd_gradient_mean_nm_um": mean, "opd_gradient_std_nm_um": deviation}


def glcm_columns(
    values: NDArray[np.floating], cells: Cells
) -> dict[str, NDArray[np.float64]]:
    """Return grey-level co-occurrence features of each cell (Haralick 1973).

    The values of a cell are divided into 32 levels from its lowest to its highest;
    pairs are neighbours in four directions, both inside the cell, counted both ways.
    NaN for cells without a pair; the correlation of a uniform cell is 1.
    """
    count = cells.count
    levels = _levels(values, cells)
    table = np.zeros((count, _LEVELS, _LEVELS))
    for dy, dx in _STEPS:
        here, there = _shifted(dy, dx)
        first, second = levels[here], levels[there]
        pair = (cells.numbers[here] == cells.numbers[there]) & (first >= 0)
        pair &= second >= 0
        index = cells.numbers[here][pair].astype(np.int64) - 1
        flat = (index * _LEVELS + first[pair]) * _LEVELS + second[pair]
        table += np.bincount(flat, minlength=table.size).reshape(table.shape)
    table = table + table.transpose(0, 2, 1)
    total = table.sum(axis=(1, 2))
    total[total == 0] = np.nan
    return _features(table / total[:, None, None])


def _features(share: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the features of ``(cells, level, level)`` shares that sum to 1."""
    level = np.arange(_LEVELS, dtype=float)
    apart = (level[:, None] - level[None]) ** 2
    mean = (share.sum(axis=2) * level).sum(axis=1)
    centred = level[None] - mean[:, None]
    variance = (share.sum(axis=2) * centred**2).sum(axis=1)
    covariance = (share * centred[:, :, None] * centred[:, None, :]).sum(axis=(1, 2))
    uniform = variance == 0
    bits = np.where(share > 0, -np.log2(np.where(share > 0, share, 1)), 0)
    bits[np.isnan(share)] = np.nan
    return {
        "glcm_contrast": (share * apart).sum(axis=(1, 2)),
        "glcm_homogeneity": (share / (1 + apart)).sum(axis=(1, 2)),
        "glcm_energy": np.sqrt((share**2).sum(axis=(1, 2))),
        "glcm_correlation": np.where(
            uniform, 1.0, covariance / np.where(uniform, 1, variance)
        ),
        "glcm_entropy": (share * bits).sum(axis=(1, 2)),
    }


def _levels(values: NDArray[np.floating], cells: Cells) -> NDArray[np.int64]:
    """Return the level 0 … 31 of each pixel within its cell; -1 where there is none."""
    used = (cells.numbers > 0) & np.isfinite(values)
    index, pixels = cells.numbers[used] - 1, values[used].astype(np.float64)
    low, high = np.full(cells.count, np.inf), np.full(cells.count, -np.inf)
    np.minimum.at(low, index, pixels)
    np.maximum.at(high, index, pixels)
    span = high[index] - low[index]
    scaled = (pixels - low[index]) / np.where(span > 0, span, 1) * _LEVELS
    levels = np.full(values.shape, -1, np.int64)
    levels[used] = np.minimum(scaled.astype(np.int64), _LEVELS - 1)
    return levels


def _shifted(dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the two windows that pair each pixel with the one `dy`, `dx` further."""
    rows = slice(None, -dy or None), slice(dy, None)
    if dx >= 0:
        columns = slice(None, -dx or None), slice(dx, None)
    else:
        columns = slice(-dx, None), slice(None, dx)
    return (rows[0], columns[0]), (rows[1], columns[1])
