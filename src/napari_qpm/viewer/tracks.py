"""Linked cells as a napari Tracks layer: ways, lineage, and what colours them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role, unwrap
from napari_qpm.viewer.layers import layer_name
from napari_qpm.viewer.results import bright_colors, cells_geometry, present
from napari_qpm.viewer.titles import title_of

if TYPE_CHECKING:
    import pandas as pd
    from napari.components import ViewerModel

__all__ = ["TRACK", "show_tracks"]

TRACK = "track_id"
COLUMNS = ("dry_mass_pg", "growth_pg_h", "sgr_1_h", "speed_um_min", "area_um2")
"""What tracks can be coloured by, besides their number."""
LINE_WIDTH = 3
LONGEST_TAIL = 300
"""As long as napari's own slider allows."""


def show_tracks(viewer: "ViewerModel", field: FieldOfView) -> None:
    """Show the ways of the linked cells of a field's table; nothing without links.

    Tracks that are shown already are replaced in their layer, coloured as they were.
    """
    table = field.table
    if table is None or TRACK not in table.columns or not len(table):
        return
    from napari_qpm.measurement import to_napari_tracks

    data, graph, _ = to_napari_tracks(table)
    features = _features(table)
    layer = present(viewer, field, Role.TRACKS)
    if layer is None:
        _add(viewer, field, data, graph, features)
        return
    color_by = layer.color_by
    layer.color_by = TRACK
    layer.graph = {}
    layer.data = data
    layer.features = features
    layer.graph = graph
    if color_by in features:
        layer.color_by = color_by
    placed = cells_geometry(field)
    layer.scale, layer.translate = placed["scale"], placed["translate"]
    layer.metadata[METADATA_KEY] = field.record(Role.TRACKS)


def _add(
    viewer: "ViewerModel",
    field: FieldOfView,
    data: Any,
    graph: dict[int, list[int]],
    features: "pd.DataFrame",
) -> None:
    from napari.layers import Tracks

    before = unwrap(viewer.layers.selection.active)
    layer = Tracks(
        data,
        graph=graph,
        features=features,
        color_by=TRACK,
        colormaps_dict={TRACK: _ByNumber()},
        tail_width=LINE_WIDTH,
        tail_length=min(max(field.acquisition.n_frames, 2), LONGEST_TAIL),
        name=layer_name(field, Role.TRACKS),
        metadata={METADATA_KEY: field.record(Role.TRACKS)},
        **cells_geometry(field),
    )
    field.attach(Role.TRACKS, layer)
    viewer.add_layer(layer)
    if before is not None and before in viewer.layers:
        # The cells stay at hand: tracks are looked at, cells are edited.
        viewer.layers.selection.active = before


def _features(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return what tracks can be coloured by, under titles, in the order of the data.

    napari scales colours from the lowest to the highest value and knows no missing
    ones; these take the median of their track, or of all.
    """
    import pandas as pd

    ordered = table.sort_values([TRACK, "frame"], kind="stable")
    columns: dict[str, Any] = {TRACK: ordered[TRACK].to_numpy()}
    for name in COLUMNS:
        if name not in ordered.columns:
            continue
        values = ordered[name].where(np.isfinite(ordered[name]))
        if values.notna().any():
            own = values.groupby(ordered[TRACK]).transform("median")
            columns[title_of(name)] = (
                values.fillna(own).fillna(values.median()).to_numpy()
            )
    return pd.DataFrame(columns)


class _ByNumber:
    """Colours of tracks by their number, the same as those of their cells."""

    def __init__(self) -> None:
        self._colors = bright_colors()

    def map(self, numbers: Any) -> Any:
        """Return ``(n, 4)`` colours of track numbers."""
        return self._colors.map(np.asarray(numbers).astype(np.int64))
