"""Phase of interferograms whose reference wave was stepped in between.

Real steps are not the ones that were meant: they are found in the frames unless
`phase_steps_deg` states them.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap
from napari_qpm.errors import LayoutError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.finishing import finish_phase
from napari_qpm.retrieval.four_step import subtract_phase
from napari_qpm.retrieval.frame_checks import raw_frame_notes
from napari_qpm.retrieval.object_sign import infer_sign
from napari_qpm.retrieval.phase_steps import PhaseSteps, StepFringes, find_steps
from napari_qpm.retrieval.refocusing import RefocusParameters, refocus

__all__ = ["PhaseShiftingEngine"]

LEAST_VISIBILITY = 0.02
"""Fringe visibility below which a frame counts as without fringes."""


class PhaseShiftingEngine:
    """Phase of three or more interferograms with any phase steps.

    Parameters
    ----------
    parameters
        Focus, unwrapping and background.
    """

    name: ClassVar[str] = "phase-shifting"
    title: ClassVar[str] = "Phase shifting"
    modality: ClassVar[Modality] = Modality.PHASE_SHIFTING
    Parameters: ClassVar[type[RefocusParameters]] = RefocusParameters

    def __init__(self, parameters: RefocusParameters | None = None):
        self.parameters = parameters or RefocusParameters()

    def resolve(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with phase steps and sign found where unknown.

        Raises
        ------
        LayoutError
            There are fewer than three interferograms, or their steps cannot be told.
        """
        if acquisition.shape[1] < 3:
            raise LayoutError(
                f"Phase shifting needs three interferograms or more; a frame of "
                f"{acquisition.name!r} has {acquisition.shape[1]}."
            )
        resolved = _with_steps(acquisition)
        token.raise_if_cancelled()
        if resolved.instrument.phase_sign is not None:
            return resolved
        wrapped = self._fringes(resolved.read(0), resolved).wrapped
        guess = infer_sign(wrapped[None], token=token)
        resolved = resolved.with_instrument(phase_sign=guess.sign)
        return resolved.with_note(guess.note())

    def retrieve(
        self, frames: NDArray[Any], acquisition: Acquisition, token: CancelToken
    ) -> PhaseMap:
        """Return the phase of frames ``(N, C, Y, X)``, C interferograms each."""
        fringes, notes = [], []
        for frame in frames:
            token.raise_if_cancelled()
            note = raw_frame_notes(frame, acquisition)
            seen = self._fringes(frame, acquisition)
            visibility = float(np.nanmedian(seen.quality))
            note["visibility"] = round(visibility, 4)
            if not visibility >= LEAST_VISIBILITY:
                note.setdefault("problem", "The frame shows no fringes.")
            if "problem" in note:
                seen.wrapped[...] = np.nan
            fringes.append(seen)
            notes.append(note)
        wrapped = np.stack([seen.wrapped for seen in fringes])
        if (acquisition.instrument.phase_sign or 1) < 0:
            np.negative(wrapped, out=wrapped)
        amplitude = np.stack([seen.amplitude for seen in fringes])
        wrapped, amplitude, foci = refocus(
            wrapped, amplitude, acquisition, self.parameters, (1.0, 1.0), token
        )
        finished = finish_phase(wrapped, self.parameters, token=token)
        return PhaseMap(
            phase=finished.phase,
            acquisition=acquisition,
            wrapped=wrapped,
            amplitude=amplitude,
            quality=np.stack([seen.quality for seen in fringes]),
            frame_notes=tuple(
                found | focus | own
                for found, focus, own in zip(finished.notes, foci, notes, strict=True)
            ),
        )

    def _fringes(self, frame: NDArray[Any], acquisition: Acquisition) -> StepFringes:
        """Return what a frame shows, the phase of an empty field taken off."""
        known = acquisition.instrument.require(
            "phase_steps_deg", "Phase shifting", repr(acquisition.name)
        )
        found = StepFringes.of(frame, PhaseSteps.stated(known, frame))
        if acquisition.reference is not None:
            empty = acquisition.reference
            steps = PhaseSteps.stated(known, empty)
            subtract_phase(found.wrapped, StepFringes.of(empty, steps).wrapped)
        return found


def _with_steps(acquisition: Acquisition) -> Acquisition:
    """Return the acquisition with known steps; the clearest of a few frames counts."""
    if acquisition.instrument.phase_steps_deg is not None:
        return acquisition
    last = acquisition.n_frames - 1
    frames = [acquisition.read(t) for t in sorted({0, last // 2, last})]
    if acquisition.reference is not None:
        frames.insert(0, acquisition.reference)
    found = max(map(find_steps, frames), key=lambda steps: steps.evenness)
    told = ", ".join(f"{step:.1f}" for step in found.steps_deg)
    note = f"Phase steps found: {told} degrees. Correct with phase_steps_deg=(…)."
    if not found.is_trusted:
        note = (
            f"Phase steps ({told} degrees) are doubtful: the field shows too little of "
            "a fringe to tell them. Tilt the reference wave a little, or give "
            "phase_steps_deg=(…)."
        )
    return acquisition.with_instrument(phase_steps_deg=found.steps_deg).with_note(note)
