"""The check of the empty field: flat, at zero, and below the cells.

Dry mass is summed from zero, so a level or tilt of the empty field is a wrong mass. No
camera sees it: the level is a convention, the tilt was fitted away.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.checks.verdict import Check, Verdict, grade
from napari_qpm.retrieval.background import (
    background_mode,
    fit_wrapped_slopes,
    robust_deviation,
)

__all__ = ["FieldFindings", "background_check", "find_field"]

LARGEST_SIDE = 512
"""Pixels of the sampled grid; the field is smooth."""
GROWTH_PX = 3
"""How far cells are grown before the rest counts as empty."""
OBJECT_SIGMAS = 4.0
NOTABLE_OBJECTS = 5e-3
"""Share of the field below which no sign is read from what stands out."""
NEGLIGIBLE_RAD = 0.03
"""Level or slope that is too small to matter, whatever the noise."""
LEAST_EMPTY_SHARE = 0.05
LEAST_PIXELS = 16
NAN = float("nan")
BLIND_TO = (
    "It cannot see anything inside cells, nor a level that a crowded field hides."
)

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class FieldFindings:
    """What was found of the field outside cells.

    Parameters
    ----------
    level_rad
        Its level; 0 is right.
    slope_rad
        Rise of the fitted plane over the field, from lowest to highest corner.
    noise_rad
        Robust deviation from that plane, in a pixel.
    empty_share
        Share of the field that was taken for empty; NaN without any phase.
    rise
        +1 where all that stands out is above the field, -1 where it is below; NaN where
        nothing stands out.
    """

    level_rad: float
    slope_rad: float
    noise_rad: float
    empty_share: float
    rise: float

    def in_noise(self, value_rad: float) -> float:
        """Return a value in units of the noise; negligible ones count as 0."""
        size = abs(value_rad)
        return 0.0 if size < NEGLIGIBLE_RAD else size / max(self.noise_rad, 1e-6)


def find_field(
    phase: FloatImage, labels: NDArray[np.integer] | None = None
) -> FieldFindings:
    """Return level, slope and noise of a phase ``(Y, X)`` [rad] outside its cells.

    Parameters
    ----------
    labels
        ``(Y, X)`` cells, 0 outside; without them the most common level, tilt taken
        into account, counts as empty.
    """
    step = max(1, round(max(phase.shape) / LARGEST_SIDE))
    sample = np.asarray(phase[::step, ::step], np.float64)
    finite = np.isfinite(sample)
    if finite.sum() < LEAST_PIXELS:
        return FieldFindings(NAN, NAN, NAN, NAN, NAN)
    plane = _Plane(sample.shape)
    cells = None
    if labels is not None and np.any(labels):
        cells = labels[::step, ::step] > 0
        empty = finite & ~ndimage.binary_dilation(cells, iterations=GROWTH_PX)
        if empty.mean() < LEAST_EMPTY_SHARE:
            empty = finite & ~cells
        if empty.sum() < LEAST_PIXELS:
            return FieldFindings(NAN, NAN, NAN, 0.0, NAN)
    else:
        slopes = fit_wrapped_slopes(sample.astype(np.float32)).coefficients
        tilt = np.array([0.0, slopes[1, 0], slopes[0, 1]])
        empty = _near_mode(sample - plane.surface(tilt), finite)
    fitted = plane.fit(sample, empty)
    if cells is None:
        for _ in range(2):
            empty = _near_mode(sample - plane.surface(fitted), finite)
            fitted = plane.fit(sample, empty)
    flat = sample - plane.surface(fitted)
    noise = robust_deviation(flat[empty])
    return FieldFindings(
        level_rad=float(fitted[0]),
        slope_rad=2 * float(abs(fitted[1]) + abs(fitted[2])),
        noise_rad=noise,
        empty_share=float(empty.sum() / finite.sum()),
        rise=_rise(flat, finite, noise, cells),
    )


def background_check(findings: FieldFindings) -> Check:
    """Return the verdict on the empty field in plain words."""
    if not np.isfinite(findings.level_rad):
        return _without_field(findings)
    level = findings.in_noise(findings.level_rad)
    slope = findings.in_noise(findings.slope_rad)
    problems = {
        (
            f"the empty field lies at {findings.level_rad:+.2f} rad instead of 0 "
            f"({level:.1f} times its noise)"
        ): grade(level, 1, 3),
        (
            f"the empty field is tilted by {findings.slope_rad:.2f} rad across "
            f"({slope:.1f} times its noise)"
        ): grade(slope, 2, 6),
        (f"only {findings.empty_share:.0%} of the field looks empty"): grade(
            -findings.empty_share, -0.15, -LEAST_EMPTY_SHARE
        ),
    }
    if np.isfinite(findings.rise):
        text = (
            "what stands out lies below the field, not above it: the sign of the phase "
            "may be wrong"
        )
        problems[text] = grade(-findings.rise, 0.2, 0.5)
    seen = [text for text, verdict in problems.items() if verdict is not Verdict.GOOD]
    finding = "The empty field is flat and at zero."
    if seen:
        words = "; ".join(seen)
        finding = words[0].upper() + words[1:] + "."
    return Check(
        title="Background",
        verdict=max(problems.values(), key=lambda v: v.rank),
        values=asdict(findings),
        finding=finding,
        blind_to=BLIND_TO,
    )


def _without_field(findings: FieldFindings) -> Check:
    """Return the verdict where nothing is empty, or there is no phase at all."""
    has_phase = np.isfinite(findings.empty_share)
    return Check(
        title="Background",
        verdict=Verdict.DOUBTFUL if has_phase else Verdict.BAD,
        values=asdict(findings),
        finding="Cells fill the whole field: its level cannot be judged."
        if has_phase
        else "The frame has no phase.",
        blind_to=BLIND_TO,
    )


class _Plane:
    """Least-squares planes over a grid ``(y, x)`` that runs from -1 to 1."""

    def __init__(self, shape: tuple[int, ...]):
        self._y = np.linspace(-1, 1, shape[0])[:, None]
        self._x = np.linspace(-1, 1, shape[1])[None]
        self._shape = shape

    def surface(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return level plus slopes along y and x."""
        return np.asarray(values[0] + values[1] * self._y + values[2] * self._x)

    def fit(
        self, sample: NDArray[np.float64], mask: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return level and slopes of the masked pixels."""
        y = np.broadcast_to(self._y, self._shape)[mask]
        x = np.broadcast_to(self._x, self._shape)[mask]
        design = np.stack([np.ones(y.size), y, x], axis=1)
        return np.asarray(np.linalg.lstsq(design, sample[mask], rcond=None)[0])


def _near_mode(
    flat: NDArray[np.float64], finite: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    level, noise = background_mode(flat[finite])
    near = np.abs(flat - level) <= 3 * max(noise, 1e-6)
    return np.asarray(near & finite)


def _rise(
    flat: NDArray[np.float64],
    finite: NDArray[np.bool_],
    noise: float,
    cells: NDArray[np.bool_] | None,
) -> float:
    """Return whether what stands out (or the given cells) is above or below."""
    edge = OBJECT_SIGMAS * max(noise, NEGLIGIBLE_RAD / OBJECT_SIGMAS)
    where = finite if cells is None else finite & cells
    above = np.maximum(flat[where] - edge, 0)
    below = np.maximum(-flat[where] - edge, 0)
    n_objects = np.count_nonzero(above) + np.count_nonzero(below)
    if n_objects < NOTABLE_OBJECTS * finite.sum():
        return float("nan")
    up, down = float(above.sum()), float(below.sum())
    return (up - down) / (up + down)
