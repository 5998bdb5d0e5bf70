"""Each cell in its own focus: one field put together of several planes.

Cells are what differs from the even field around it. Each is searched and moved in a
window of its own, and blended into the field where that is even again; cells that touch
are one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.propagator import Field2D, Propagator, find_focus

__all__ = ["CellFocus", "focus_cells"]

LEAST_CHANGE = 0.3
"""Change of the field, over the field around, that counts as a cell; nearly rad."""
BLUR_PX = 2.0
LEAST_PX = 60
LEAST_MARGIN_PX = 16


@dataclass(frozen=True)
class CellFocus:
    """A cell and the distance to its focus.

    Parameters
    ----------
    y, x
        Its middle, in pixels of the field.
    distance_um
        Along the light, from the plane of the given field.
    """

    y: float
    x: float
    distance_um: float


def focus_cells(
    field: Field2D, propagator: Propagator, range_um: float, token: CancelToken
) -> tuple[Field2D, list[CellFocus]]:
    """Return the field with every cell in focus, and how far each was from it.

    Parameters
    ----------
    field
        Complex ``(Y, X)`` without its background, near the focus of most cells.
    propagator
        For fields of this shape.
    range_um
        How far to both sides each cell is searched. One that shows no focus in
        between stays as it is.
    token
        To cancel.
    """
    composite, foci = field.copy(), []
    labels, _ = scipy.ndimage.label(_cells(field))
    for number, box in enumerate(scipy.ndimage.find_objects(labels), 1):
        mask = labels[box] == number
        if np.count_nonzero(mask) < LEAST_PX:
            continue
        margin = max(LEAST_MARGIN_PX, max(mask.shape) // 2)
        window = tuple(
            slice(max(0, side.start - margin), min(n, side.stop + margin))
            for side, n in zip(box, field.shape, strict=True)
        )
        cut = field[window]
        own = propagator.of_shape((cut.shape[0], cut.shape[1]))
        distance = find_focus(cut, own, 0.0, range_um, token)
        if abs(distance) > 0.98 * range_um:
            distance = 0.0
        weight = _weight(labels[window] == number, margin)
        moved = own.at(own.spectrum(cut), distance)
        composite[window] += weight * (moved - composite[window])
        middle = scipy.ndimage.center_of_mass(mask)
        y, x = (side.start + at for side, at in zip(box, middle, strict=True))
        foci.append(CellFocus(float(y), float(x), distance))
    return composite, foci


def _cells(field: Field2D) -> NDArray[np.bool_]:
    """Return where a field differs from the even field around."""
    level = np.median(field.real) + 1j * np.median(field.imag)
    change = np.abs(field - level) / max(float(abs(level)), 1e-12)
    even = scipy.ndimage.gaussian_filter(change.astype(np.float32), BLUR_PX)
    # A phase of a whole turn looks like none.
    filled: NDArray[np.bool_] = scipy.ndimage.binary_fill_holes(even > LEAST_CHANGE)
    return filled


def _weight(mask: NDArray[np.bool_], margin: int) -> NDArray[Any]:
    """Return 1 in a cell and around it, 0 at the edge of its window."""
    away = scipy.ndimage.distance_transform_edt(~mask)
    share = np.clip((away - margin / 3) / (margin / 2), 0, 1)
    return np.asarray(np.cos(np.pi / 2 * share) ** 2, np.float32)
