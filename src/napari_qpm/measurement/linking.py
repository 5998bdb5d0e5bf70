"""`link`: which cell is which over time, and which cells are daughters of which.

laptrack solves the assignment (Jaqaman 2008). A link costs the squared distance, in
units of the farthest move, plus the squared change of log mass, in units of the largest
change; it is possible below a sum of 1. A dividing cell loses half its mass at once, so
with mass a division is two cells of half the mass, not a cell that happens to appear.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError, MissingMetadataError, ParameterError
from napari_qpm.jobs import CancelToken
from napari_qpm.measurement.columns import LINK_COLUMNS
from napari_qpm.measurement.growth import growth_columns
from napari_qpm.measurement.link_costs import LinkCosts
from napari_qpm.measurement.linking_parameters import LinkingParameters
from napari_qpm.measurement.overlap import label_overlaps

__all__ = ["link"]

_START_OR_END_COST = 1.0
"""As much as the dearest link, so that every possible link beats an end and a start."""
_NO_MASS = (
    "The table has no mass, so cells were linked by distance alone and divisions are "
    "not checked for the conservation of mass."
)
_UNKNOWN_MASS = (
    "{count} rows have no positive mass; they were linked as cells of typical mass."
)


def link(
    table: pd.DataFrame,
    labels: Any = None,
    parameters: LinkingParameters | None = None,
    *,
    token: CancelToken | None = None,
    **params: Any,
) -> pd.DataFrame:
    """Return the table with the track, the mother and the growth of every cell.

    Parameters
    ----------
    table
        One row a cell and frame, as `measure` gives it. Linked by micrometres where
        the table has them, else by pixels; with mass where it has any.
    labels
        ``(T, Y, X)`` cells, in memory or lazy; read only when ``overlap_weight`` is
        above 0.
    parameters
        Limits and choices.
    token
        Checked between steps.
    **params
        Fields of `LinkingParameters`, over those of `parameters`.

    Returns
    -------
    pandas.DataFrame
        The same rows with ``track_id`` (1, 2, … by first appearance), ``parent_id`` (0
        for none), ``division_mass_ratio`` (daughters over mother), ``division_suspect``
        and what `growth_columns` adds. ``attrs["linking"]`` says how cells were linked,
        ``attrs["missing"]`` which columns are absent and why.

    Raises
    ------
    LayoutError
        The table lacks frames, labels or positions.
    MissingMetadataError
        ``max_distance_um`` is given and the table has no micrometres.
    UnknownNameError, ParameterError
        A parameter is unknown or out of bounds, or overlap is wanted without labels.
    JobCancelled
        The token was cancelled.
    """
    given = {} if parameters is None else parameters.model_dump()
    chosen = LinkingParameters.parse(given | params)
    token = token or CancelToken()
    token.raise_if_cancelled()
    linked = table.drop(columns=[c for c in LINK_COLUMNS if c in table.columns])
    cells = _Cells.of(linked, chosen)
    overlaps = None
    if chosen.overlap_weight > 0:
        if labels is None:
            raise ParameterError(
                "overlap_weight is above 0, but there are no labels. Give the labels "
                "too, or set overlap_weight to 0."
            )
        overlaps = label_overlaps(labels, cells.frame, cells.label, token)
    costs = LinkCosts(cells.frame, cells.position, cells.log_mass, chosen, overlaps)
    successors = _links(costs, chosen)
    token.raise_if_cancelled()
    if cells.log_mass is not None:
        successors = _with_plausible_mass(successors, cells.log_mass)
    for name, values in _track_columns(successors, cells, chosen).items():
        linked[name] = values
    linked.attrs = _attributes(table, cells, chosen)
    for name, values in growth_columns(linked, chosen.growth_window_h).items():
        linked[name] = values
    return linked


class _Cells:
    """The rows of a table by rising frame and label, reduced to what linking needs.

    Parameters
    ----------
    order
        Row of the table that comes at each place.
    frame, label
        Of each place.
    position
        ``(n, 2)`` y and x in units of the farthest move.
    log_mass
        Natural logarithm of the mass, in any unit; `None` without mass.
    notes
        What a user has to know, in words.
    unit, mass_name
        Unit of the positions, and the column the mass was taken from.
    """

    def __init__(
        self,
        order: NDArray[np.intp],
        frame: NDArray[np.int64],
        label: NDArray[np.int64],
        position: NDArray[np.float64],
        unit: str,
        mass: tuple[str, NDArray[np.float64]] | None,
    ):
        self.order, self.frame, self.label = order, frame, label
        self.position, self.unit = position, unit
        self.notes: list[str] = []
        self.mass_name = None if mass is None else mass[0]
        self.log_mass = None if mass is None else self._log(mass[1])
        if mass is None:
            self.notes.append(_NO_MASS)

    @classmethod
    def of(cls, table: pd.DataFrame, parameters: LinkingParameters) -> "_Cells":
        """Return the rows of a table, or say what it lacks."""
        unit = "um" if "centroid_y_um" in table.columns else "px"
        axes = [f"centroid_{axis}_{unit}" for axis in "yx"]
        absent = [c for c in ("frame", "label", *axes) if c not in table.columns]
        if absent:
            raise LayoutError(
                f"The table lacks {', '.join(absent)}, so its cells cannot be linked. "
                "Link a table that measure has made."
            )
        if unit == "px" and parameters.max_distance_um is not None:
            raise MissingMetadataError("pixel_size_um", "max_distance_um", "the table")
        order = np.lexsort((table["label"], table["frame"]))
        rows = table.iloc[order]
        farthest = parameters.max_distance_um or _typical_diameter(rows, unit)
        return cls(
            order,
            rows["frame"].to_numpy(np.int64),
            rows["label"].to_numpy(np.int64),
            rows[axes].to_numpy(np.float64) / farthest,
            unit,
            _mass_of(rows),
        )

    def _log(self, mass: NDArray[np.float64]) -> NDArray[np.float64] | None:
        known = np.isfinite(mass) & (mass > 0)
        if not known.any():
            self.notes.append(_NO_MASS)
            self.mass_name = None
            return None
        if not known.all():
            count = int(np.count_nonzero(~known))
            self.notes.append(_UNKNOWN_MASS.format(count=count))
        typical = float(np.median(mass[known]))
        logarithms: NDArray[np.float64] = np.log(np.where(known, mass, typical))
        return logarithms


def _typical_diameter(rows: pd.DataFrame, unit: str) -> float:
    """Return the median diameter of a disk with the area of a cell."""
    area = "area_um2" if unit == "um" else "area_px"
    if area not in rows.columns:
        raise LayoutError(
            f"The table lacks {area}, from which the farthest move is taken. Give "
            "max_distance_um."
        )
    if not len(rows):
        return 1.0
    return float(2 * np.sqrt(np.median(rows[area]) / np.pi))


def _mass_of(rows: pd.DataFrame) -> tuple[str, NDArray[np.float64]] | None:
    """Return the mass, or what is proportional to it, with its column."""
    for name in ("dry_mass_pg", "opd_sum_um3"):
        if name in rows.columns:
            return name, rows[name].to_numpy(np.float64)
    if {"opd_mean_nm", "area_px"} <= set(rows.columns):
        product = rows["opd_mean_nm"] * rows["area_px"]
        return "opd_mean_nm * area_px", product.to_numpy(np.float64)
    return None


Successors = dict[int, list[int]]


def _links(costs: LinkCosts, parameters: LinkingParameters) -> Successors:
    """Return the places that follow each place: one, or two daughters."""
    successors: Successors = {}
    if costs.n_frames < 2:
        return successors
    # Imported here because laptrack brings scikit-learn, which takes a second.
    from laptrack import LapTrack

    tracker = LapTrack(
        metric=costs.metric,
        cutoff=1.0,
        gap_closing_metric=costs.gap,
        gap_closing_cutoff=1.0,
        gap_closing_max_frame_count=parameters.max_gap + 1,
        splitting_metric=costs.split,
        splitting_cutoff=1.0 if parameters.divisions else False,
        track_start_cost=_START_OR_END_COST,
        track_end_cost=_START_OR_END_COST,
        segment_start_cost=_START_OR_END_COST,
        segment_end_cost=_START_OR_END_COST,
        no_splitting_cost=_START_OR_END_COST,
        no_merging_cost=_START_OR_END_COST,
    )
    graph = tracker.predict(costs.coordinates)
    for before, after in sorted(graph.edges()):
        successors.setdefault(costs.place(before), []).append(costs.place(after))
    return successors


def _with_plausible_mass(
    successors: Successors, log_mass: NDArray[np.float64]
) -> Successors:
    """Return the links without daughters that have no sister.

    A cell that goes on with its own mass has not divided, and one that goes on with
    half of it needs the other half.
    """
    kept: Successors = {}
    for before, after in successors.items():
        change = log_mass[after] - log_mass[before]
        same = [
            place
            for place, step in zip(after, change, strict=True)
            if abs(step) <= abs(step + np.log(2))
        ]
        if len(after) == 2 and not same:
            kept[before] = after
        elif same:
            kept[before] = [
                min(same, key=lambda k: abs(log_mass[k] - log_mass[before]))
            ]
    return kept


def _track_columns(
    successors: Successors, cells: _Cells, parameters: LinkingParameters
) -> dict[str, NDArray[Any]]:
    """Return track, mother and the mass balance of the division, in table order."""
    n_rows = len(cells.order)
    predecessor = np.full(n_rows, -1)
    for before, after in successors.items():
        predecessor[after] = before
    track = np.zeros(n_rows, np.int64)
    parent = np.zeros(n_rows, np.int64)
    ratio = np.full(n_rows, np.nan)
    n_tracks = 0
    for place in range(n_rows):
        before = int(predecessor[place])
        if before >= 0 and len(successors[before]) == 1:
            track[place] = track[before]
            parent[place], ratio[place] = parent[before], ratio[before]
            continue
        n_tracks += 1
        track[place] = n_tracks
        if before >= 0:
            parent[place] = track[before]
            if cells.log_mass is not None:
                change = cells.log_mass[successors[before]] - cells.log_mass[before]
                ratio[place] = np.exp(change).sum()
    columns: dict[str, NDArray[Any]] = {
        "track_id": track,
        "parent_id": parent,
        "division_mass_ratio": ratio,
        "division_suspect": np.abs(ratio - 1) > parameters.division_mass_tolerance,
    }
    back = np.argsort(cells.order)
    return {name: values[back] for name, values in columns.items()}


def _attributes(
    table: pd.DataFrame, cells: _Cells, parameters: LinkingParameters
) -> dict[Hashable, Any]:
    attributes = dict(table.attrs)
    attributes["linking"] = {
        "parameters": parameters.model_dump(mode="json"),
        "distance_unit": cells.unit,
        "mass": cells.mass_name,
        "notes": list(cells.notes),
    }
    attributes["missing"] = {
        name: reason
        for name, reason in attributes.get("missing", {}).items()
        if name not in LINK_COLUMNS
    }
    return attributes
