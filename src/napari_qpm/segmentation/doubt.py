"""How much the cells of a frame are in doubt, to choose which frames to correct."""

from napari_qpm.acquisition import PhaseMap
from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation.engine import SegmentationEngine
from napari_qpm.segmentation.engines import make_segmentation_engine
from napari_qpm.segmentation.scores import disagreement

__all__ = ["doubt"]


def doubt(engine: SegmentationEngine, phase_map: PhaseMap, token: CancelToken) -> float:
    """Return how differently an engine and its second opinion outline a frame, 0 to 1.

    The default engine gives it where an engine has none.

    Parameters
    ----------
    engine
        What finds the cells.
    phase_map
        One frame, ``(1, Y, X)``.
    token
        Checked between tiles.
    """
    first = engine.segment(phase_map, token)
    other = engine.second_opinion() or make_segmentation_engine()
    return disagreement(first[0], other.segment(phase_map, token)[0])
