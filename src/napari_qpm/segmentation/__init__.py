"""Phase to cells: engines that turn phase into one integer label per cell.

`segment` is the one way in. Engines are stateless per frame, so frames can be made
lazily, in any order and on any machine.
"""

from napari_qpm.segmentation.annotated import AnnotatedFrame, annotated_frames
from napari_qpm.segmentation.doubt import doubt
from napari_qpm.segmentation.engine import SegmentationEngine
from napari_qpm.segmentation.engines import (
    SEGMENTATION_ENGINES,
    make_segmentation_engine,
)
from napari_qpm.segmentation.lazy import segment

__all__ = [
    "SEGMENTATION_ENGINES",
    "AnnotatedFrame",
    "SegmentationEngine",
    "annotated_frames",
    "doubt",
    "make_segmentation_engine",
    "segment",
]
