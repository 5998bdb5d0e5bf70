"""Orders of polarizer angles: how they lie in a frame, and how two of them compare."""

import itertools
from enum import StrEnum

from napari_qpm.instrument import Instrument, ReferenceWave

__all__ = [
    "ALL_ORDERS",
    "COMMON_ORDERS",
    "Layout",
    "Relation",
    "order_in_frame",
    "order_on_sensor",
    "relation_of",
]

Layout = tuple[int, int, int, int]

COMMON_ORDERS: tuple[Layout, ...] = (
    (90, 45, 135, 0),
    (45, 90, 0, 135),
    (135, 0, 90, 45),
    (0, 135, 45, 90),
    (0, 45, 90, 135),
)
"""A Sony cell, and the same sensor cropped at an odd column, row, or both; separate
images usually come in the last order."""

ALL_ORDERS: tuple[Layout, ...] = (
    *COMMON_ORDERS,
    *(
        (a, b, c, d)
        for a, b, c, d in itertools.permutations((0, 45, 90, 135))
        if (a, b, c, d) not in COMMON_ORDERS
    ),
)
"""All 24, those that cameras have first."""


class Relation(StrEnum):
    """What another order does to the phase."""

    SAME_ORDER = "chosen"
    """It is the same order."""
    SAME_PHASE = "same phase"
    """All angles are turned by the same: a constant, which the background removes."""
    OPPOSITE = "opposite sign"
    """Angles are counted the other way round."""
    DIFFERENT = "another phase"
    """Other angles are opposite."""


def relation_of(order: Layout, chosen: Layout, wave: ReferenceWave | None) -> Relation:
    """Return what `order` does to the phase that `chosen` gives.

    Parameters
    ----------
    wave
        Where only the undiffracted light is shifted, the constant matters, too.
    """
    if order == chosen:
        return Relation.SAME_ORDER
    pairs = list(zip(order, chosen, strict=True))
    if wave is not ReferenceWave.UNSCATTERED:
        if len({(a - b) % 180 for a, b in pairs}) == 1:
            return Relation.SAME_PHASE
        if len({(a + b) % 180 for a, b in pairs}) == 1:
            return Relation.OPPOSITE
    return Relation.DIFFERENT


def order_in_frame(instrument: Instrument, n_channels: int) -> Layout | None:
    """Return the angles of a frame's first 2x2 pixels, or of its four images."""
    order = instrument.polarization_layout
    return None if order is None else _moved(order, instrument, n_channels)


def order_on_sensor(order: Layout, instrument: Instrument, n_channels: int) -> Layout:
    """Return the `Instrument.polarization_layout` that puts `order` into the frame."""
    return _moved(order, instrument, n_channels)


def _moved(order: Layout, instrument: Instrument, n_channels: int) -> Layout:
    """Return an order as it is after, or before, an odd crop; twice is no change."""
    a, b, c, d = order
    if n_channels != 1:
        return order
    y, x = instrument.roi_offset_px
    if y % 2:
        a, b, c, d = c, d, a, b
    if x % 2:
        a, b, c, d = b, a, d, c
    return a, b, c, d
