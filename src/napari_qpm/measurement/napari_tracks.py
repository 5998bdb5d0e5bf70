"""Linked cells as the arrays that a napari Tracks layer takes; napari is not needed."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError

__all__ = ["to_napari_tracks"]


def to_napari_tracks(
    table: pd.DataFrame,
) -> tuple[NDArray[np.float64], dict[int, list[int]], dict[str, NDArray[Any]]]:
    """Return data, graph and properties of a Tracks layer.

    Parameters
    ----------
    table
        Linked, with positions in pixels.

    Returns
    -------
    data
        ``(n, 4)``: track, frame, y and x in pixels of the phase map, ordered by track
        and frame. Scale the layer like the phase.
    graph
        ``{track: [mother]}`` of the daughters.
    properties
        ``(n,)`` arrays of the columns that are numbers or flags.

    Raises
    ------
    LayoutError
        The table is not linked, or has no positions in pixels.
    """
    needed = ["track_id", "frame", "centroid_y_px", "centroid_x_px"]
    absent = [name for name in needed if name not in table.columns]
    if absent:
        raise LayoutError(
            f"The table lacks {', '.join(absent)}. Give a table that measure has made "
            "and link has linked."
        )
    ordered = table.sort_values(["track_id", "frame"], kind="stable")
    births = ordered.drop_duplicates("track_id")
    births = births[births["parent_id"] > 0]
    pairs = zip(births["track_id"].tolist(), births["parent_id"].tolist(), strict=True)
    numeric = ordered.select_dtypes(include=["number", "bool"])
    return (
        ordered[needed].to_numpy(np.float64),
        {int(track): [int(parent)] for track, parent in pairs},
        {str(name): numeric[name].to_numpy() for name in numeric.columns},
    )
