"""napari's reader hook: raw recordings open as calibrated, lazy layers.

`get_reader` answers None for whatever is not ours, and never raises, so that other
plugins keep their files.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_qpm.viewer.layers import LayerTuple, recording_layer

__all__ = ["get_reader", "read_recordings"]

logger = logging.getLogger(__name__)

PathLike = str | Path
Reader = Callable[[PathLike | Sequence[PathLike]], list[LayerTuple]]


def get_reader(path: PathLike | Sequence[PathLike]) -> Reader | None:
    """Return a reader when every path is a recording of ours, else None."""
    from napari_qpm.io import is_ours

    try:
        ours = all(is_ours(one) for one in _as_paths(path))
    except Exception:
        logger.debug("Could not examine %s", path, exc_info=True)
        return None
    return read_recordings if ours else None


def read_recordings(path: PathLike | Sequence[PathLike]) -> list[LayerTuple]:
    """Return one Image layer for each field of view in these files or folders."""
    from napari_qpm.io import open_all

    layers: list[LayerTuple] = []
    for one in _as_paths(path):
        layers += [recording_layer(acquisition) for acquisition in open_all(one)]
    return layers


def _as_paths(path: PathLike | Sequence[PathLike] | Any) -> list[Path]:
    paths = [path] if isinstance(path, str | Path) else list(path)
    return [Path(one) for one in paths]
