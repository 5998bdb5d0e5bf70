"""Frames of the user with the classical phase, and whether that can be a teacher."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import Acquisition, ArraySource, PhaseMap
from napari_qpm.checks import Checks, Verdict, check_frame, find_field
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.provenance import Step
from napari_qpm.retrieval import make_phase_engine

__all__ = ["LabelledFrame", "Objects", "label_frames", "measure_objects"]

MOST_FRAMES = 8
BACKGROUNDS = ("quadratic", "zernike")
"""Tried in turn until the empty field is flat."""
INSIDE_SIGMAS, LEAST_INSIDE_RAD = 4.0, 0.3
SMALLEST_OBJECT_PX = 30
TOP_QUANTILE = 0.995

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class LabelledFrame:
    """One frame and its classical phase.

    Parameters
    ----------
    acquisition
        Of this frame alone, sideband and sign known.
    name
        Recording and number, for people.
    classical
        Its phase on the camera's grid.
    checks
        What the three checks say of that phase.
    """

    acquisition: Acquisition
    name: str
    classical: PhaseMap
    checks: Checks

    @property
    def is_trusted(self) -> bool:
        """Whether every check of the classical phase is passed."""
        return self.checks.verdict is Verdict.GOOD


@dataclass(frozen=True)
class Objects:
    """What stands out of the empty field of some frames.

    Parameters
    ----------
    diameters_px
        Of circles of the same area, in camera pixels.
    top_rad
        Phase that hardly any pixel exceeds.
    share
        Mean share of the field that is covered.
    """

    diameters_px: NDArray[np.float64]
    top_rad: float
    share: float


def label_frames(
    recordings: Iterable[Acquisition], token: CancelToken, report: ReportProgress
) -> list[LabelledFrame]:
    """Return some frames of all recordings with their classical phase.

    Frames that have none (no fringes, saturated) are left out.

    Raises
    ------
    SidebandError
        A recording shows no clear carrier.
    """
    engine = make_phase_engine("fourier")
    chosen = _choose([engine.resolve(one, token) for one in recordings])
    labelled: list[LabelledFrame] = []
    for number, (acquisition, t) in enumerate(chosen):
        token.raise_if_cancelled()
        report(Progress(number, len(chosen), "frames", "Classical phase"))
        found = _label(acquisition, t, token)
        if found is not None:
            labelled.append(found)
    report(Progress(len(chosen), len(chosen), "frames", "Classical phase"))
    return labelled


def _choose(recordings: Sequence[Acquisition]) -> list[tuple[Acquisition, int]]:
    """Return up to `MOST_FRAMES` frames, as evenly as possible over all."""
    all_frames = [(one, t) for one in recordings for t in range(one.n_frames)]
    count = min(MOST_FRAMES, len(all_frames))
    positions = np.linspace(0, len(all_frames) - 1, count).round().astype(int)
    return [all_frames[position] for position in positions]


def _label(
    acquisition: Acquisition, t: int, token: CancelToken
) -> LabelledFrame | None:
    name = acquisition.name
    if acquisition.n_frames > 1:
        name += f" frame {t}"
    alone = acquisition.replace(source=ArraySource(acquisition.read(t)[None]))
    best: LabelledFrame | None = None
    for background in BACKGROUNDS:
        engine = make_phase_engine("fourier", grid="full", background=background)
        made = engine.retrieve(alone.read(0)[None], alone, token)
        if "problem" in made.frame_notes[0]:
            return None
        parameters = engine.parameters.model_dump(mode="json")
        made = made.replace(history=(Step("retrieve", "fourier", parameters),))
        checks = check_frame(alone, made)
        found = LabelledFrame(alone, name, made, checks)
        if best is None or checks.verdict.rank < best.checks.verdict.rank:
            best = found
        if best.is_trusted:
            break
    return best


def measure_objects(frames: Iterable[LabelledFrame]) -> Objects:
    """Return sizes, height and share of what stands out in the classical phase."""
    diameters, tops, shares = [np.empty(0)], [], []
    for frame in frames:
        phase = frame.classical.read(0)
        field = find_field(phase)
        if not np.isfinite(field.level_rad):
            continue
        height = np.nan_to_num(phase - field.level_rad)
        edge = max(LEAST_INSIDE_RAD, INSIDE_SIGMAS * field.noise_rad)
        regions = ndimage.label(ndimage.binary_opening(height > edge))[0]
        areas = np.bincount(regions.ravel())[1:]
        areas = areas[areas >= SMALLEST_OBJECT_PX]
        diameters.append(2 * np.sqrt(areas / np.pi))
        shares.append(areas.sum() / phase.size)
        if areas.size:
            tops.append(float(np.quantile(height[regions > 0], TOP_QUANTILE)))
    return Objects(
        diameters_px=np.concatenate(diameters),
        top_rad=max(tops, default=0.0),
        share=float(np.mean(shares)) if shares else 0.0,
    )
