"""Retrieve, segment, measure, link as one description that all front ends run.

`Pipeline` says what to do, `run_pipeline` does it on one recording and `run_batch` on
several; `retrieve_step`, `segment_step`, `measure_step` and `link_step` are its steps
one by one.
"""

from napari_qpm.pipeline.batch import BatchResult, run_batch
from napari_qpm.pipeline.description import EngineStep, Pipeline, PipelineError
from napari_qpm.pipeline.run import RunResult, run_pipeline
from napari_qpm.pipeline.saving import save
from napari_qpm.pipeline.script import to_python
from napari_qpm.pipeline.steps import (
    link_step,
    measure_step,
    retrieve_step,
    segment_step,
)

__all__ = [
    "BatchResult",
    "EngineStep",
    "Pipeline",
    "PipelineError",
    "RunResult",
    "link_step",
    "measure_step",
    "retrieve_step",
    "run_batch",
    "run_pipeline",
    "save",
    "segment_step",
    "to_python",
]
