"""Are whole turns (2 pi) where they belong? What steps, loops and time tell of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.checks.verdict import Check, Verdict, grade

__all__ = ["TurnFindings", "find_turns", "unwrap_check"]

MISFIT_RAD = np.pi / 2
"""Beyond this a pixel is not congruent with the measured, wrapped phase."""
JUMP_TOLERANCE_RAD = 0.8
SMALLEST_ISLAND_PX = 4
BLIND_TO = (
    "It cannot see a turn that is lost along an edge so steep that it looks flat, nor "
    "a whole field that is off by a turn."
)

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class TurnFindings:
    """What was found of wrong turns in one frame.

    Parameters
    ----------
    broken_share
        Share of steps between neighbours beyond pi.
    island_px
        Pixels of the largest region that such steps enclose all around.
    incongruent_share
        Share of pixels whose phase is not the measured one but for whole turns; NaN
        where nothing was measured.
    jump_px
        Pixels of the largest region that changed by whole turns since the frame
        before; NaN for a single frame.
    """

    broken_share: float
    island_px: int
    incongruent_share: float
    jump_px: float


def find_turns(
    phase: FloatImage,
    misfit_rad: FloatImage | None = None,
    previous: FloatImage | None = None,
) -> TurnFindings:
    """Return what steps, closed contours and the frame before say of 2 pi errors.

    Parameters
    ----------
    phase
        ``(Y, X)`` [rad].
    misfit_rad
        ``(y, x)`` wrapped difference to the measured phase, NaN where unknown.
    previous
        Phase of the frame before, of the same shape.
    """
    broken_y = np.abs(np.diff(phase, axis=0)) > np.pi
    broken_x = np.abs(np.diff(phase, axis=1)) > np.pi
    n_steps = max(broken_y.size + broken_x.size, 1)
    n_broken = int(broken_y.sum()) + int(broken_x.sum())
    incongruent = float("nan")
    if misfit_rad is not None and np.isfinite(misfit_rad).any():
        known = misfit_rad[np.isfinite(misfit_rad)]
        incongruent = float(np.mean(np.abs(known) > MISFIT_RAD))
    return TurnFindings(
        broken_share=n_broken / n_steps,
        island_px=_largest_island(phase, broken_y, broken_x) if n_broken else 0,
        incongruent_share=incongruent,
        jump_px=float("nan") if previous is None else _largest_jump(phase, previous),
    )


def unwrap_check(findings: TurnFindings, n_pixels: int) -> Check:
    """Return the verdict on the turns of a frame of this size, in plain words."""
    problems = {
        (
            f"a region of {findings.island_px} pixels is set off all around by steps "
            "beyond pi, as a missed turn is"
        ): grade(findings.island_px, 16, 100),
        (
            f"{findings.broken_share:.2%} of the steps between neighbours exceed pi"
        ): grade(findings.broken_share, 1e-3, 1e-2),
    }
    if np.isfinite(findings.incongruent_share):
        text = (
            f"{findings.incongruent_share:.1%} of the pixels do not have the measured "
            "phase, whole turns aside"
        )
        problems[text] = grade(findings.incongruent_share, 5e-3, 3e-2)
    if np.isfinite(findings.jump_px):
        text = (
            f"a region of {findings.jump_px:.0f} pixels changed by whole turns since "
            "the frame before"
        )
        problems[text] = grade(findings.jump_px, 64, max(256, 0.01 * n_pixels))
    seen = [text for text, verdict in problems.items() if verdict is not Verdict.GOOD]
    finding = "No sign of a wrong turn (2 pi) in the phase."
    if seen:
        words = "; ".join(seen)
        finding = words[0].upper() + words[1:] + "."
    return Check(
        title="Unwrapping",
        verdict=max(problems.values(), key=lambda v: v.rank),
        values={
            "broken_share": findings.broken_share,
            "island_px": float(findings.island_px),
            "incongruent_share": findings.incongruent_share,
            "jump_px": findings.jump_px,
        },
        finding=finding,
        blind_to=BLIND_TO,
    )


def _largest_island(
    phase: FloatImage, broken_y: NDArray[np.bool_], broken_x: NDArray[np.bool_]
) -> int:
    """Return the size of the largest region enclosed by broken steps, the field aside.

    Pixels and the steps between them are drawn on a grid of twice the size; broken
    steps are walls in it.
    """
    ny, nx = phase.shape
    is_valid = np.isfinite(phase)
    grid = np.zeros((2 * ny - 1, 2 * nx - 1), bool)
    grid[::2, ::2] = is_valid
    grid[1::2, ::2] = ~broken_y & is_valid[1:] & is_valid[:-1]
    grid[::2, 1::2] = ~broken_x & is_valid[:, 1:] & is_valid[:, :-1]
    regions = ndimage.label(grid)[0][::2, ::2]
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    # Regions that touch only NaN are cut off, but not by steps: their own edge says so.
    walled = np.zeros(sizes.size, bool)
    for broken, first, second in (
        (broken_y, regions[1:], regions[:-1]),
        (broken_x, regions[:, 1:], regions[:, :-1]),
    ):
        walled[first[broken]] = walled[second[broken]] = True
    if sizes.size < 3:
        return 0
    sizes[int(np.argmax(sizes))] = 0
    sizes[~walled] = 0
    largest = int(sizes.max())
    return largest if largest >= SMALLEST_ISLAND_PX else 0


def _largest_jump(phase: FloatImage, previous: FloatImage) -> float:
    """Return the size of the largest region that changed by whole turns."""
    if phase.shape != previous.shape:
        return float("nan")
    change = phase - previous
    turns = np.rint(np.nan_to_num(change) / (2 * np.pi))
    near = np.abs(change - 2 * np.pi * turns) < JUMP_TOLERANCE_RAD
    jumped = ndimage.binary_opening(near & (turns != 0), np.ones((3, 3)))
    if not jumped.any():
        return 0.0
    sizes = np.bincount(ndimage.label(jumped)[0].ravel())
    return float(sizes[1:].max())
