"""How well a measured time-lapse agrees with the simulation it came from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_qpm.specimens.samples import ALPHA_UM3_PER_PG, Simulation

__all__ = ["Comparison", "compare", "match_labels"]

FOUND_IOU = 0.5
"""Overlap (intersection over union) from which a simulated cell counts as found."""


@dataclass(frozen=True)
class Comparison:
    """Measured values beside the true ones.

    Parameters
    ----------
    hours
        Time of each frame.
    n_cells, true_n_cells
        Cells in the last frame.
    found_share, mean_iou
        Share of simulated cells, over all frames, that were found, and their overlap.
    cell_mass_pg, cell_mass_sd_pg, true_cell_mass_pg
        Medians over whole cells that were found.
    mass_deviation
        Median of ``|measured - true| / true`` of those cells.
    field_mass_pg, true_field_mass_pg
        Mass of all cells in the field, for each frame.
    growth_per_h, growth_sd_per_h, true_growth_per_h
        Exponential growth rate of the field's mass, and its standard error.
    """

    hours: NDArray[np.float64]
    n_cells: int
    true_n_cells: int
    found_share: float
    mean_iou: float
    cell_mass_pg: float
    cell_mass_sd_pg: float
    true_cell_mass_pg: float
    mass_deviation: float
    field_mass_pg: NDArray[np.float64]
    true_field_mass_pg: NDArray[np.float64]
    growth_per_h: float
    growth_sd_per_h: float
    true_growth_per_h: float


def compare(
    simulation: Simulation, labels: NDArray[np.int32], table: pd.DataFrame, alpha: float
) -> Comparison:
    """Return measured values beside the simulated truth.

    Parameters
    ----------
    simulation
        What was simulated.
    labels
        ``(T, Y, X)`` cells that were found.
    table
        Their measurements.
    alpha
        Refraction increment [um3/pg] that `table` was made with.
    """
    truth = pd.DataFrame(list(simulation.table))
    scale = ALPHA_UM3_PER_PG / alpha
    truth = truth.assign(true_mass_pg=truth["dry_mass_pg"] * scale)
    matches, found_share, mean_iou = _match_series(simulation.labels, labels)
    found = matches.merge(
        table[["frame", "label", "dry_mass_pg", "dry_mass_sd_pg", "border"]],
        on=["frame", "label"],
    ).merge(
        truth[["frame", "label", "true_mass_pg"]].rename(
            columns={"label": "true_label"}
        ),
        on=["frame", "true_label"],
    )
    whole = found[~found["border"]]
    deviation = (whole["dry_mass_pg"] / whole["true_mass_pg"] - 1).abs()
    settings = simulation.settings
    hours = np.arange(len(labels)) * settings.frame_interval_s / 3600
    field_mass = table.groupby("frame")["dry_mass_pg"].sum()
    measured = field_mass.reindex(range(len(labels)), fill_value=0).to_numpy()
    true_field = simulation.phase.sum(axis=(1, 2), dtype=np.float64)
    true_field = true_field / settings.phase_sum_per_pg * scale
    growth, growth_sd = growth_rate(hours, measured)
    return Comparison(
        hours=hours,
        n_cells=int((table["frame"] == len(labels) - 1).sum()),
        true_n_cells=len(np.unique(simulation.labels[-1])) - 1,
        found_share=found_share,
        mean_iou=mean_iou,
        cell_mass_pg=float(whole["dry_mass_pg"].median()),
        cell_mass_sd_pg=float(whole["dry_mass_sd_pg"].median()),
        true_cell_mass_pg=float(whole["true_mass_pg"].median()),
        mass_deviation=float(deviation.median()),
        field_mass_pg=measured,
        true_field_mass_pg=true_field,
        growth_per_h=growth,
        growth_sd_per_h=growth_sd,
        true_growth_per_h=growth_rate(hours, true_field)[0],
    )


def match_labels(
    truth: NDArray[np.int32], found: NDArray[np.int32]
) -> list[tuple[int, int, float]]:
    """Return ``(true label, found label, overlap)`` of each simulated cell.

    The found cell is the one with the largest intersection over union; 0 means none
    touches the simulated cell.
    """
    n_found = int(found.max()) + 1
    pairs = np.bincount(truth.ravel().astype(np.int64) * n_found + found.ravel())
    pairs = np.resize(
        np.pad(pairs, (0, (int(truth.max()) + 1) * n_found - pairs.size)),
        (int(truth.max()) + 1, n_found),
    )
    true_area, found_area = pairs.sum(axis=1), pairs.sum(axis=0)
    matches = []
    for label in np.flatnonzero(true_area[1:]) + 1:
        shared = pairs[label, 1:]
        iou = shared / (true_area[label] + found_area[1:] - shared)
        best = int(np.argmax(iou)) if iou.size else -1
        hit = best >= 0 and iou[best] > 0
        matches.append(
            (int(label), best + 1 if hit else 0, float(iou[best]) if hit else 0.0)
        )
    return matches


def growth_rate(
    hours: NDArray[np.float64], mass_pg: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the slope of ``ln(mass)`` over time [1/h] and its standard error."""
    if len(hours) < 3 or not (mass_pg > 0).all():
        return float("nan"), float("nan")
    (slope, _), covariance = np.polyfit(hours, np.log(mass_pg), 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))


def _match_series(
    truth: NDArray[np.int32], found: NDArray[np.int32]
) -> tuple[pd.DataFrame, float, float]:
    """Return found cells with the true ones, the share found, and the mean overlap."""
    rows, n_true = [], 0
    for t, (true_frame, found_frame) in enumerate(zip(truth, found, strict=True)):
        matches = match_labels(true_frame, found_frame)
        n_true += len(matches)
        rows += [
            (t, true_label, label, iou)
            for true_label, label, iou in matches
            if iou >= FOUND_IOU
        ]
    table = pd.DataFrame(rows, columns=["frame", "true_label", "label", "iou"])
    share = len(table) / n_true if n_true else float("nan")
    return table, share, float(table["iou"].mean())
