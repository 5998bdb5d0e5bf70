"""The shown table, on small and on very long ones."""

import time

import numpy as np
import pandas as pd
import pytest

from napari_qpm.viewer.cell_table import CellTable, plottable
from napari_qpm.viewer.titles import number_text, title_of


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "label": [1, 2, 3, 1],
            "frame": [0, 0, 0, 1],
            "dry_mass_pg": [30.0, np.nan, 10.0, 20.0],
            "dry_mass_sd_pg": [1.0, np.nan, 0.5, 2.0],
            "border": [True, False, False, False],
            "phase_engine": ["fourier"] * 4,
        }
    )


def titles(shown):
    return [column.title for column in shown.columns]


def column(shown, title):
    place = titles(shown).index(title)
    return [shown.text(row, place) for row in range(shown.n_rows)]


def test_mass_stands_with_its_error_and_details_stay_in_the_file(table):
    shown = CellTable(table)

    assert titles(shown) == ["Cell", "Frame", "Dry mass (pg)", "At the border"]
    assert column(shown, "Dry mass (pg)") == [
        "30.0 ± 1.0",
        "–",
        "10.00 ± 0.50",
        "20.0 ± 2.0",
    ]
    assert column(shown, "At the border") == ["yes", "", "", ""]


def test_a_single_frame_needs_no_frame_column(table):
    assert "Frame" not in titles(CellTable(table[:3]))


@pytest.mark.parametrize(
    ("descending", "order"), [(False, [2, 3, 0, 1]), (True, [0, 3, 2, 1])]
)
def test_sorting_is_by_value_and_puts_unknown_last(table, descending, order):
    shown = CellTable(table)
    shown.sort(2, descending=descending)

    assert [shown.source(row) for row in range(4)] == order
    assert [shown.place(source) for source in order] == [0, 1, 2, 3]


def test_a_filter_keeps_the_order_and_knows_what_is_hidden(table):
    shown = CellTable(table)
    shown.sort(2)
    shown.show_only(np.array([True, True, True, False]))

    assert [shown.source(row) for row in range(shown.n_rows)] == [2, 0, 1]
    assert shown.place(3) is None
    shown.show_only(None)
    assert shown.n_rows == 4


def test_words_are_sorted_too():
    shown = CellTable(
        pd.DataFrame({"label": [1, 2, 3], "frame": 0, "kind": list("bca")})
    )
    shown.sort(titles(shown).index("Kind"))

    assert column(shown, "Kind") == ["a", "b", "c"]


def test_only_numbers_that_are_known_can_be_plotted(table):
    table["speed_um_min"] = np.nan

    assert plottable(table) == ["dry_mass_pg", "frame"]


def test_titles_carry_units():
    assert title_of("area_um2") == "Area (µm²)"
    assert title_of("growth_pg_h") == "Growth (pg/h)"
    assert title_of("circularity") == "Circularity"
    assert title_of("glcm_entropy") == "GLCM entropy (bit)"
    assert number_text(0.123456) == "0.1235"
    assert number_text(12.0) == "12"
    assert number_text(np.inf) == "–"


def test_a_hundred_thousand_rows_do_not_lag(rng):
    n = 100_000
    long = pd.DataFrame(
        {
            "label": np.arange(n) % 100 + 1,
            "frame": np.arange(n) // 100,
            "dry_mass_pg": rng.normal(300, 50, n),
            "dry_mass_sd_pg": np.ones(n),
        }
    )
    start = time.process_time()
    shown = CellTable(long)
    shown.sort(2, descending=True)
    shown.show_only(long["frame"].to_numpy() < 500)
    texts = [shown.text(row, 2) for row in range(40)]
    place = shown.place(123)
    seconds = time.process_time() - start

    assert len(texts) == 40
    assert place is not None
    # About 30 ms; a screen of rows must come within one blink.
    assert seconds < 0.2
