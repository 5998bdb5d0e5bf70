"""Frames to phase: classical and (later) neural engines behind one protocol.

`retrieve` is the one way in. Engines are stateless per frame: `resolve` looks at a few
frames once and fills what the instrument leaves open (sideband, sign), so that every
frame is then treated alike, lazily and in any order.
"""

from napari_qpm.retrieval.engine import PhaseEngine, PhaseParameters
from napari_qpm.retrieval.engines import PHASE_ENGINES, make_phase_engine
from napari_qpm.retrieval.lazy import retrieve
from napari_qpm.retrieval.series import stabilise

__all__ = [
    "PHASE_ENGINES",
    "PhaseEngine",
    "PhaseParameters",
    "make_phase_engine",
    "retrieve",
    "stabilise",
]
