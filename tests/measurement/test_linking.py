"""Linking against truth: simulated lineages, and small cases with known links."""

import itertools
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

import napari_qpm as qpm
from napari_qpm.errors import (
    JobCancelled,
    LayoutError,
    MissingMetadataError,
    ParameterError,
    UnknownNameError,
)
from napari_qpm.jobs import CancelToken
from napari_qpm.measurement import LinkingParameters, column_units, link
from napari_qpm.specimens.samples import Simulation, simulate

Link = tuple[tuple[int, int], tuple[int, int]]

DENSE: dict[str, Any] = {"n_cells": 14}
"""Twice the default's cells in the same field: most of them touch."""


def truth_table(simulation: Simulation) -> pd.DataFrame:
    """Return true positions and masses as `measure` would name them."""
    truth = pd.DataFrame(simulation.table)
    pixels = np.bincount(simulation.labels[0][simulation.labels[0] > 0])
    pixel = simulation.settings.pixel_size_um
    return pd.DataFrame(
        {
            "label": truth["label"],
            "frame": truth["frame"],
            "time_s": truth["frame"] * simulation.settings.frame_interval_s,
            "centroid_y_px": truth["y_um"] / pixel,
            "centroid_x_px": truth["x_um"] / pixel,
            "centroid_y_um": truth["y_um"],
            "centroid_x_um": truth["x_um"],
            "area_px": np.median(pixels[pixels > 0]),
            "area_um2": np.median(pixels[pixels > 0]) * pixel**2,
            "dry_mass_pg": truth["dry_mass_pg"],
            "dry_mass_sd_pg": 0.01 * truth["dry_mass_pg"],
        }
    )


def cells(*rows: tuple[int, int, float, float, float], **columns: Any) -> pd.DataFrame:
    """Return a table of ``(frame, label, y_um, x_um, mass_pg)``, diameter 10 um."""
    names = ["frame", "label", "centroid_y_um", "centroid_x_um", "dry_mass_pg"]
    table = pd.DataFrame(list(rows), columns=names)
    table["area_um2"] = np.pi * 25.0
    return table.assign(**columns)


def links_of(table: pd.DataFrame, identity: str) -> set[Link]:
    """Return every pair of rows, as (frame, label), that follow each other."""
    found: set[Link] = set()
    for _, track in table.sort_values("frame").groupby(identity):
        nodes = list(zip(track["frame"], track["label"], strict=True))
        found |= set(itertools.pairwise(nodes))
    return found


def shuffled_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with labels that tell nothing, and the true cell beside."""
    random = np.random.default_rng(1)
    mixed = table.assign(cell=table["label"])
    for _, rows in table.groupby("frame").groups.items():
        mixed.loc[rows, "label"] = random.permutation(len(rows)) + 1
    return mixed.sample(frac=1, random_state=2, ignore_index=True)


def mothers_of(linked: pd.DataFrame) -> dict[int, int]:
    """Return ``{daughter: mother}`` as true cells, one cell a track."""
    cell = linked.groupby("track_id")["cell"].first()
    births = linked.drop_duplicates("track_id")
    births = births[births["parent_id"] > 0]
    return {
        int(cell[row.track_id]): int(cell[row.parent_id]) for row in births.itertuples()
    }


@pytest.fixture(scope="module", params=[{}, DENSE], ids=["default", "dense"])
def simulation(request: pytest.FixtureRequest) -> Simulation:
    return simulate("polarization", **request.param)


# --- Truth -------------------------------------------------------------------------


def test_cells_and_divisions_of_the_sample_are_found(simulation: Simulation) -> None:
    linked = link(shuffled_labels(truth_table(simulation)))
    expected, found = links_of(linked, "cell"), links_of(linked, "track_id")
    assert len(expected & found) / len(expected | found) >= 0.98
    assert mothers_of(linked) == simulation.lineage
    daughters = linked[linked["parent_id"] > 0]
    # The simulation divides without losing mass.
    np.testing.assert_allclose(daughters["division_mass_ratio"], 1, atol=0.02)
    assert not linked["division_suspect"].any()


def test_links_hold_when_masses_and_positions_are_measured() -> None:
    simulation = simulate("polarization", **DENSE)
    phase_map = qpm.retrieve(simulation.acquisition)
    labels = np.asarray(qpm.segment(phase_map))
    table = qpm.measure(phase_map, labels)
    inside = [
        simulation.labels[row.frame][labels[row.frame] == row.label]
        for row in table.itertuples()
    ]
    table["cell"] = [np.bincount(pixels[pixels > 0]).argmax() for pixels in inside]
    linked = link(table)
    expected, found = links_of(linked, "cell"), links_of(linked, "track_id")
    assert len(expected & found) / len(expected | found) >= 0.98
    assert mothers_of(linked) == simulation.lineage
    assert not linked["division_suspect"].any()


def test_overlap_as_well_follows_the_sample(simulation: Simulation) -> None:
    table = truth_table(simulation).assign(cell=lambda rows: rows["label"])
    linked = link(table, simulation.labels, overlap_weight=1)
    expected, found = links_of(linked, "cell"), links_of(linked, "track_id")
    assert len(expected & found) / len(expected | found) >= 0.98
    assert mothers_of(linked) == simulation.lineage


def test_turning_cell_is_one_track_of_140_frames(shared_data) -> None:
    path = shared_data / "qpi-series-hl60-rotation" / "series.h5"
    with h5py.File(path) as file:
        frames = np.stack([file[f"qpi_{k}/phase/raw"][:] for k in range(140)])
    recording = qpm.Acquisition.from_array(
        frames,
        "phase",
        phase_unit="rad",
        wavelength_nm=647,
        pixel_size_um=0.139,
    )
    phase_map = qpm.retrieve(recording)
    linked = qpm.link(qpm.measure(phase_map, qpm.segment(phase_map)))
    assert len(linked) == 140
    assert (linked["track_id"] == 1).all()
    assert (linked["parent_id"] == 0).all()


# --- Small cases -------------------------------------------------------------------


def test_mass_decides_where_distance_cannot() -> None:
    table = cells(
        (0, 1, 0, 0, 300), (0, 2, 0, 8, 400), (1, 1, 0, 4.1, 300), (1, 2, 0, 3.9, 400)
    )
    assert link(table)["track_id"].tolist() == [1, 2, 1, 2]
    by_distance = link(table.drop(columns="dry_mass_pg"))
    assert by_distance["track_id"].tolist() == [1, 2, 2, 1]


def test_missing_frame_is_bridged_up_to_the_gap() -> None:
    table = cells((0, 1, 0, 0, 300), (3, 1, 1, 0, 305))
    assert link(table, max_gap=2)["track_id"].tolist() == [1, 1]
    assert link(table, max_gap=1)["track_id"].tolist() == [1, 2]


def test_cells_that_merge_for_a_frame_are_not_a_division() -> None:
    table = cells(
        *((t, 1, 0, 0, 300) for t in (0, 2, 3)),
        *((t, 2, 0, 9, 320) for t in (0, 2, 3)),
        (1, 1, 0, 4.5, 620),
    )
    linked = link(table)
    assert (linked["parent_id"] == 0).all()
    tracks = linked.groupby("track_id")["frame"].apply(list).tolist()
    assert tracks == [[0, 2, 3], [0, 2, 3], [1]]


def test_cell_that_appears_beside_another_is_no_daughter() -> None:
    table = cells((0, 1, 0, 0, 300), (1, 1, 0, 0, 302), (1, 2, 0, 6, 310))
    linked = link(table)
    assert linked["track_id"].tolist() == [1, 1, 2]
    assert (linked["parent_id"] == 0).all()


def test_half_a_cell_without_its_sister_is_a_new_cell() -> None:
    linked = link(cells((0, 1, 0, 0, 600), (1, 1, 0, 3, 300)))
    assert linked["track_id"].tolist() == [1, 2]
    assert linked["parent_id"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("masses", "suspect"), [((310, 280), False), ((220, 230), True)]
)
def test_division_that_loses_mass_is_suspect(
    masses: tuple[float, float], suspect: bool
) -> None:
    linked = link(
        cells(
            (0, 1, 0, 0, 600),
            (1, 1, 0, 4, masses[0]),
            (1, 2, 0, -4, masses[1]),
            (2, 1, 0, 4, masses[0]),
        )
    )
    assert linked["parent_id"].tolist() == [0, 1, 1, 1]
    ratio = sum(masses) / 600
    expected = [np.nan, ratio, ratio, ratio]
    np.testing.assert_allclose(linked["division_mass_ratio"], expected)
    assert linked["division_suspect"].tolist() == [False] + [suspect] * 3


def test_divisions_can_be_left_out() -> None:
    table = cells((0, 1, 0, 0, 600), (1, 1, 0, 4, 300), (1, 2, 0, -4, 300))
    linked = link(table, divisions=False)
    assert (linked["parent_id"] == 0).all()
    assert linked["track_id"].nunique() == 3


def test_without_pixel_size_pixels_are_used() -> None:
    table = cells((0, 1, 0, 0, 300), (1, 1, 3, 0, 300), (1, 2, 50, 0, 300)).rename(
        columns=lambda name: name.replace("_um2", "_px").replace("_um", "_px")
    )
    linked = link(table)
    assert linked["track_id"].tolist() == [1, 1, 2]
    assert linked.attrs["linking"]["distance_unit"] == "px"
    assert "speed_um_min" in linked.attrs["missing"]
    with pytest.raises(MissingMetadataError, match="pixel_size_um"):
        link(table, max_distance_um=5)


def test_without_mass_the_division_is_found_and_the_lack_is_said() -> None:
    table = cells((0, 1, 0, 0, 1), (1, 1, 0, 4, 1), (1, 2, 0, -4.5, 1))
    linked = link(table.drop(columns="dry_mass_pg"))
    assert linked["parent_id"].tolist() == [0, 1, 1]
    assert linked["division_mass_ratio"].isna().all()
    assert not linked["division_suspect"].any()
    (note,) = linked.attrs["linking"]["notes"]
    assert "no mass" in note
    assert linked.attrs["linking"]["mass"] is None


def test_optical_path_stands_in_for_an_unknown_mass() -> None:
    table = cells((0, 1, 0, 0, 300), (1, 1, 0, 4.5, 300), (1, 2, 0, 4, 400))
    table = table.rename(columns={"dry_mass_pg": "opd_sum_um3"})
    linked = link(table)
    assert linked.attrs["linking"]["mass"] == "opd_sum_um3"
    assert linked["track_id"].tolist() == [1, 1, 2]


def test_cells_of_unknown_mass_are_linked_and_counted() -> None:
    table = cells((0, 1, 0, 0, 300), (1, 1, 0, 1, np.nan), (2, 1, 0, 1, -2))
    linked = link(table)
    assert linked["track_id"].tolist() == [1, 1, 1]
    (note,) = linked.attrs["linking"]["notes"]
    assert note.startswith("2 rows have no positive mass")


def test_farthest_move_is_the_diameter_unless_given() -> None:
    table = cells((0, 1, 0, 0, 300), (1, 1, 0, 9, 300), (1, 2, 40, 0, 300))
    assert link(table)["track_id"].tolist() == [1, 1, 2]
    assert link(table, max_distance_um=8)["track_id"].tolist() == [1, 2, 3]


def test_overlap_rules_out_cells_that_do_not_overlap() -> None:
    labels = np.zeros((2, 20, 20), np.int32)
    labels[0, 2:6, 2:6] = labels[1, 10:14, 2:6] = 1
    table = cells((0, 1, 4, 4, 300), (1, 1, 8, 4, 300))
    assert link(table)["track_id"].tolist() == [1, 1]
    assert link(table, labels, overlap_weight=1)["track_id"].tolist() == [1, 2]
    assert link(table, labels, overlap_weight=0.2)["track_id"].tolist() == [1, 1]
    with pytest.raises(ParameterError, match="no labels"):
        link(table, overlap_weight=0.5)
    with pytest.raises(LayoutError, match="do not fit"):
        link(table, labels[:1], overlap_weight=0.5)


# --- Border ------------------------------------------------------------------------


def test_rows_keep_their_order_and_numbers_follow_first_appearance() -> None:
    table = truth_table(simulate("polarization", n_frames=5))
    mixed = shuffled_labels(table)
    first, again = link(mixed), link(mixed)
    pd.testing.assert_frame_equal(first, again)
    pd.testing.assert_frame_equal(first[mixed.columns], mixed, check_like=True)
    appearance = first.sort_values(["frame", "label"])["track_id"].drop_duplicates()
    assert appearance.tolist() == list(range(1, len(appearance) + 1))
    pd.testing.assert_frame_equal(link(first), first)


def test_given_table_is_left_as_it_was() -> None:
    table = cells((0, 1, 0, 0, 300), (1, 1, 0, 1, 300))
    table.attrs = {"missing": {"time_s": "No interval."}}
    before = table.copy()
    linked = link(table)
    pd.testing.assert_frame_equal(table, before)
    assert table.attrs == {"missing": {"time_s": "No interval."}}
    assert linked.attrs["missing"]["growth_pg_h"] == "No interval."


@pytest.mark.parametrize("n_rows", [0, 1])
def test_table_of_hardly_any_cells_is_linked(n_rows: int) -> None:
    table = cells((4, 1, 0, 0, 300)).iloc[:n_rows].assign(time_s=0.0)
    linked = link(table)
    assert len(linked) == n_rows
    assert {"track_id", "parent_id", "growth_pg_h", "speed_um_min"} <= set(linked)


def test_units_of_the_new_columns_are_known() -> None:
    table = cells((0, 1, 0, 0, 300), (1, 1, 0, 1, 300), time_s=[0.0, 60.0])
    units = column_units(link(table))
    assert units["growth_pg_h"] == "pg/h"
    assert units["speed_um_min"] == "um/min"
    assert units["track_id"] == ""


def test_mistakes_are_plain() -> None:
    table = cells((0, 1, 0, 0, 300))
    with pytest.raises(UnknownNameError, match="max_gap"):
        link(table, max_gaps=1)
    with pytest.raises(ParameterError, match="max_gap"):
        link(table, max_gap=-1)
    with pytest.raises(LayoutError, match="centroid_y_px"):
        link(table[["frame", "label"]])
    with pytest.raises(LayoutError, match="max_distance_um"):
        link(table.drop(columns="area_um2"))


def test_parameters_may_be_an_object_and_single_values() -> None:
    table = cells((0, 1, 0, 0, 300), (2, 1, 1, 0, 300))
    parameters = LinkingParameters(max_gap=0)
    assert link(table, None, parameters)["track_id"].tolist() == [1, 2]
    linked = link(table, None, parameters, max_gap=1)
    assert linked["track_id"].tolist() == [1, 1]
    assert linked.attrs["linking"]["parameters"]["max_gap"] == 1


def test_cancel_stops_linking() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        link(cells((0, 1, 0, 0, 300)), token=token)
