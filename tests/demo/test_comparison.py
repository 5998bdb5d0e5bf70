import numpy as np
import pandas as pd
import pytest

from napari_qpm.demo.comparison import compare, growth_rate, match_labels
from napari_qpm.specimens import simulate
from napari_qpm.specimens.samples import ALPHA_UM3_PER_PG


def test_labels_match_by_overlap() -> None:
    truth = np.zeros((8, 8), np.int32)
    truth[:4, :4], truth[5:, :], truth[0, 7] = 3, 5, 9
    found = np.zeros((8, 8), np.int32)
    found[:4, :2], found[4:, :] = 2, 1
    matches = {label: (match, iou) for label, match, iou in match_labels(truth, found)}
    assert matches[3] == (2, 0.5)
    assert matches[5] == (1, 0.75)
    assert matches[9] == (0, 0.0)


def test_nothing_found_matches_nothing() -> None:
    truth = np.ones((4, 4), np.int32)
    assert match_labels(truth, np.zeros((4, 4), np.int32)) == [(1, 0, 0.0)]


def test_growth_rate_of_an_exponential_is_exact() -> None:
    hours = np.linspace(0, 2, 9)
    rate, error = growth_rate(hours, 300 * np.exp(0.035 * hours))
    assert rate == pytest.approx(0.035)
    assert error == pytest.approx(0, abs=1e-9)


def test_growth_needs_three_frames() -> None:
    assert np.isnan(growth_rate(np.array([0.0, 1.0]), np.array([1.0, 2.0]))[0])


def test_perfect_measurement_agrees_with_the_truth() -> None:
    sample = simulate("phase", n_frames=3, shape=(192, 192), n_cells=3)
    alpha = 0.2
    table = pd.DataFrame(list(sample.table)).assign(border=False, dry_mass_sd_pg=4.0)
    table["dry_mass_pg"] *= ALPHA_UM3_PER_PG / alpha
    comparison = compare(sample, sample.labels, table, alpha)
    assert comparison.found_share == 1
    assert comparison.mean_iou == 1
    assert comparison.mass_deviation == pytest.approx(0, abs=1e-12)
    n_cells = sum(row["frame"] == 2 for row in sample.table)
    assert comparison.n_cells == comparison.true_n_cells == n_cells
