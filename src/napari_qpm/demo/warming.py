"""Compile every fast kernel into numba's cache by doing small jobs with each engine."""

import tempfile
import time
from pathlib import Path

import numpy as np

from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.pipeline import EngineStep, Pipeline, run_pipeline
from napari_qpm.registry import Entry
from napari_qpm.retrieval.engine import Unwrapping
from napari_qpm.retrieval.engines import PHASE_ENGINES
from napari_qpm.retrieval.intensity_transport import warm as warm_transport
from napari_qpm.segmentation.outlines import outline_labels
from napari_qpm.specimens import KINDS, simulate

__all__ = ["warm_kernels"]

FRAME_PX = 256
SLOW_ENGINES = ("qpretrieve",)
"""Engines of other packages: nothing of ours to compile."""


def warm_kernels(
    token: CancelToken | None = None, report: ReportProgress | None = None
) -> dict[str, float]:
    """Run every engine once on a small sample; return seconds for each.

    Quality-guided unwrapping is asked for as well, because a clean sample alone would
    leave those kernels cold.
    """
    token = token or CancelToken()
    names = [entry for entry in PHASE_ENGINES if entry.name not in SLOW_ENGINES]
    names = [entry for entry in names if entry.modality in KINDS]
    names = [entry for entry in names if _unwraps(entry)]
    seconds: dict[str, float] = {}
    for done, entry in enumerate(names):
        token.raise_if_cancelled()
        if report is not None:
            report(Progress(done, len(names), "engines", "Compiling kernels"))
        started = time.perf_counter()
        sample = simulate(entry.modality, n_frames=2, shape=(FRAME_PX, FRAME_PX))
        for unwrapping in (Unwrapping.AUTO, Unwrapping.QUALITY):
            step = EngineStep(
                engine=entry.name,
                parameters={"unwrapping": unwrapping.value, "background": "quadratic"},
            )
            with tempfile.TemporaryDirectory() as folder:
                run_pipeline(
                    Pipeline(retrieve=step), sample.acquisition, Path(folder), token
                )
        seconds[entry.name] = time.perf_counter() - started
    warm_transport()
    outline_labels(np.eye(3, dtype=np.int32), 1)
    if report is not None:
        report(Progress(len(names), len(names), "engines", "Compiling kernels"))
    return seconds


def _unwraps(entry: Entry) -> bool:
    """Return whether an engine unwraps, and so has kernels of ours to compile."""
    return "unwrapping" in entry.load().Parameters.model_fields
