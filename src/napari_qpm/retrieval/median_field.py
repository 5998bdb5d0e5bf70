"""Whether the median over time of a recording is an empty field, or holds cells.

Only where each place is empty in most frames does the median show no cells. Cells that
stay in it are subtracted from every frame, and most of the mass with them. So a median
is judged by what it does to a few frames: against an empty field nothing is thinner,
and cells stand out as much as they did before.
"""

import weakref
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import HOLDS_CELLS, REFERENCE_STEP, Acquisition
from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.background import CoarseFrame, background_mode
from napari_qpm.retrieval.engine import PhaseEngine

__all__ = ["with_judged_median"]

MOST_BELOW = 0.06
"""What lies below the empty field, over what lies above it, in an empty reference."""
LEAST_LEFT = 0.85
"""What stands out of the field with an empty reference, over what does without it."""
JUDGED_FRAMES = 7
LEAST_RAD, SIGMAS = 0.1, 3.0
"""Height [rad] and multiple of the noise from which on something stands out."""
KEPT_VERDICTS = 8


def with_judged_median(
    engine: PhaseEngine, acquisition: Acquisition, token: CancelToken
) -> Acquisition:
    """Return the acquisition, with a note if its reference is a median with cells.

    A recording with any other reference, or without one, comes back as it is, and
    nothing is computed.

    Parameters
    ----------
    engine
        Retrieves seven frames of the recording with the median and without.
    acquisition
        Resolved for the engine.
    """
    steps = [step for step in acquisition.history if step.name == REFERENCE_STEP]
    if acquisition.reference is None or not steps:
        return acquisition
    taken = steps[-1]
    if "median" not in taken.parameters or HOLDS_CELLS in taken.parameters:
        return acquisition
    holds_cells = _VERDICTS.of(engine, acquisition, token)
    told = replace(taken, parameters={**taken.parameters, HOLDS_CELLS: holds_cells})
    history = tuple(told if step is taken else step for step in acquisition.history)
    judged = acquisition.replace(history=history)
    return judged.with_note(_HOLDS_CELLS_NOTE if holds_cells else _EMPTY_NOTE)


_HOLDS_CELLS_NOTE = (
    "The reference frame holds cells: they do not move enough for the temporal median, "
    "which takes them off every frame. Mass is relative. Choose a frame of an empty "
    "field, or no reference."
)
_EMPTY_NOTE = (
    "The reference frame is not seen to hold cells: with the temporal median little "
    "lies below the empty field, and cells stand out about as much as without it. Up "
    "to 10 % of the mass went into such medians in simulations."
)


def _holds_cells(
    engine: PhaseEngine, acquisition: Acquisition, token: CancelToken
) -> bool:
    """Return whether frames look as if cells had been taken off them."""
    bare = acquisition.replace(reference=None)
    times = np.linspace(0, acquisition.n_frames - 1, JUDGED_FRAMES).round()
    below, above, before = 0.0, 0.0, 0.0
    for t in sorted(set(times.astype(int).tolist())):
        token.raise_if_cancelled()
        frame = acquisition.read(t)[None]
        try:
            without = engine.retrieve(frame, bare, token).read(0)
            with_median = engine.retrieve(frame, acquisition, token).read(0)
        except JobCancelled:
            raise
        except QPMError:
            continue
        if np.isfinite(without).any() and np.isfinite(with_median).any():
            before += _standing_out(without)[1]
            down, up = _standing_out(with_median)
            below, above = below + down, above + up
    return below > MOST_BELOW * above or above < LEAST_LEFT * before


def _standing_out(phase: NDArray[np.float32]) -> tuple[float, float]:
    """Return what lies below and above the empty field [rad], mean over the frame."""
    values = CoarseFrame.of(phase).values
    values = values[np.isfinite(values)]
    level, noise = background_mode(values)
    height, least = values - level, max(SIGMAS * noise, LEAST_RAD)
    below = -height[height < -least].sum(dtype=np.float64)
    above = height[height > least].sum(dtype=np.float64)
    return float(below / values.size), float(above / values.size)


class _Verdicts:
    """The last verdicts: a slider that changes settings need not wait for them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], tuple[weakref.ref[Any], bool]] = {}

    def of(
        self, engine: PhaseEngine, acquisition: Acquisition, token: CancelToken
    ) -> bool:
        """Return whether the median of a recording holds cells, for an engine."""
        median = acquisition.reference
        key = id(median), engine.name
        known = self._kept.get(key)
        # Another array can have the number of one that is gone.
        if known is not None and known[0]() is median:
            return known[1]
        verdict = _holds_cells(engine, acquisition, token)
        self._kept[key] = weakref.ref(median), verdict
        while len(self._kept) > KEPT_VERDICTS:
            self._kept.pop(next(iter(self._kept)), None)
        return verdict


_VERDICTS = _Verdicts()
