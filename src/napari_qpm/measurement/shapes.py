"""Shape of the cells: position, size and form.

A pixel may be a little wider than high (below 0.5 % in practice). Areas use its exact
area; lengths and ratios are taken on the pixel grid and scaled by the geometric mean of
its sides, so a ratio is wrong by at most that anisotropy.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from napari_qpm.measurement.cells import Cells

__all__ = ["shape_columns"]

_PROPERTIES = (
    "centroid",
    "area",
    "perimeter_crofton",
    "eccentricity",
    "solidity",
    "axis_major_length",
    "axis_minor_length",
)


def shape_columns(
    cells: Cells, pixel_um: tuple[float, float] | None
) -> dict[str, NDArray[Any]]:
    """Return the shape columns of the cells of one frame.

    Perimeters follow the Crofton formula over four directions, which is unbiased for
    smooth outlines on a grid; ``circularity = 4 pi A / P^2``, NaN for single pixels.
    Lengths in um are left out when the pixel size is unknown.
    """
    found = regionprops_table(cells.numbers, properties=_PROPERTIES)
    y, x = (np.asarray(found[f"centroid-{axis}"], float) for axis in (0, 1))
    area = np.asarray(found["area"], float)
    perimeter = np.asarray(found["perimeter_crofton"], float)
    perimeter[area <= 1] = np.nan
    columns: dict[str, NDArray[Any]] = {
        "centroid_y_px": y,
        "centroid_x_px": x,
        "area_px": area.astype(np.int64),
        "circularity": 4 * math.pi * area / perimeter**2,
        "eccentricity": np.asarray(found["eccentricity"], float),
        "solidity": np.asarray(found["solidity"], float),
        "aspect_ratio": _aspect_ratio(
            found["axis_major_length"], found["axis_minor_length"]
        ),
    }
    if pixel_um is None:
        return columns
    area_um2 = pixel_um[0] * pixel_um[1]
    return columns | {
        "centroid_y_um": y * pixel_um[0],
        "centroid_x_um": x * pixel_um[1],
        "area_um2": area * area_um2,
        "perimeter_um": perimeter * math.sqrt(area_um2),
        "equivalent_diameter_um": np.sqrt(4 * area * area_um2 / math.pi),
    }


def _aspect_ratio(
    major: NDArray[np.floating], minor: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return major over minor axis; a pixel's own extent keeps thin cells finite."""
    own = 16 / 12
    ratio: NDArray[np.float64] = np.sqrt((major**2 + own) / (minor**2 + own))
    return ratio
