"""One frame as the viewer may want to see it: phase, cells, and what led to them.

A `FrameMaker` is bound to one recording and one set of settings; what it makes depends
on nothing else, so that results can be kept under its keys. Free of Qt and napari.
"""

import json
import threading
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken

if TYPE_CHECKING:
    from napari_qpm.pipeline import Pipeline
    from napari_qpm.pipeline.steps import Retrieval

__all__ = ["FrameMaker", "Kind", "log_spectrum"]

SPECTRUM_SIDE = 512
"""Longest side [px] of a spectrum that is shown; peaks survive the reduction."""


class Kind(StrEnum):
    """What can be seen of a frame."""

    PHASE = "phase"
    """As *Retrieve phase* gives it."""
    CELLS = "cells"
    """As *Segment cells* gives them."""
    WRAPPED = "wrapped"
    """Phase between -pi and pi, before unwrapping."""
    UNWRAPPED = "unwrapped"
    """Unwrapped phase with its background."""
    BACKGROUND = "background"
    """Surface that was fitted and subtracted."""
    EMPTY = "empty"
    """Empty field that the background was fitted to."""
    AMPLITUDE = "amplitude"
    """Modulus of the object wave."""
    QUALITY = "quality"
    """Reliability of the phase, 0 to 1."""
    OPD = "opd"
    """Optical path difference [nm]."""
    SPECTRUM = "spectrum"
    """Logarithm of the raw frame's spectrum, zero frequency in the middle."""


class FrameMaker:
    """Makes pictures of single frames.

    Parameters
    ----------
    pipeline
        Settings of all steps.
    acquisition
        The recording.
    """

    def __init__(self, pipeline: "Pipeline", acquisition: Acquisition):
        self.pipeline, self.acquisition = pipeline, acquisition
        described = pipeline.to_dict()
        source = f"{id(acquisition.source)}"
        self._raw_key = source
        facts = [
            described["modality"],
            described["retrieve"],
            {**acquisition.instrument.to_dict(), **described["instrument"]},
            id(acquisition.reference),
        ]
        self._phase_key = f"{source} {json.dumps(facts, default=str)}"
        self._cells_key = f"{self._phase_key} {json.dumps(described['segment'])}"
        self._lock = threading.Lock()
        self._retrieval: Retrieval | None = None
        self._last: tuple[int, PhaseMap] | None = None
        self.notes: dict[int, dict[str, Any]] = {}

    def key(self, kind: Kind) -> str:
        """Return what a picture of this kind depends on, beside the frame's number."""
        if kind is Kind.SPECTRUM:
            return f"{kind} {self._raw_key}"
        settings = self._cells_key if kind is Kind.CELLS else self._phase_key
        return f"{kind} {settings}"

    @property
    def context(self) -> PhaseMap | None:
        """The last phase that was made: its grid, unit and recording."""
        last = self._last
        return None if last is None else last[1]

    def make(
        self, kind: Kind, t: int, token: CancelToken, phase: Any = None
    ) -> NDArray[Any]:
        """Return one picture ``(Y, X)`` of frame `t`.

        Parameters
        ----------
        phase
            The frame's phase, if it is at hand, for its cells.

        Raises
        ------
        QPMError
            It cannot be made; the sentence says why.
        JobCancelled
            `token` was cancelled.
        """
        token.raise_if_cancelled()
        if kind is Kind.SPECTRUM:
            return log_spectrum(self.acquisition.read(t)[0])
        if kind is Kind.CELLS:
            return self._cells(t, token, phase)
        phase_map = self.phase_map(t, token)
        match kind:
            case Kind.PHASE:
                return phase_map.read(0)
            case Kind.OPD:
                return phase_map.read(0) * np.float32(phase_map.opd_nm_per_unit())
            case Kind.UNWRAPPED:
                return self._unwrapped(t, token)
            case Kind.BACKGROUND:
                return self._unwrapped(t, token) - phase_map.read(0)
            case Kind.EMPTY:
                return self._empty_field(phase_map)
        companion = {
            Kind.WRAPPED: phase_map.wrapped,
            Kind.AMPLITUDE: phase_map.amplitude,
            Kind.QUALITY: phase_map.quality,
        }[kind]
        if companion is None:
            raise QPMError(
                f"This method gives no {kind.value} for such recordings; choose "
                "another layer to show."
            )
        return np.asarray(companion[0], np.float32)

    def phase_map(self, t: int, token: CancelToken) -> PhaseMap:
        """Return the phase of frame `t` with its companions, ``(1, Y, X)``."""
        with self._lock:
            if self._last is not None and self._last[0] == t:
                return self._last[1]
            if self._retrieval is None:
                from napari_qpm.pipeline import retrieve_step

                self._retrieval = retrieve_step(self.pipeline, self.acquisition, token)
            phase_map = self._retrieval.frame(t, token)
            notes = dict(phase_map.frame_notes[0]) if phase_map.frame_notes else {}
            if "problem" in notes:
                raise QPMError(str(notes["problem"]))
            self.notes[t] = notes
            self._last = t, phase_map
            return phase_map

    def _cells(self, t: int, token: CancelToken, phase: Any) -> NDArray[np.int32]:
        from napari_qpm.pipeline import segment_step
        from napari_qpm.pipeline.steps import one_frame

        context = self.context
        if phase is None or context is None:
            context = self.phase_map(t, token)
            phase = context.read(0)
        return segment_step(self.pipeline).frame(one_frame(context, phase, t), 0, token)

    def _unwrapped(self, t: int, token: CancelToken) -> NDArray[np.float32]:
        from napari_qpm.retrieval import make_phase_engine

        self.phase_map(t, token)
        with self._lock:
            retrieval = self._retrieval
        assert retrieval is not None
        parameters = retrieval.engine.parameters.model_dump(mode="json")
        if "background" not in parameters:
            raise QPMError(
                f"{retrieval.engine.title} leaves no background to subtract; its "
                "phase is what the method gives."
            )
        parameters["background"] = "none"
        engine = make_phase_engine(retrieval.engine.name, **parameters)
        return replace(retrieval, engine=engine).frame(t, token).read(0)

    def _empty_field(self, phase_map: PhaseMap) -> NDArray[np.float32]:
        """Return 1 where the background was fitted and 0 in cells."""
        from napari_qpm.retrieval.background import fit_background
        from napari_qpm.retrieval.engine import Background

        phase = phase_map.read(0)
        mask = fit_background(phase, Background.QUADRATIC).mask
        rows = np.arange(phase.shape[0]) * mask.shape[0] // phase.shape[0]
        columns = np.arange(phase.shape[1]) * mask.shape[1] // phase.shape[1]
        return mask[np.ix_(rows, columns)].astype(np.float32)


def log_spectrum(frame: NDArray[Any]) -> NDArray[np.float32]:
    """Return the decadic logarithm of the amplitude spectrum of a frame ``(Y, X)``.

    Zero frequency is in the middle; sides above 512 px are reduced, each pixel showing
    the strongest of those it stands for.
    """
    image = np.nan_to_num(np.asarray(frame, np.float32))
    image = image - image.mean(dtype=np.float64).astype(np.float32)
    window = [np.hanning(n).astype(np.float32) for n in image.shape]
    half = np.abs(scipy.fft.rfft2(image * window[0][:, None] * window[1]))
    ny, nx = image.shape
    full = np.empty((ny, nx), np.float32)
    n_half = half.shape[1]
    full[:, :n_half] = half
    # A real frame's spectrum is even: F(-ky, -kx) is the conjugate of F(ky, kx).
    mirrored = np.roll(half[::-1], 1, axis=0)
    full[:, n_half:] = mirrored[:, nx - n_half : 0 : -1]
    shifted = np.fft.fftshift(full)
    steps = [max(1, -(-n // SPECTRUM_SIDE)) for n in shifted.shape]
    rows, columns = (n // step for n, step in zip(shifted.shape, steps, strict=True))
    blocks = shifted[: rows * steps[0], : columns * steps[1]]
    blocks = blocks.reshape(rows, steps[0], columns, steps[1])
    return np.log10(1 + blocks.max(axis=(1, 3))).astype(np.float32)
