"""Phase from a polarization camera: four analysers give four phase steps at once.

Takes raw 2x2 mosaics and ready images behind the four angles. What the object wave
interferes with (`ReferenceWave`) decides whether the four-step phase is the object's.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import (
    Acquisition,
    Handedness,
    Modality,
    PhaseMap,
    ReferenceWave,
)
from napari_qpm.errors import LayoutError, ModalityError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.analyser_matrix import analyser_weights
from napari_qpm.retrieval.demosaic import ANGLES, Demosaicing
from napari_qpm.retrieval.engine import PhaseParameters
from napari_qpm.retrieval.finishing import finish_phase
from napari_qpm.retrieval.four_step import (
    AngleSampling,
    DifferenceImages,
    Fringes,
    check_fringes,
    difference_images,
    fringes,
    saturated_mask,
    subtract_phase,
    wrapped_phase,
)
from napari_qpm.retrieval.object_sign import infer_sign
from napari_qpm.retrieval.once import OncePerAcquisition
from napari_qpm.retrieval.refocusing import RefocusParameters, refocus
from napari_qpm.retrieval.unscattered import unscattered_fringes

__all__ = ["FourStepEngine", "FourStepParameters"]

SIGN_FRAMES = 3
"""Frames, spread over the recording, that decide an unknown sign."""
NOTABLE_SATURATION = 0.001
"""Saturated share of a frame from which a warning is due."""


class FourStepParameters(RefocusParameters):
    """Parameters of the four-step engine."""

    demosaicing: Demosaicing = Field(
        Demosaicing.BICUBIC,
        title="Demosaicing",
        description="How the angles that a pixel lacks are filled in. Bicubic is "
        "exact for smooth cells; Fourier is the least noisy and the softest.",
    )


@dataclass(frozen=True)
class _Reference:
    """What was learned from the empty-field frame, as far as the set-up needs it."""

    wrapped: NDArray[np.float32] | None = None
    blank: DifferenceImages | None = None


class FourStepEngine:
    """Demosaics the four polarization angles and takes their phase.

    Parameters
    ----------
    parameters
        Demosaicing, focus, unwrapping and background.
    """

    name: ClassVar[str] = "four-step"
    title: ClassVar[str] = "Four-step polarization"
    modality: ClassVar[Modality] = Modality.POLARIZATION
    Parameters: ClassVar[type[PhaseParameters]] = FourStepParameters

    def __init__(self, parameters: FourStepParameters | None = None):
        self.parameters: FourStepParameters = parameters or FourStepParameters()
        self._reference = OncePerAcquisition(self._read_reference)

    def resolve(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with layout, assumptions and sign settled.

        Raises
        ------
        ModalityError
            It is another kind of recording.
        LayoutError
            An angle is missing, or the reference frame cannot serve.
        MissingMetadataError
            The layout of a mosaic is unknown.
        """
        resolved = _with_layout(acquisition)
        resolved = _with_size_note(resolved)
        resolved = _with_reference_wave_note(resolved)
        self._check_reference(resolved)
        return self._with_sign(resolved, token)

    def retrieve(
        self, frames: NDArray[Any], acquisition: Acquisition, token: CancelToken
    ) -> PhaseMap:
        """Return the phase of frames ``(N, C, Y, X)`` and what else they show.

        A frame without fringes (black, saturated, not a number) has NaN phase, quality
        0 and a note that says why; the others are not affected.
        """
        reference = self._reference(acquisition)
        found = Fringes.empty((len(frames), *frames.shape[2:]))
        notes = []
        for n, frame in enumerate(frames):
            token.raise_if_cancelled()
            notes.append(self._read_frame(frame, acquisition, reference, found[n]))
        if phase_sign(acquisition) < 0:
            np.negative(found.wrapped, out=found.wrapped)
        wrapped, amplitude, foci = refocus(
            found.wrapped,
            found.amplitude,
            acquisition,
            self.parameters,
            (1.0, 1.0),
            token,
        )
        finished = finish_phase(wrapped, self.parameters, token=token)
        own = [note | focus for note, focus in zip(notes, foci, strict=True)]
        merged = map(_merged, finished.notes, own)
        return PhaseMap(
            phase=finished.phase,
            acquisition=acquisition,
            wrapped=wrapped,
            amplitude=amplitude,
            quality=found.quality,
            frame_notes=tuple(merged),
            history=acquisition.history,
        )

    def _sampling(self, acquisition: Acquisition) -> AngleSampling:
        instrument = acquisition.instrument
        where = repr(acquisition.name)
        layout = instrument.require("polarization_layout", "Four-step phase", where)
        method = self.parameters.demosaicing
        weights = analyser_weights(instrument)
        return AngleSampling(layout, instrument.roi_offset_px, method, weights)

    def _read_frame(
        self,
        frame: NDArray[Any],
        acquisition: Acquisition,
        reference: _Reference,
        out: Fringes,
    ) -> dict[str, Any]:
        """Write what one frame ``(C, Y, X)`` shows into `out` and return its notes."""
        sampling = self._sampling(acquisition)
        saturation = _saturation_level(acquisition)
        needs_fringes = reference.blank is None
        check = check_fringes(frame, sampling, saturation, needs_fringes)
        note: dict[str, Any] = {"visibility": round(check.visibility, 4)}
        if check.saturated_share > 0:
            note["saturated_share"] = check.saturated_share
        if check.problem:
            out.wrapped[...] = np.nan
            out.amplitude[...] = out.quality[...] = 0
            return note | {"problem": check.problem}
        if reference.blank is not None:
            images = difference_images(frame, sampling)
            fraction = unscattered_fringes(images, reference.blank, out)
            note["unscattered_fraction"] = round(fraction, 4)
        else:
            fringes(frame, sampling, out)
        if reference.wrapped is not None:
            subtract_phase(out.wrapped, reference.wrapped)
        if check.saturated_share > 0 and saturation is not None:
            out.quality[saturated_mask(frame, saturation, sampling)] = 0
        if check.saturated_share > NOTABLE_SATURATION:
            note["warning"] = (
                f"{check.saturated_share:.1%} of the frame is saturated; the phase "
                "there is wrong and its quality is 0. Expose less."
            )
        if frame.dtype.kind == "f":
            _settle_invalid(out)
        return note

    def _check_reference(self, acquisition: Acquisition) -> None:
        """Raise when the reference frame cannot do what the set-up needs it for."""
        wave, frame = acquisition.instrument.reference_wave, acquisition.reference
        is_blank = wave is ReferenceWave.UNSCATTERED
        if frame is None:
            if is_blank:
                raise LayoutError(
                    f"{acquisition.name!r} interferes with its own unscattered light; "
                    "the phase is ambiguous without a blank frame. Record an empty "
                    "field under the same illumination and give it as reference=…"
                )
            return
        sampling, level = self._sampling(acquisition), _saturation_level(acquisition)
        check = check_fringes(frame, sampling, level, needs_fringes=not is_blank)
        if check.problem:
            raise LayoutError(
                f"The reference frame of {acquisition.name!r} cannot be used. "
                f"{check.problem} Give another reference=… or none."
            )

    def _read_reference(self, acquisition: Acquisition) -> _Reference:
        frame = acquisition.reference
        if frame is None:
            return _Reference()
        sampling = self._sampling(acquisition)
        if acquisition.instrument.reference_wave is ReferenceWave.UNSCATTERED:
            return _Reference(blank=difference_images(frame, sampling))
        return _Reference(wrapped=wrapped_phase(frame, sampling))

    def _with_sign(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with `phase_sign` inferred where nothing states it."""
        instrument = acquisition.instrument
        if instrument.handedness is not None or instrument.phase_sign is not None:
            return acquisition
        reference = self._reference(acquisition)
        times = _spread(acquisition.n_frames, SIGN_FRAMES)
        found = Fringes.empty((len(times), *acquisition.shape[2:]))
        for n, t in enumerate(times):
            token.raise_if_cancelled()
            self._read_frame(acquisition.read(t), acquisition, reference, found[n])
        guess = infer_sign(found.wrapped, token=token)
        resolved = acquisition.with_instrument(phase_sign=guess.sign)
        return resolved.with_note(guess.note())


def phase_sign(acquisition: Acquisition) -> int:
    """Return the factor from the four-step phase of `Handedness.POSITIVE` to ours.

    A stated handedness sets it; `phase_sign` multiplies.
    """
    instrument = acquisition.instrument
    turned = instrument.handedness is Handedness.NEGATIVE
    return (-1 if turned else 1) * (instrument.phase_sign or 1)


def _with_layout(acquisition: Acquisition) -> Acquisition:
    """Return the acquisition with a known layout; raise when it cannot be had."""
    if acquisition.modality not in (None, Modality.POLARIZATION):
        raise ModalityError(
            "The four-step engine takes polarization recordings; "
            f"{acquisition.name!r} is {acquisition.modality}."
        )
    n_channels = acquisition.shape[1]
    if n_channels not in (1, 4):
        raise LayoutError(
            f"{acquisition.name!r} has {n_channels} channels. Polarization recordings "
            "have 1 (raw mosaics) or 4 (images behind 0, 45, 90 and 135 degrees): "
            + ("an angle is missing." if n_channels < 4 else "some are not angles.")
        )
    instrument = acquisition.instrument
    if instrument.polarization_layout is not None:
        return acquisition
    if n_channels == 1:
        where = repr(acquisition.name)
        instrument.require("polarization_layout", "Four-step phase", where)
    return acquisition.with_instrument(polarization_layout=ANGLES).with_note(
        "The order of the four images is not stated; taken as 0, 45, 90, 135 degrees. "
        "Set polarization_layout if it is another."
    )


def _with_size_note(acquisition: Acquisition) -> Acquisition:
    _, n_channels, height, width = acquisition.shape
    if n_channels == 4 or (height % 2 == 0 and width % 2 == 0):
        return acquisition
    return acquisition.with_note(
        f"The mosaic has an odd size ({height} x {width}): its last row or column is "
        "half a 2x2 cell. Its missing angles are taken from the neighbours; nothing is "
        "cut off."
    )


def _with_reference_wave_note(acquisition: Acquisition) -> Acquisition:
    match acquisition.instrument.reference_wave:
        case None:
            return acquisition.with_note(
                "What the object wave interferes with is not stated; a separate, clean "
                "reference wave is assumed. Set reference_wave if it is the object's "
                "own light: plain four-step phase is then wrong."
            )
        case ReferenceWave.POINT_DIFFRACTION:
            return acquisition.with_note(
                "The reference wave is the object's own low-passed light: cells have "
                "a halo and lose dry mass (about a fifth for a lone cell, if the "
                "pinhole passes periods of 60 um)."
            )
    return acquisition


def _saturation_level(acquisition: Acquisition) -> float | None:
    """Return the saturating raw value; for unknown depth, the type's largest."""
    level = acquisition.saturation_level
    if level is None and acquisition.dtype.kind in "ui":
        return float(np.iinfo(acquisition.dtype).max)
    return level


def _spread(n_frames: int, count: int) -> list[int]:
    return sorted({int(t) for t in np.linspace(0, n_frames - 1, count)})


def _settle_invalid(found: Fringes) -> None:
    """Give pixels that NaN or infinite raw values reached quality and amplitude 0."""
    invalid = ~np.isfinite(found.wrapped) | ~np.isfinite(found.quality)
    if invalid.any():
        found.wrapped[invalid] = np.nan
        found.amplitude[invalid] = 0
        found.quality[invalid] = 0


def _merged(finishing: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return one frame's notes; two warnings become one text."""
    if "warning" in finishing and "warning" in own:
        own = own | {"warning": f"{own['warning']} {finishing['warning']}"}
    return finishing | own
