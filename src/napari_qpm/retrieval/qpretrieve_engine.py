"""qpretrieve, the field's reference for off-axis holograms, behind our protocol.

It gives the wrapped phase at full resolution; sideband, sign, unwrapping and background
are ours, so that a comparison shows the demodulation alone.
"""

import threading
import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.engine import PhaseParameters
from napari_qpm.retrieval.finishing import finish_phase
from napari_qpm.retrieval.off_axis_engine import (
    FourierEngine,
    FourierParameters,
    Grid,
    SidebandParameters,
)
from napari_qpm.retrieval.refocusing import RefocusParameters, refocus

__all__ = ["QpretrieveEngine", "QpretrieveParameters"]

# Its choice of FFT library and its FFT cache are global to the process.
_lock = threading.Lock()


class QpretrieveParameters(SidebandParameters, RefocusParameters):
    """Parameters passed on to qpretrieve."""

    padding: int = Field(
        2,
        ge=1,
        le=3,
        title="Zero padding",
        description="qpretrieve's order of zero padding before the transform.",
    )


class QpretrieveEngine:
    """Phase of off-axis holograms by qpretrieve.

    Parameters
    ----------
    parameters
        Filter, padding, unwrapping and background.
    """

    name: ClassVar[str] = "qpretrieve"
    title: ClassVar[str] = "qpretrieve (reference)"
    modality: ClassVar[Modality] = Modality.OFF_AXIS
    Parameters: ClassVar[type[PhaseParameters]] = QpretrieveParameters

    def __init__(self, parameters: QpretrieveParameters | None = None):
        self.parameters: QpretrieveParameters = parameters or QpretrieveParameters()

    def resolve(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with sideband and sign, found as by our engine."""
        radius = self.parameters.filter_radius
        ours = FourierParameters(filter_radius=radius, grid=Grid.CROPPED)
        return FourierEngine(ours).resolve(acquisition, token)

    def retrieve(
        self, frames: NDArray[Any], acquisition: Acquisition, token: CancelToken
    ) -> PhaseMap:
        """Return the phase of holograms ``(N, 1, Y, X)`` on the camera's grid."""
        token.raise_if_cancelled()
        field = self._field(frames[:, 0], acquisition)
        if acquisition.reference is not None:
            field = field / self._field(acquisition.reference, acquisition)
        sign = acquisition.instrument.phase_sign or 1
        wrapped, amplitude, foci = refocus(
            (sign * np.angle(field)).astype(np.float32),
            np.abs(field).astype(np.float32),
            acquisition,
            self.parameters,
            (1.0, 1.0),
            token,
        )
        finished = finish_phase(wrapped, self.parameters, token=token)
        return PhaseMap(
            phase=finished.phase,
            acquisition=acquisition,
            wrapped=wrapped,
            amplitude=amplitude,
            frame_notes=tuple(
                found | focus for found, focus in zip(finished.notes, foci, strict=True)
            ),
        )

    def _field(
        self, frames: NDArray[Any], acquisition: Acquisition
    ) -> NDArray[np.complex128]:
        """Return the complex field of holograms ``(N, Y, X)``."""
        carrier = acquisition.instrument.require(
            "sideband_cycles_per_px", "Demodulation", acquisition.name
        )
        with _lock, warnings.catch_warnings():
            # It warns of every optional FFT library that is not installed.
            warnings.simplefilter("ignore")
            from qpretrieve.interfere import OffAxisHologram

            hologram = OffAxisHologram(
                np.asarray(frames, dtype=np.float64), padding=self.parameters.padding
            )
            hologram.run_pipeline(
                filter_name="disk",
                filter_size=self.parameters.filter_radius,
                sideband_freq=carrier,
            )
            return np.asarray(hologram.field)
