"""The steps of a pipeline on one recording, for one frame or for all of them.

Viewer, command line and batch runs all call engines through these, so that a frame
looks the same whoever asked for it. All of it can be pickled and sent to a cluster.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.errors import ParameterError
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.measurement import MeasurementParameters, link, measure
from napari_qpm.pipeline.description import DEFAULT_SEGMENTATION, Pipeline
from napari_qpm.provenance import Step
from napari_qpm.retrieval import PhaseEngine, make_phase_engine, stabilise
from napari_qpm.retrieval.engines import default_engine
from napari_qpm.retrieval.lazy import lazy_phase, retrieval_step, settle, with_level
from napari_qpm.segmentation import (
    SegmentationEngine,
    doubt,
    make_segmentation_engine,
    segment,
)

__all__ = [
    "Retrieval",
    "Segmentation",
    "link_step",
    "measure_step",
    "retrieve_step",
    "segment_step",
]


@dataclass(frozen=True)
class Retrieval:
    """A phase engine bound to a recording whose open questions it has settled.

    Parameters
    ----------
    engine
        The engine with its parameters.
    acquisition
        The recording; its instrument holds what the engine found (sideband, sign).
    """

    engine: PhaseEngine
    acquisition: Acquisition

    @property
    def step(self) -> Step:
        """Provenance of this retrieval."""
        return retrieval_step(self.engine)

    def frame(self, t: int, token: CancelToken | None = None) -> PhaseMap:
        """Return the phase of frame `t` alone, in memory, ``(1, Y, X)``."""
        return self.of_frame(self.acquisition.read(t), token)

    def of_frame(self, raw: NDArray[Any], token: CancelToken | None = None) -> PhaseMap:
        """Return the phase of a raw frame ``(C, Y, X)`` in memory, ``(1, Y, X)``."""
        token = token or CancelToken()
        phase_map = self.engine.retrieve(raw[None], self.acquisition, token)
        return phase_map.replace(
            frame_notes=tuple(
                with_level(note, self.acquisition) for note in phase_map.frame_notes
            )
        )

    def lazy(self, token: CancelToken | None = None) -> PhaseMap:
        """Return the phase of all frames, each computed when it is read."""
        return lazy_phase(self.engine, self.acquisition, token or CancelToken())


@dataclass(frozen=True)
class Segmentation:
    """A segmentation engine with its parameters.

    Parameters
    ----------
    name, parameters
        As registered, and what differs from the defaults.
    """

    name: str
    parameters: dict[str, Any]

    @property
    def step(self) -> Step:
        """Provenance of this segmentation."""
        parameters = self._engine.parameters.model_dump(mode="json")
        return Step("segment", self.name, parameters)

    @property
    def _engine(self) -> SegmentationEngine:
        return make_segmentation_engine(self.name, **self.parameters)

    def frame(
        self, phase_map: PhaseMap, t: int, token: CancelToken | None = None
    ) -> NDArray[np.int32]:
        """Return the labels ``(Y, X)`` of frame `t`."""
        labels = self._engine.segment(_alone(phase_map, t), token or CancelToken())
        return np.asarray(labels[0], np.int32)

    def doubt(self, phase_map: PhaseMap, t: int, token: CancelToken) -> float:
        """Return how much the cells of frame `t` are in doubt, 0 to 1."""
        return doubt(self._engine, _alone(phase_map, t), token)

    def lazy(self, phase_map: PhaseMap) -> Any:
        """Return the labels ``(T, Y, X)`` as dask, one chunk a frame."""
        return segment(phase_map, engine=self.name, **self.parameters)


def retrieve_step(
    pipeline: Pipeline, acquisition: Acquisition, token: CancelToken | None = None
) -> Retrieval:
    """Return the pipeline's phase engine, ready for the frames of a recording.

    A few frames are read to settle what the instrument leaves open.
    """
    prepared = pipeline.prepare(acquisition)
    name = pipeline.retrieve.engine or default_engine(prepared)
    engine = make_phase_engine(name, **pipeline.retrieve.parameters)
    return Retrieval(engine, settle(engine, prepared, token or CancelToken()))


def retrieve_series(
    pipeline: Pipeline,
    acquisition: Acquisition,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> PhaseMap:
    """Return the lazy phase of a recording, made consistent if the pipeline says so.

    A stabilised series reads every frame once, here.
    """
    phase_map = retrieve_step(pipeline, acquisition, token).lazy(token)
    if not pipeline.stabilise:
        return phase_map
    return stabilise(phase_map, token, report)


def segment_step(pipeline: Pipeline) -> Segmentation:
    """Return the pipeline's segmentation engine."""
    step = pipeline.segment
    if step is None:
        raise ParameterError("This pipeline has no segmentation step; add one.")
    return Segmentation(step.engine or DEFAULT_SEGMENTATION, step.parameters)


def measure_step(
    pipeline: Pipeline,
    phase_map: PhaseMap,
    labels: Any,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> pd.DataFrame:
    """Return the table of cells, one row a cell and frame.

    The rows name the pipeline's segmentation unless the phase names another one.
    """
    if pipeline.measure is None:
        raise ParameterError("This pipeline has no measurement step; add one.")
    if all(step.name != "segment" for step in phase_map.history):
        segmented = segment_step(pipeline).step
        phase_map = phase_map.replace(history=(*phase_map.history, segmented))
    return measure(phase_map, labels, token=token, report=report, **pipeline.measure)


def link_step(
    pipeline: Pipeline,
    table: pd.DataFrame,
    labels: Any,
    token: CancelToken | None = None,
) -> pd.DataFrame:
    """Return the table of cells with their tracks and growth."""
    if pipeline.link is None:
        raise ParameterError("This pipeline does not link cells; add link.")
    return link(table, labels, token=token, **pipeline.link)


def measurement_parameters(pipeline: Pipeline) -> MeasurementParameters:
    """Return the parameters of the measurement step."""
    return MeasurementParameters.parse(pipeline.measure or {})


def one_frame(phase_map: PhaseMap, phase: NDArray[np.float32], t: int = 0) -> PhaseMap:
    """Return a map of frame `t` ``(Y, X)`` with the context of its series."""
    return phase_map.replace(
        phase=phase[None],
        first_frame=t,
        wrapped=None,
        amplitude=None,
        quality=None,
        standard_deviation=None,
        frame_notes=(),
    )


def _alone(phase_map: PhaseMap, t: int) -> PhaseMap:
    return one_frame(phase_map, phase_map.read(t), phase_map.first_frame + t)
