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
    fit_background,
    fit_wrapped_slopes,
)
from napari_qpm.retrieval.engine import Background, PhaseParameters, Unwrapping
from napari_qpm.retrieval.unwrapping import unwrap

__all__ = ["Finished", "SignGuess", "finish_phase", "infer_sign"]

MIN_SIGN_CONFIDENCE = 0.2
"""Below this the sign of the phase is a guess worth a warning."""


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


@dataclass(frozen=True)
class SignGuess:
    """Which sign makes the objects thicker than the medium.

    Parameters
    ----------
    sign
        +1 or -1, to be multiplied into the phase.
    confidence
        0 when objects rise and fall alike, 1 when all go one way.
    """

    sign: int
    confidence: float

    @property
    def is_clear(self) -> bool:
        """Whether the objects say it plainly."""
        return self.confidence >= MIN_SIGN_CONFIDENCE

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
    if model is Background.NONE:
        return unwrapped.phase, note
    fit = fit_background(
        unwrapped.phase, model, parameters.background_order, removed=removed
    )
    note |= {
        "background_share": fit.share,
        "background_noise_rad": fit.noise,
        "background_condition": fit.condition,
    }
    if not fit.is_trusted:
        note["warning"] = (
            f"The background is doubtful, and with it dry mass: {fit.share:.0%} of the "
            f"field looks empty and varies by {fit.noise:.2f} rad after the fit. Use a "
            "reference frame of an empty field, or another background model."
        )
    phase = unwrapped.phase
    return subtract_surface(phase, fit.surface, wrap=False, out=phase), note


def infer_sign(wrapped: NDArray[np.float32], *, token: CancelToken) -> SignGuess:
    """Return the sign that makes cells thicker than the medium.

    Parameters
    ----------
    wrapped
        ``(N, Y, X)`` wrapped phase [rad] of a few frames.

    Notes
    -----
    Either sign is tried as if it were right, with a quadratic background fitted below
    what stands out. Under the right sign nearly all that leaves the background rises
    above it, and the background is dense (a large share of the field, little noise).
    """
    scores = []
    for frame in wrapped:
        token.raise_if_cancelled()
        if np.isfinite(frame).any():
            (up, dense_up), (down, dense_down) = _rise(frame), _rise(-frame)
            total = dense_up + dense_down
            scores.append((up * dense_up - down * dense_down) / total)
    score = float(np.mean(scores)) if scores else 0.0
    return SignGuess(1 if score >= 0 else -1, abs(score))


def _rise(frame: NDArray[np.float32]) -> tuple[float, float]:
    """Return whether objects rise (+1) or fall (-1), and the background's density."""
    slopes = fit_wrapped_slopes(frame)
    flat = subtract_surface(frame, slopes, wrap=True)
    phase = unwrap(flat, Unwrapping.AUTO).phase
    fit = fit_background(phase, Background.QUADRATIC, removed=slopes.curvature())
    height = subtract_surface(phase, fit.surface, wrap=False)
    edge = 4 * max(fit.noise, 0.02)
    above = float(np.nansum(np.maximum(height - edge, 0)))
    below = float(np.nansum(np.maximum(-height - edge, 0)))
    rise = (above - below) / (above + below) if above + below > 0 else 0.0
    return rise, fit.density
