"""Growth against known rates, with honest error bars."""

import numpy as np
import pandas as pd
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import LayoutError
from napari_qpm.measurement import (
    column_units,
    link,
    measure,
    population_doubling,
    population_growth,
    track_growth,
)
from napari_qpm.measurement.growth import fit_line
from napari_qpm.measurement.mass_error import CONTACT_PX, EDGE_PX
from napari_qpm.retrieval import retrieve
from napari_qpm.specimens.samples import simulate

DOUBLING_H = 20.0
"""Of the simulated cells, between division and the next mitosis."""


def one_cell(n_frames: int = 12, rate_1_h: float = 0.03) -> pd.DataFrame:
    """Return a cell that grows exponentially and moves 1 um in 10 min."""
    time_h = np.arange(n_frames) / 6
    mass = 300 * np.exp(rate_1_h * time_h)
    return pd.DataFrame(
        {
            "label": 1,
            "frame": np.arange(n_frames),
            "time_s": time_h * 3600,
            "centroid_y_px": 2.0 * np.arange(n_frames),
            "centroid_x_px": 5.0,
            "centroid_y_um": 1.0 * np.arange(n_frames),
            "centroid_x_um": 2.5,
            "area_um2": 400.0,
            "dry_mass_pg": mass,
            "dry_mass_sd_pg": 0.01 * mass,
        }
    )


@pytest.fixture(scope="module")
def sample_truth() -> pd.DataFrame:
    """True rows of the denser sample, named as `measure` does."""
    simulation = simulate("polarization", n_cells=14)
    truth = pd.DataFrame(simulation.table).rename(
        columns={"y_um": "centroid_y_um", "x_um": "centroid_x_um"}
    )
    truth["time_s"] = truth["frame"] * simulation.settings.frame_interval_s
    return truth.drop(columns="parent_id").assign(area_um2=600.0)


# --- Truth -------------------------------------------------------------------------


def test_growth_of_the_sample_is_within_its_error_bar(
    sample_truth: pd.DataFrame, rng: np.random.Generator
) -> None:
    cell = sample_truth.groupby("label")
    # Cells at rest around a division do not grow at the rate of the others.
    whole = (cell["frame"].transform("size") == 12) & ~cell["is_mitotic"].transform(
        "any"
    )
    scores = []
    for _ in range(20):
        truth = sample_truth[whole]
        sd = truth["dry_mass_pg"] * rng.uniform(0.005, 0.02, len(truth))
        noisy = truth.assign(
            dry_mass_pg=truth["dry_mass_pg"] + rng.normal(0, sd), dry_mass_sd_pg=sd
        )
        tracks = track_growth(link(noisy))
        assert len(tracks) == 13
        error = tracks["sgr_1_h"] - np.log(2) / DOUBLING_H
        scores += (error / tracks["sgr_sd_1_h"]).tolist()
    assert 0.5 < np.sqrt(np.mean(np.square(scores))) < 1.5


def test_growth_is_not_fitted_across_a_division(sample_truth: pd.DataFrame) -> None:
    linked = link(sample_truth.assign(dry_mass_sd_pg=2.0))
    tracks = track_growth(linked).set_index("track_id")
    mother = tracks.loc[tracks["parent_id"].max()]
    daughters = tracks[tracks["parent_id"] > 0]
    assert len(daughters) == 2
    assert mother["last_frame"] + 1 == daughters["first_frame"].iloc[0]
    # Half the mass is lost in the division; a fit across it would be far below zero.
    assert mother["growth_pg_h"] > -1
    assert (daughters["growth_pg_h"] > 0).all()
    around = linked[linked["track_id"].isin([mother.name, *daughters.index])]
    assert (around["growth_pg_h"] > -1).all()


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_error_bar_holds_for_errors_that_neighbouring_frames_share(
    correlation: float, rng: np.random.Generator
) -> None:
    n_tracks, n_frames, sd = 300, 48, 3.0
    time_h = np.arange(n_frames) / 6
    noise = rng.normal(0, sd, (n_tracks, n_frames))
    for t in range(1, n_frames):
        new = np.sqrt(1 - correlation**2) * noise[:, t]
        noise[:, t] = correlation * noise[:, t - 1] + new
    errors = np.full(n_frames, sd)
    lines = [fit_line(time_h, 300 + 9 * time_h + row, errors) for row in noise]
    scores = [(line.slope - 9) / line.error for line in lines]
    assert 0.5 < np.sqrt(np.mean(np.square(scores))) < 1.5


@pytest.mark.parametrize("correlation", [0.0, 0.7, 0.95])
def test_error_bar_holds_for_errors_that_drift_unseen(
    correlation: float, rng: np.random.Generator
) -> None:
    n_tracks, n_frames, sd = 400, 12, 3.0
    time_h = np.arange(n_frames) / 6
    drift = rng.normal(0, sd, (n_tracks, n_frames))
    for t in range(1, n_frames):
        new = np.sqrt(1 - correlation**2) * drift[:, t]
        drift[:, t] = correlation * drift[:, t - 1] + new
    noise = rng.normal(0, 0.5, drift.shape)
    errors, drifting = np.full(n_frames, np.hypot(sd, 0.5)), np.full(n_frames, sd)
    lines = [
        fit_line(time_h, 300 + 9 * time_h + row, errors, drifting)
        for row in drift + noise
    ]
    rms = np.sqrt(np.mean([((line.slope - 9) / line.error) ** 2 for line in lines]))
    # Which correlation there is, is not known; the worst one is assumed.
    assert 0.5 < rms < 1.15
    blind = [fit_line(time_h, 300 + 9 * time_h + row, errors) for row in drift + noise]
    unaware = np.mean([((line.slope - 9) / line.error) ** 2 for line in blind]) ** 0.5
    assert unaware > rms


@pytest.mark.parametrize("is_crowded", [False, True])
def test_growth_errors_hold_alone_and_in_contact(is_crowded: bool) -> None:
    scores, in_contact = [], []
    for seed in range(8):
        errors, contact = growth_scores(seed, is_crowded)
        scores += errors
        in_contact += contact
    assert np.median(in_contact) > 0.8 if is_crowded else np.median(in_contact) == 0
    # 32 scores scatter by 12 %.
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.3


def growth_scores(seed: int, is_crowded: bool) -> tuple[list[float], list[float]]:
    """Return errors of growth in error bars, and shares of frames in contact.

    Four cells grow. Their edges are off by 0.6 pixels, anew in every frame; the lines
    between them wander, off by 2.2 pixels, and what one cell gains the other loses.
    """
    rng = np.random.default_rng(seed)
    shape, n_frames, radius = (140, 140), 12, 14
    pitch = 2 * radius - 5 if is_crowded else 3 * radius
    y, x = np.indices(shape)
    centres = [(35 + pitch * i, 35 + pitch * j) for i in range(2) for j in range(2)]
    edges = rng.normal(0, EDGE_PX, (n_frames, 4))
    # A line lies between two cells: half the difference of both is 2.2 pixels.
    lines = rng.normal(0, np.sqrt(2) * CONTACT_PX, (n_frames, 4))
    for t in range(1, n_frames):
        lines[t] = 0.8 * lines[t - 1] + 0.6 * lines[t]
    frames, labels, truths = [], [], []
    for t in range(n_frames):
        away = np.stack([np.hypot(y - cy, x - cx) for cy, cx in centres])
        nearest = away.argmin(axis=0)
        true_mask = away.min(axis=0) < radius
        # Cells fade out: their edge is where a third of their thickness is left.
        density = np.exp(-((away.min(axis=0) / radius) ** 12))
        grown = density * (1 + 0.005 * t * (nearest + 1))
        frames.append(grown + rng.normal(0, 0.01, shape))
        # Each cell takes or gives what its line is off by.
        edge = away - edges[t][:, None, None]
        line = away - lines[t][:, None, None]
        owner = line.argmin(axis=0)
        labels.append(np.where(edge.min(axis=0) < radius, owner + 1, 0))
        truths.append([grown[true_mask & (nearest == k)].sum() for k in range(4)])
    return _scores(np.stack(frames), np.stack(labels), np.array(truths))


def _scores(
    frames: np.ndarray, labels: np.ndarray, truths: np.ndarray
) -> tuple[list[float], list[float]]:
    acquisition = Acquisition.from_array(
        frames.astype(np.float32),
        "phase",
        phase_unit="rad",
        wavelength_nm=532.0,
        pixel_size_um=0.5,
        frame_interval_s=600.0,
    )
    table = measure(retrieve(acquisition, background="none"), labels)
    pg = 0.532 / (2 * np.pi) * 0.25 / 0.19
    scores, contact = [], []
    for label, rows in table.groupby("label"):
        linked = rows.assign(track_id=1, parent_id=0, division_mass_ratio=np.nan)
        row = track_growth(linked.assign(division_suspect=False)).iloc[0]
        true = np.polyfit(rows["time_s"] / 3600, truths[:, label - 1] * pg, 1)[0]
        scores.append((row["growth_pg_h"] - true) / row["growth_sd_pg_h"])
        contact.append(float((rows["dry_mass_sd_contact_pg"] > 0).mean()))
    return scores, contact


def test_confidence_interval_of_the_doubling_time_holds_the_truth(
    rng: np.random.Generator,
) -> None:
    within = []
    for _ in range(200):
        cell = one_cell(24, np.log(2) / DOUBLING_H)
        cell["dry_mass_pg"] += rng.normal(0, cell["dry_mass_sd_pg"])
        row = track_growth(link(cell)).iloc[0]
        low, high = row["doubling_time_low_h"], row["doubling_time_high_h"]
        within.append(low < DOUBLING_H < high)
    # 95 %, and a little more because scatter below the stated errors is not believed.
    assert 0.92 <= np.mean(within) <= 1.0


# --- Lines -------------------------------------------------------------------------


def test_line_is_the_weighted_least_squares_line() -> None:
    time = np.array([0.0, 1.0, 2.0, 4.0, 5.0])
    values = np.array([1.0, 2.2, 2.9, 5.3, 6.0])
    sd = np.array([0.1, 0.2, 0.1, 0.4, 0.3])
    expected = np.polyfit(time, values, 1, w=1 / sd)[0]
    assert fit_line(time, values, sd).slope == pytest.approx(expected)
    unweighted = np.polyfit(time, values, 1)[0]
    assert fit_line(time, values).slope == pytest.approx(unweighted)
    assert fit_line(time, values, np.append(sd[:-1], np.nan)).slope == pytest.approx(
        unweighted
    )


def test_exact_line_keeps_the_error_of_its_values() -> None:
    time = np.arange(5.0)
    line = fit_line(time, 3 * time, np.full(5, 0.2))
    assert line.slope == pytest.approx(3)
    # sd / sqrt(sum of squared times around their mean), times the slowness of the
    # correlation that is assumed for 5 values whose scatter tells nothing.
    assert line.error >= 0.2 / np.sqrt(10) * 0.999
    assert fit_line(time, 3 * time).error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("time", "values"),
    [
        ([0.0, 1, 2], [1.0, 2, 3]),
        ([0.0, 1, 2, 3], [1.0, np.nan, 3, 4]),
        ([1.0, 1, 1, 1], [1.0, 2, 3, 4]),
    ],
)
def test_too_little_gives_no_slope(time: list[float], values: list[float]) -> None:
    line = fit_line(np.array(time), np.array(values))
    assert np.isnan(line.slope)
    assert np.isnan(line.doubling_time()).all()


def test_growth_that_may_be_none_has_an_open_doubling_time() -> None:
    time = np.arange(8.0)
    wobble = np.array([1.0, -1, 1, -1, 1, -1, 1, -1])
    doubling, low, high = fit_line(time, 0.001 * time + wobble).doubling_time()
    assert np.isnan(doubling) or (low < doubling and np.isinf(high))
    assert np.isnan(fit_line(time, -time).doubling_time()[0])


# --- Tables ------------------------------------------------------------------------


def test_rates_of_an_exact_cell_are_exact() -> None:
    linked = link(one_cell())
    np.testing.assert_allclose(linked["sgr_1_h"], 0.03, rtol=1e-9)
    np.testing.assert_allclose(linked["speed_um_min"].iloc[1:], 0.1)
    assert np.isnan(linked["speed_um_min"].iloc[0])
    track = track_growth(linked).iloc[0]
    assert track["sgr_1_h"] == pytest.approx(0.03)
    assert track["doubling_time_h"] == pytest.approx(np.log(2) / 0.03)
    assert track["speed_um_min"] == pytest.approx(0.1)
    assert track["path_um"] == track["displacement_um"] == pytest.approx(11)
    assert track["duration_h"] == pytest.approx(11 / 6)


def test_window_follows_a_change_of_the_rate() -> None:
    cell = one_cell(49, 0.0)
    time_h = cell["time_s"] / 3600
    cell["dry_mass_pg"] = 300 + 20 * np.maximum(time_h - 4, 0)
    linked = link(cell, growth_window_h=1)
    np.testing.assert_allclose(linked["growth_pg_h"][time_h < 3.4], 0, atol=1e-9)
    np.testing.assert_allclose(linked["growth_pg_h"][time_h > 4.6], 20)
    assert 9 < linked["growth_pg_h"].iloc[24] < 11


def test_short_track_has_no_rate_but_a_row() -> None:
    linked = link(one_cell(3))
    assert linked["growth_pg_h"].isna().all()
    track = track_growth(linked).iloc[0]
    assert track["n_frames"] == 3
    assert np.isnan(track["growth_pg_h"])


def test_without_times_there_is_no_rate_and_the_reason_is_said() -> None:
    cell = one_cell().drop(columns="time_s")
    cell.attrs = {"missing": {"time_s": "A time needs frame_interval_s."}}
    linked = link(cell)
    assert not {"growth_pg_h", "speed_um_min"} & set(linked)
    assert linked.attrs["missing"]["growth_pg_h"] == "A time needs frame_interval_s."
    assert track_growth(linked)["n_frames"].tolist() == [12]


def test_tracks_need_a_linked_table() -> None:
    with pytest.raises(LayoutError, match="call link first"):
        track_growth(one_cell())
    assert len(track_growth(link(one_cell(0)))) == 0


def test_population_counts_cells_and_adds_their_mass() -> None:
    cells = pd.concat([one_cell(6), one_cell(6).assign(label=2)])
    population = population_growth(cells)
    assert population["n_cells"].tolist() == [2] * 6
    mass = one_cell(6)["dry_mass_pg"].to_numpy()
    np.testing.assert_allclose(population["dry_mass_pg"], 2 * mass)
    np.testing.assert_allclose(population["dry_mass_sd_pg"], np.sqrt(2) * 0.01 * mass)
    doubling = population_doubling(population).set_index("quantity")
    assert doubling.loc["mass", "doubling_time_h"] == pytest.approx(np.log(2) / 0.03)
    assert np.isnan(doubling.loc["number", "doubling_time_h"])
    with pytest.raises(LayoutError, match="frame_interval_s"):
        population_doubling(population.drop(columns="time_s"))


def test_population_without_mass_is_counted() -> None:
    population = population_growth(one_cell(4)[["frame", "label"]])
    assert population.columns.tolist() == ["frame", "n_cells"]


def test_units_of_track_columns_are_known() -> None:
    units = column_units(track_growth(link(one_cell())))
    assert units["doubling_time_h"] == "h"
    assert units["path_um"] == "um"
