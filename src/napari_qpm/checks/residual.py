"""Does a phase explain the raw frames? The residual, over the expected noise.

From the phase the raw frame is made again; all that a phase does not fix (brightness,
fringe amplitude, smooth background, gains) is fitted so that it cannot hide an error of
the cells. What stays is divided by the noise of the camera.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap, PhaseUnit
from napari_qpm.checks.chromatic_frame import explain_colours
from napari_qpm.checks.frame_fit import FrameFit
from napari_qpm.checks.noise import camera_noise
from napari_qpm.checks.off_axis_frame import explain_hologram
from napari_qpm.checks.polarization_frame import explain_angles
from napari_qpm.checks.verdict import Check, Verdict, grade
from napari_qpm.errors import LayoutError, ModalityError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress

__all__ = ["FrameResidual", "Residual", "residual", "residual_check", "residual_frame"]

DOUBTFUL_FROM = 1.3
BAD_FROM = 2.0
"""Score over the least that the frame allows."""
DOUBTFUL_FLOOR = 2.0
BAD_FLOOR = 3.0
"""Least score of any phase: above, the frame is no recording of this kind, or its
carrier or layout is wrong. Real holograms: 1.3 to 1.9."""
BLIND_TO = (
    "It cannot see {turns}the level of the field, its tilt and slow curvature{sign}."
)
TURNS = "whole turns (2 pi), "
OR_THE_SIGN = ", or whether cells are thicker or thinner than the medium"

Model = Callable[[NDArray[Any], NDArray[np.float32], Acquisition, PhaseMap], FrameFit]
_MODELS: dict[Modality, Model] = {
    Modality.OFF_AXIS: explain_hologram,
    Modality.POLARIZATION: explain_angles,
    Modality.CHROMATIC: explain_colours,
}


@dataclass(frozen=True)
class FrameResidual:
    """How well one phase explains its raw frame.

    Parameters
    ----------
    map
        ``(Y, X)`` on the camera's grid: difference over the noise, with its sign for
        one channel, rms over several. NaN where phase or frame are lost or saturated.
    score
        Rms of the difference over that of the noise, without the frame's edge: 1 =
        noise floor.
    floor
        The same for the frame's own fringes, the least that any phase could reach; NaN
        for frames without fringes.
    noise_counts
        Expected noise of a pixel, rms over the frame.
    sign
        Factor with which the phase explains the frame.
    sign_is_free
        Whether the other sign was tried too: a camera cannot tell them apart.
    misfit_rad
        ``(y, x)`` phase of the fringes beyond the model, wrapped.
    sees_turns
        Whether a whole turn (2 pi) changes the frame.
    """

    map: NDArray[np.float32]
    score: float
    floor: float
    noise_counts: float
    sign: int
    sign_is_free: bool
    misfit_rad: NDArray[np.float32]
    sees_turns: bool = False


@dataclass(frozen=True)
class Residual:
    """How well a phase explains a recording.

    Parameters
    ----------
    map
        Lazy ``(T, Y, X)`` as in `FrameResidual`, one chunk a frame.
    score
        ``(T,)``: 1 = noise floor, NaN for frames without phase.
    floor
        ``(T,)``: the least that any phase could reach.
    """

    map: Any
    score: NDArray[np.float64]
    floor: NDArray[np.float64]


def residual(
    acquisition: Acquisition,
    phase: Any,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> Residual:
    """Return how far a phase is from explaining the raw frames, over their noise.

    Parameters
    ----------
    acquisition
        The recording.
    phase
        Its `PhaseMap`, or an array ``(T, Y, X)`` or ``(Y, X)`` [rad].
    token, report
        Cancel between frames, and progress.

    Raises
    ------
    ModalityError
        The recording has no raw frame (it is phase already, or it was refocused), or no
        model of it exists.
    LayoutError
        Phase and recording have different numbers of frames, or the phase is not in
        radians.

    Notes
    -----
    A right phase scores 1. The classical four-step phase of a polarization mosaic
    follows part of the noise of each pixel, and scores about 0.8.
    """
    import dask.array as da

    phase_map = as_phase_map(acquisition, phase)
    _model_of(acquisition)
    if _is_refocused(phase_map):
        raise ModalityError(
            f"The phase of {acquisition.name!r} was refocused: there is no raw frame "
            "of that plane to compare with. Check the phase of the camera's plane "
            "(refocus_um 0, no autofocus)."
        )
    token = token or CancelToken()
    n_frames, (ny, nx) = acquisition.n_frames, acquisition.shape[2:]
    scores, floors = np.full((2, n_frames), np.nan)
    for t in range(n_frames):
        token.raise_if_cancelled()
        frame = residual_frame(acquisition, phase_map, t)
        scores[t], floors[t] = frame.score, frame.floor
        if report is not None:
            report(Progress(t + 1, n_frames, "frames", "Comparing with the camera"))

    def load(block_id: tuple[int, ...]) -> NDArray[np.float32]:
        return residual_frame(acquisition, phase_map, block_id[0]).map[None]

    maps = da.map_blocks(
        load,
        chunks=((1,) * n_frames, (ny,), (nx,)),
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )
    return Residual(maps, scores, floors)


def residual_frame(
    acquisition: Acquisition, phase_map: PhaseMap, t: int
) -> FrameResidual:
    """Return how far the phase of frame `t` is from explaining it; see `residual`."""
    model = _model_of(acquisition)
    frame, phase = acquisition.read(t), phase_map.read(t)
    if not np.isfinite(phase).any():
        return _nothing(acquisition)
    fit = model(frame, phase, acquisition, phase_map)
    raw = frame.astype(np.float32)
    lost = ~_usable(frame, acquisition)
    difference = raw - fit.predicted
    difference[lost] = np.nan
    floor = float("nan")
    known = camera_noise(fit.predicted, acquisition.instrument)
    measured = np.broadcast_to(np.asarray(fit.noise, np.float32), raw.shape)
    noise = measured if known is None else known
    if fit.best is not None:
        least = raw - fit.best
        least[lost] = np.nan
        floor = _score(least, noise, fit.margin_px)
    scaled = difference / noise
    return FrameResidual(
        map=scaled[0] if len(scaled) == 1 else np.sqrt(np.mean(scaled**2, axis=0)),
        score=_score(difference, noise, fit.margin_px),
        floor=floor,
        noise_counts=float(np.sqrt(np.nanmean(noise**2))),
        sign=fit.sign,
        sign_is_free=fit.sign_is_free,
        misfit_rad=fit.misfit_rad,
        sees_turns=fit.sees_turns,
    )


def residual_check(frame: FrameResidual) -> Check:
    """Return the verdict on a frame's residual in plain words."""
    floor = frame.floor if np.isfinite(frame.floor) else 0.0
    excess = frame.score / max(1.0, floor)
    verdict = max(
        grade(excess, DOUBTFUL_FROM, BAD_FROM),
        grade(floor, DOUBTFUL_FLOOR, BAD_FLOOR),
        key=lambda v: v.rank,
    )
    if not np.isfinite(frame.score):
        finding = "The frame has no phase, or nothing of it can be compared."
    elif verdict is Verdict.GOOD:
        finding = (
            "The phase explains the camera's frame; what is left is "
            f"{frame.score:.2f} times its noise."
        )
    elif grade(floor, DOUBTFUL_FLOOR, BAD_FLOOR) is not Verdict.GOOD:
        finding = (
            f"No phase can explain this frame better than {floor:.1f} times its "
            "noise: the carrier, the angle layout or the kind of recording may be "
            "wrong, or light other than the fringes' disturbs."
        )
    else:
        finding = (
            "The phase does not explain the camera's frame: what is left is "
            f"{frame.score:.1f} times its noise, where {max(1.0, floor):.1f} is "
            "possible. See the residual map for the place."
        )
    return Check(
        title="Residual",
        verdict=verdict,
        values={
            "score": frame.score,
            "floor": frame.floor,
            "noise_counts": frame.noise_counts,
        },
        finding=finding,
        blind_to=BLIND_TO.format(
            turns="" if frame.sees_turns else TURNS,
            sign=OR_THE_SIGN if frame.sign_is_free else "",
        ),
    )


def as_phase_map(acquisition: Acquisition, phase: Any) -> PhaseMap:
    """Return phase as a map of this recording, checked.

    An array on a coarser grid than the camera's is taken to cover the same field.
    """
    made = phase if isinstance(phase, PhaseMap) else _of_array(acquisition, phase)
    if made.unit is not PhaseUnit.RADIANS:
        raise LayoutError(
            f"Checks take phase in radians; that of {acquisition.name!r} is in "
            f"{made.unit.value}."
        )
    if made.n_frames != acquisition.n_frames:
        raise LayoutError(
            f"The phase has {made.n_frames} frames, {acquisition.name!r} has "
            f"{acquisition.n_frames}. Give the phase of this recording."
        )
    return made


def _of_array(acquisition: Acquisition, phase: Any) -> PhaseMap:
    array = np.asarray(phase) if isinstance(phase, list | tuple) else phase
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3:
        raise LayoutError(f"Phase is (T, Y, X) or (Y, X), not {array.shape}.")
    ny, nx = acquisition.shape[2:]
    scale = (ny / array.shape[1], nx / array.shape[2])
    return PhaseMap(phase=array, acquisition=acquisition, grid_scale=scale)


def has_frame_model(acquisition: Acquisition, phase_map: PhaseMap) -> bool:
    """Return whether raw frames of this kind can be made again from a phase."""
    return acquisition.modality in _MODELS and not _is_refocused(phase_map)


def _is_refocused(phase_map: PhaseMap) -> bool:
    """Return whether the phase is that of another plane than the camera's."""
    steps = [step.parameters for step in phase_map.history if step.name == "retrieve"]
    if not steps:
        return any("focus_um" in notes for notes in phase_map.frame_notes)
    return any(
        step.get("refocus_um") or step.get("autofocus", "off") != "off"
        for step in steps
    )


def _model_of(acquisition: Acquisition) -> Model:
    modality = acquisition.require_modality()
    if modality is Modality.PHASE:
        raise ModalityError(
            f"{acquisition.name!r} holds phase that was retrieved elsewhere: there is "
            "no raw frame to compare with. Check the unwrapping and the background "
            "instead."
        )
    if modality not in _MODELS:
        options = ", ".join(sorted(m.value for m in _MODELS))
        raise ModalityError(
            f"The residual needs a model of the raw frame; there is none for "
            f"{modality.value} recordings yet, only for {options}."
        )
    return _MODELS[modality]


def _usable(frame: NDArray[Any], acquisition: Acquisition) -> NDArray[np.bool_]:
    usable = np.isfinite(frame)
    level = acquisition.saturation_level
    if level is not None:
        usable &= frame < level
    return np.asarray(usable)


def _score(
    difference: NDArray[np.float32], noise: NDArray[np.float32], margin: int
) -> float:
    """Return the rms of a difference over that of the noise, without the edge.

    The ratio of the two, not the mean ratio: the model's own noise would count most
    where the fringes are dark.
    """
    margin = min(margin, min(difference.shape[-2:]) // 8)
    inner = (..., slice(margin, -margin or None), slice(margin, -margin or None))
    part, spread = difference[inner], noise[inner]
    judged = np.isfinite(part) & np.isfinite(spread)
    if not judged.any():
        return float("nan")
    power = np.mean(part[judged].astype(np.float64) ** 2)
    return float(np.sqrt(power / np.mean(spread[judged].astype(np.float64) ** 2)))


def _nothing(acquisition: Acquisition) -> FrameResidual:
    """Return the outcome for a frame without any phase."""
    lost = np.full(acquisition.shape[2:], np.nan, np.float32)
    nan = float("nan")
    return FrameResidual(lost, nan, nan, nan, 1, False, lost)
