import errno
import math

import pandas as pd
import pytest
import torch
from tests.viewer.conftest import make_recording

from napari_qpm.errors import MissingMetadataError, OutputError
from napari_qpm.viewer.wording import (
    describe_recording,
    describe_table,
    explain,
    mass_text,
    notes_in_words,
    unwrapping_in_words,
)


@pytest.mark.parametrize(
    ("mass", "sd", "text"),
    [
        (312.345, 8.2, "312.3 ± 8.2"),
        (312.345, 14.2, "312 ± 14"),
        (0.123456, 0.0123, "0.123 ± 0.012"),
        (math.nan, 1.0, "–"),
        (312.3, math.nan, "312.3 ± ?"),
    ],
)
def test_masses_show_as_many_digits_as_their_error_allows(mass, sd, text):
    assert mass_text(mass, sd) == text


def test_a_recording_is_described_in_one_line():
    text = describe_recording(make_recording(n_frames=3))

    assert text == "Phase image: 3 frames, 64 × 48 px"


def test_a_table_without_mass_says_what_to_fill_in():
    table = pd.DataFrame({"label": [1], "frame": [0], "area_px": [9]})

    text = describe_table(
        table, {"dry_mass_pg": "…"}, ["wavelength_nm", "pixel_size_um"]
    )

    assert text == (
        "1 cell. No dry mass: fill in the wavelength and the pixel size above, then "
        "measure again."
    )


def test_tracks_and_divisions_are_counted():
    table = pd.DataFrame({"label": [1, 1, 2, 3], "frame": [0, 1, 2, 2]})
    tracks = pd.DataFrame({"parent_id": [0, 1, 1], "doubling_time_h": [20.0, 18, 19]})

    assert describe_table(table, {}, tracks=tracks) == (
        "3 tracks with 1 division in 3 frames; median doubling time 19 h."
    )


def test_an_empty_table_is_described():
    table = pd.DataFrame({"label": [], "frame": []})

    assert describe_table(table, {}) == "No cells."


def test_notes_lose_what_only_helps_in_a_script():
    note = "Recognised as off-axis: One set. Correct with modality=… if this is wrong."

    assert notes_in_words([note]) == ["Recognised as off-axis: One set."]


def test_errors_are_explained_without_jargon():
    missing = MissingMetadataError("pixel_size_um", "Dry mass", "'dish'")

    assert explain(missing) == "Dry mass needs the pixel size: fill it in above."
    assert explain(OutputError("The disk is full.")) == "The disk is full."


def test_pages_of_foreign_errors_are_cut():
    text = explain(ValueError("deep inside " * 100), "Retrieve phase")

    assert text.startswith("Retrieve phase failed (ValueError): deep inside")
    assert len(text) < 300


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "Free some space"),
        (MemoryError(), "work on fewer frames"),
        (torch.OutOfMemoryError("CUDA out of memory"), "Close other programs"),
    ],
)
def test_what_the_user_can_mend_comes_with_a_remedy(error, remedy):
    text = explain(error, "Segment cells")

    assert text.startswith("Segment cells failed")
    assert remedy in text


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({"focus_um": -0.9}, "Refocused by -0.9 µm."),
        (
            {"focus_um": 1.0, "cell_focus_um": [[5.0, 7.0, 2.4]]},
            "Refocused by +1.0 µm, its cell by +2.4 µm.",
        ),
        (
            {"focus_um": 1.0, "cell_focus_um": [[5.0, 7.0, 2.4], [9.0, 9.0, -3.0]]},
            "Refocused by +1.0 µm, its cells by -3.0 to +2.4 µm.",
        ),
    ],
)
def test_the_focus_of_frame_and_cells_is_told(notes, said):
    assert unwrapping_in_words(notes) == said
