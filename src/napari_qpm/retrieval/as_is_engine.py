"""Phase that was retrieved elsewhere passes through, in radians if that is known."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap, PhaseUnit
from napari_qpm.errors import LayoutError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.chosen_background import fit_chosen_background
from napari_qpm.retrieval.engine import Background, PhaseParameters, Unwrapping

__all__ = ["AsIsEngine", "AsIsParameters"]


class AsIsParameters(PhaseParameters):
    """By default nothing is done to phase that somebody else retrieved."""

    unwrapping: Unwrapping = Field(
        Unwrapping.NONE,
        title="Unwrapping",
        description="Only for phase that was stored wrapped.",
    )
    background: Background = Field(
        Background.NONE,
        title="Background",
        description="Shape of the empty background that is fitted outside the cells "
        "and subtracted.",
    )


class AsIsEngine:
    """Passes phase images through.

    Parameters
    ----------
    parameters
        Optional unwrapping and background.
    """

    name: ClassVar[str] = "as-is"
    title: ClassVar[str] = "Phase as recorded"
    modality: ClassVar[Modality] = Modality.PHASE
    Parameters: ClassVar[type[PhaseParameters]] = AsIsParameters

    def __init__(self, parameters: PhaseParameters | None = None):
        self.parameters = parameters or AsIsParameters()

    def resolve(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with its unit settled, if only as unknown."""
        if acquisition.shape[1] != 1:
            raise LayoutError(
                f"Phase images have one channel; {acquisition.name!r} has "
                f"{acquisition.shape[1]}."
            )
        if acquisition.instrument.phase_unit is not None:
            return acquisition
        return acquisition.with_instrument(phase_unit=PhaseUnit.UNKNOWN).with_note(
            "The unit of these phase images is not stated: shapes are measured, "
            "picograms are not. Set phase_unit to rad, waves, nm, um or pg/um2."
        )

    def retrieve(
        self, frames: NDArray[Any], acquisition: Acquisition, token: CancelToken
    ) -> PhaseMap:
        """Return the frames ``(N, 1, Y, X)`` as phase."""
        values = np.asarray(frames[:, 0], dtype=np.float32)
        unit = acquisition.instrument.phase_unit or PhaseUnit.UNKNOWN
        values, unit = _to_radians(values, unit, acquisition.instrument.wavelength_nm)
        if acquisition.instrument.phase_sign == -1:
            values = -values
        parameters, notes = self.parameters, []
        result = np.empty_like(values)
        for n, frame in enumerate(values):
            token.raise_if_cancelled()
            result[n], note = _process(frame, parameters, unit)
            notes.append(note)
        return PhaseMap(
            phase=result, acquisition=acquisition, unit=unit, frame_notes=tuple(notes)
        )


def _to_radians(
    values: NDArray[np.float32], unit: PhaseUnit, wavelength_nm: float | None
) -> tuple[NDArray[np.float32], PhaseUnit]:
    """Return values in radians where that needs nothing unknown, else as they are."""
    two_pi = 2 * np.pi
    match unit:
        case PhaseUnit.WAVES:
            return values * np.float32(two_pi), PhaseUnit.RADIANS
        case PhaseUnit.NANOMETRES if wavelength_nm:
            return values * np.float32(two_pi / wavelength_nm), PhaseUnit.RADIANS
        case PhaseUnit.MICROMETRES if wavelength_nm:
            factor = np.float32(two_pi * 1000 / wavelength_nm)
            return values * factor, PhaseUnit.RADIANS
    return values, unit


def _process(
    frame: NDArray[np.float32], parameters: PhaseParameters, unit: PhaseUnit
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    note: dict[str, Any] = {}
    if not np.isfinite(frame).any():
        return frame, {"problem": "The frame holds no finite value."}
    if parameters.unwrapping is not Unwrapping.NONE and unit is PhaseUnit.RADIANS:
        from napari_qpm.retrieval.unwrapping import unwrap

        unwrapped = unwrap(frame, parameters.unwrapping)
        frame = unwrapped.phase
        note |= {"unwrapping": unwrapped.method, "residues": unwrapped.n_residues}
    if parameters.background is not Background.NONE:
        fit = fit_chosen_background(
            frame, parameters.background, parameters.background_order
        )
        frame = frame - fit.surface.evaluate(frame.shape)
        note["background_share"] = fit.share
        if unit is PhaseUnit.RADIANS:
            note["background_noise_rad"] = fit.noise
    return frame, note
