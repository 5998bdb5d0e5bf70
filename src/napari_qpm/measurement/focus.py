"""Columns of refocused recordings: which plane each frame and each cell is shown in."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap
from napari_qpm.measurement.cells import Cells
from napari_qpm.measurement.columns import Need

__all__ = ["focus_columns", "focus_needs"]

REACH = 2.0
"""A focus belongs to a cell when it was found within so many radii of its middle."""


def focus_needs(phase_map: PhaseMap) -> frozenset[Need]:
    """Return which columns of focus a phase has, by how it was retrieved."""
    steps = _retrieval(phase_map)
    if not (steps.get("refocus_um") or _autofocus(steps) != "off"):
        return frozenset()
    if _autofocus(steps) == "cells":
        return frozenset({Need.FOCUS, Need.CELL_FOCUS})
    return frozenset({Need.FOCUS})


def focus_columns(
    phase_map: PhaseMap, notes: Mapping[str, Any], cells: Cells
) -> dict[str, NDArray[np.float64]]:
    """Return the focus of the frame and of each cell [um], NaN where none is known.

    Parameters
    ----------
    phase_map
        Says how it was retrieved.
    notes
        What was found when this frame was retrieved: ``focus_um``, and
        ``cell_focus_um`` as ``[y, x, distance]`` in pixels of the phase.
    cells
        Of this frame. Cells that touch have the focus of all of them.
    """
    steps = _retrieval(phase_map)
    stated = steps.get("refocus_um", 0.0) if _autofocus(steps) == "off" else math.nan
    frame = float(notes.get("focus_um", stated))
    own = np.full(cells.count, np.nan)
    found = np.array(notes.get("cell_focus_um") or [], float).reshape(-1, 3)
    if len(found) and cells.count:
        middles, radii = _places(cells)
        apart = np.linalg.norm(middles[:, None] - found[None, :, :2], axis=-1)
        nearest = apart.argmin(axis=1)
        near = apart[np.arange(cells.count), nearest] <= REACH * radii
        own[near] = found[nearest[near], 2]
    return {"focus_um": np.full(cells.count, frame), "cell_focus_um": own}


def _places(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middles ``(n, 2)`` and radii ``(n,)`` of cells [pixels]."""
    rows, columns = np.nonzero(cells.numbers)
    number = cells.numbers[rows, columns] - 1
    pixels = np.bincount(number, minlength=cells.count)
    middles = [np.bincount(number, at, cells.count) / pixels for at in (rows, columns)]
    return np.stack(middles, axis=-1), np.sqrt(pixels / np.pi)


def _retrieval(phase_map: PhaseMap) -> Mapping[str, Any]:
    """Return the parameters that the phase was retrieved with; none if not known."""
    steps = [step.parameters for step in phase_map.history if step.name == "retrieve"]
    return steps[-1] if steps else {}


def _autofocus(steps: Mapping[str, Any]) -> str:
    return str(steps.get("autofocus", "off"))
