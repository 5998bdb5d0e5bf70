"""Phase steps between interferograms, from the interferograms themselves.

Frame k is ``g_k (A + B cos(phi + d_k))``. Where the phases of the field cover the whole
circle, light A and contrast B know nothing of the phase, and that decides steps d and
gains g: the frames' two strongest common changes are cosine and sine (principal
components), and from there phase and steps are fitted in turn (Wang and Han, Opt. Lett.
29, 1671, 2004).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError

__all__ = ["PhaseSteps", "StepFringes", "find_steps"]

BEAM_SHARE = 0.08
"""Width over which light is averaged, in units of the frame's shorter side; much wider
than a fringe."""
SAMPLES = 40_000
"""Pixels that decide the steps."""
BRIGHTEST = 0.3
"""Pixels with less contrast than this share of the median's do not count."""
ROUNDS = 100
ROUNDS_OF_GAINS = 3
CONVERGED_RAD = 1e-6
EVEN = 0.03
"""Length of the mean of all phases on the circle up to which they cover it evenly.
Simulated frames with a cell: steps are then right to 1.5 degrees (six fringes or more);
at 0.05 (four fringes) they are 11 degrees off."""
LEAST_CONDITION = 0.05
"""Smallest over largest singular value of the fit of a pixel; below it, steps are so
alike that noise is all there is."""


@dataclass(frozen=True)
class PhaseSteps:
    """Phase steps and gains of the interferograms of one exposure.

    Parameters
    ----------
    steps_rad
        ``(N,)``; the first is 0.
    gains
        ``(N,)`` brightness of each, mean 1.
    evenness
        0 when all phases of the field are the same, 1 when they cover the circle
        evenly, which the estimate rests on.
    """

    steps_rad: NDArray[np.float64]
    gains: NDArray[np.float64]
    evenness: float = 1.0

    @property
    def is_trusted(self) -> bool:
        """Whether the field shows enough of a fringe to tell the steps."""
        return self.evenness >= 1 - EVEN

    @property
    def steps_deg(self) -> tuple[float, ...]:
        """Steps in degrees, from -180 to 180."""
        turns = np.angle(np.exp(1j * self.steps_rad))
        return tuple(round(float(step), 2) for step in np.rad2deg(turns))

    @classmethod
    def stated(cls, steps_deg: tuple[float, ...], frame: NDArray[Any]) -> Self:
        """Return known steps; gains come from the frame ``(N, Y, X)`` if it can tell.

        Raises
        ------
        LayoutError
            There is not one step for each interferogram, or they are too alike.
        """
        steps = np.deg2rad(np.asarray(steps_deg, dtype=np.float64))
        if len(steps) != len(frame):
            raise LayoutError(
                f"phase_steps_deg has {len(steps)} steps, a frame {len(frame)} "
                "interferograms. Give one step for each."
            )
        _check(steps)
        found = _fit(_sample(frame), steps, ROUNDS_OF_GAINS)
        if not found.is_trusted:
            return cls(steps, np.ones(len(steps)), found.evenness)
        return cls(steps, found.gains, found.evenness)


@dataclass(frozen=True)
class StepFringes:
    """What the interferograms of one exposure say, ``(Y, X)`` each.

    Parameters
    ----------
    wrapped
        Phase [rad].
    amplitude
        Half the fringe contrast B, in raw units.
    quality
        Visibility B / A, 0 to 1.
    """

    wrapped: NDArray[np.float32]
    amplitude: NDArray[np.float32]
    quality: NDArray[np.float32]

    @classmethod
    def of(cls, frame: NDArray[Any], steps: PhaseSteps) -> Self:
        """Return the least-squares phase of interferograms ``(N, Y, X)``."""
        inverse = np.linalg.pinv(_design(steps.steps_rad)) / steps.gains
        light, cosine, sine = np.tensordot(
            inverse.astype(np.float32), frame.astype(np.float32), axes=1
        )
        contrast = np.hypot(cosine, sine)
        visibility = contrast / np.maximum(light, np.float32(1e-6))
        return cls(np.arctan2(sine, cosine), contrast / 2, np.clip(visibility, 0, 1))


def find_steps(frame: NDArray[Any]) -> PhaseSteps:
    """Return the phase steps between interferograms ``(N, Y, X)``.

    The direction in which phase grows is not in them: all steps may have the opposite
    sign.

    Raises
    ------
    LayoutError
        There are fewer than four, or no fringe moves between them.
    """
    if len(frame) < 4:
        raise LayoutError(
            f"{len(frame)} interferograms do not tell their phase steps; four or more "
            "do. Give phase_steps_deg=(…)."
        )
    values = _sample(frame)
    if values.size == 0:
        raise LayoutError("The interferograms are dark, so they have no phase steps.")
    found = _fit(values)
    _check(found.steps_rad)
    return found


def _fit(
    values: NDArray[np.float64],
    stated: NDArray[np.float64] | None = None,
    rounds: int = ROUNDS,
) -> PhaseSteps:
    """Return steps (unless they are stated) and gains of samples ``(N, n)``."""
    gains = values.mean(axis=1)
    steps = _first_guess(values / gains[:, None]) if stated is None else stated
    phase, weight = _phases(values / gains[:, None], steps)
    for _ in range(rounds):
        design = _design(phase)
        weighted = (design * weight[:, None]).T
        equal = values / gains[:, None]
        terms = np.linalg.lstsq(weighted @ design, weighted @ equal.T, rcond=None)
        light, cosine, sine = terms[0]
        gains = gains * light / light.mean()
        changed = 0.0
        if stated is None:
            found = np.arctan2(sine, cosine)
            found = found - found[0]
            changed = float(np.abs(np.angle(np.exp(1j * (found - steps)))).max())
            steps = found
        phase, weight = _phases(values / gains[:, None], steps)
        if stated is None and changed < CONVERGED_RAD:
            break
    resultant = np.abs(np.average(np.exp(1j * phase), weights=weight))
    return PhaseSteps(steps, gains / gains.mean(), float(1 - resultant))


def _first_guess(equal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return steps from the principal components of samples of equal brightness."""
    change = equal - equal.mean(axis=0)
    _, vectors = np.linalg.eigh(change @ change.T)
    strength = np.linalg.norm(vectors[:, -2:].T @ change, axis=1)
    scaled = vectors[:, -2:] * strength
    steps: NDArray[np.float64] = np.arctan2(-scaled[:, 0], scaled[:, 1])
    return np.asarray(steps - steps[0])


def _phases(
    equal: NDArray[np.float64], steps: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return phases of samples and whether they have contrast enough to count."""
    _, cosine, sine = np.linalg.pinv(_design(steps)) @ equal
    contrast = np.hypot(cosine, sine)
    weight = contrast > BRIGHTEST * np.median(contrast)
    if not weight.any():
        weight = np.ones(contrast.shape, bool)
    return np.arctan2(sine, cosine), weight.astype(np.float64)


def _design(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(n, 3)``: 1, cos and -sin, whose factors are A, B cos and B sin."""
    return np.stack([np.ones_like(angles), np.cos(angles), -np.sin(angles)], axis=1)


def _check(steps: NDArray[np.float64]) -> None:
    """Raise when steps are too alike to tell light, cosine and sine apart."""
    singular = np.linalg.svd(_design(steps), compute_uv=False)
    if len(steps) < 3 or singular[-1] < LEAST_CONDITION * singular[0]:
        raise LayoutError(
            "The interferograms hardly differ by their phase steps "
            f"({', '.join(f'{s:.0f}' for s in np.rad2deg(steps))} degrees), so they "
            "have no phase. Check that the reference wave is stepped."
        )


def _sample(frame: NDArray[Any]) -> NDArray[np.float64]:
    """Return an even sample of pixels ``(N, n)``, those that are not finite left out.

    The light's slow change over the field, that of the beam, is divided out.
    """
    stride = max(1, int(np.sqrt(frame[0].size / SAMPLES)))
    values = frame[:, ::stride, ::stride].astype(np.float64)
    finite = np.isfinite(values).all(axis=0)
    light = np.where(finite, values, 0).mean(axis=0)
    near = scipy.ndimage.gaussian_filter(light, BEAM_SHARE * min(light.shape))
    dark = near <= 0.05 * max(float(near.max()), 1e-12)
    relative = values / np.where(dark, 1, near)
    return np.asarray(relative[:, finite & ~dark])
