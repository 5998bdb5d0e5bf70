"""From wrapped phase to phase above an empty background, the same for every engine.

Order per frame: take out tilt and curvature found in the wrapped phase (fewer wraps to
undo), unwrap, fit the wanted background outside the cells, subtract. The empty field
ends at 0 rad, which also settles the 2 pi level of a frame on its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval._surface_kernels import scratch, subtract_surface
from napari_qpm.retrieval.background import (
    Surface,
    fit_background,
    fit_wrapped_slopes,
)
from napari_qpm.retrieval.engine import (
    Background,
    BackgroundParameters,
    PhaseParameters,
)
from napari_qpm.retrieval.unwrapping import unwrap

__all__ = ["Finished", "finish_phase", "flatten"]


@dataclass(frozen=True)
class Finished:
    """Unwrapped, background-free phase.

    Parameters
    ----------
    phase
        ``(N, Y, X)`` [rad].
    notes
        One dictionary a frame: unwrapping, residues, background share and noise.
    """

    phase: NDArray[np.float32]
    notes: tuple[dict[str, Any], ...]


def finish_phase(
    wrapped: NDArray[np.float32],
    parameters: PhaseParameters,
    *,
    sign: int = 1,
    token: CancelToken,
) -> Finished:
    """Return unwrapped phase above its background.

    Parameters
    ----------
    wrapped
        ``(N, Y, X)`` wrapped phase [rad], as measured; NaN stays NaN.
    parameters
        Unwrapping and background model.
    sign
        Multiplied into the phase first.
    """
    phases, notes = [], []
    for frame in wrapped:
        token.raise_if_cancelled()
        phase, note = _finish_frame(frame, parameters, sign)
        phases.append(phase)
        notes.append(note)
    together = phases[0][None] if len(phases) == 1 else np.stack(phases)
    return Finished(together, tuple(notes))


def _finish_frame(
    frame: NDArray[np.float32], parameters: PhaseParameters, sign: int
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    model = parameters.background
    if not np.isfinite(frame).any():
        return np.full_like(frame, np.nan), {"problem": "The frame holds no phase."}
    removed = None
    if model in (Background.NONE, Background.OFFSET):
        oriented = frame if sign > 0 else -frame
    else:
        slopes = fit_wrapped_slopes(frame)
        slopes = slopes if sign > 0 else -slopes
        oriented = scratch(frame.shape)
        subtract_surface(frame, slopes, wrap=True, sign=sign, out=oriented)
        removed = slopes.curvature()
    unwrapped = unwrap(oriented, parameters.unwrapping)
    note: dict[str, Any] = {
        "unwrapping": unwrapped.method,
        "residues": unwrapped.n_residues,
        "steep_share": unwrapped.steep_share,
    }
    phase, found = flatten(unwrapped.phase, parameters, removed=removed)
    return phase, note | found


def flatten(
    phase: NDArray[np.float32],
    parameters: BackgroundParameters,
    *,
    removed: Surface | None = None,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Subtract the background of an unwrapped phase ``(Y, X)`` in place.

    Returns
    -------
    phase
        The same array.
    note
        Share and noise of the background, and a warning where it is doubtful.
    """
    model = parameters.background
    if model is Background.NONE:
        return phase, {}
    fit = fit_background(phase, model, parameters.background_order, removed=removed)
    note: dict[str, Any] = {
        "background_share": fit.share,
        "background_noise_rad": fit.noise,
        "background_condition": fit.condition,
    }
    if not fit.is_trusted:
        note["warning"] = (
            f"The background is doubtful, and with it dry mass: {fit.share:.0%} of the "
            f"field looks empty and varies by {fit.noise:.2f} rad after the fit. Use a "
            "reference frame of an empty field, or the background model crowded."
        )
    return subtract_surface(phase, fit.surface, wrap=False, out=phase), note
