"""Labels of a whole recording, made frame by frame when they are asked for."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap
from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation.engine import SegmentationEngine
from napari_qpm.segmentation.engines import make_segmentation_engine

if TYPE_CHECKING:
    import dask.array as da

__all__ = ["segment"]

_COMPANIONS = ("wrapped", "amplitude", "quality", "standard_deviation")


def segment(
    phase_map: PhaseMap, engine: str = "watershed", **params: Any
) -> "da.Array":
    """Return lazy labels ``(T, Y, X)`` int32 of a recording, one chunk a frame.

    Parameters
    ----------
    phase_map
        Phase, in memory or lazy.
    engine
        Name in `SEGMENTATION_ENGINES`.
    **params
        Parameters of that engine; what is left out keeps its default.

    Raises
    ------
    UnknownNameError
        No engine or parameter has this name.
    ParameterError
        A value is out of bounds.
    """
    import dask.array as da

    segmenter = make_segmentation_engine(engine, **params)
    wanted = [n for n in segmenter.companions if getattr(phase_map, n) is not None]
    names = ["phase", *wanted]
    frames = [_one_chunk_a_frame(getattr(phase_map, name)) for name in names]
    # The blocks bring the pixels; the context must not carry the whole graph along.
    context = phase_map.replace(
        phase=np.empty((0, *phase_map.shape[1:]), np.float32),
        frame_notes=(),
        **dict.fromkeys(_COMPANIONS),
    )
    return da.map_blocks(
        _segment_blocks,
        *frames,
        names=tuple(names),
        context=context,
        segmenter=segmenter,
        dtype=np.int32,
        meta=np.empty((0, 0, 0), np.int32),
    )


def _one_chunk_a_frame(array: Any) -> "da.Array":
    import dask.array as da

    shape = (1, *array.shape[1:])
    if isinstance(array, da.Array):
        return array.rechunk(shape)
    return da.from_array(array, chunks=shape)


def _segment_blocks(
    *blocks: NDArray[np.float32],
    names: tuple[str, ...],
    context: PhaseMap,
    segmenter: SegmentationEngine,
    block_id: tuple[int, ...],
) -> NDArray[np.int32]:
    first = context.first_frame + block_id[0]
    values = dict(zip(names, blocks, strict=True))
    frames = context.replace(first_frame=first, **values)
    return segmenter.segment(frames, CancelToken())
