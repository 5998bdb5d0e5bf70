from pathlib import Path

import pytest

from napari_qpm.errors import LayoutError
from napari_qpm.io.axes import plan_axes

FILE = Path("cells.tif")


def test_time_and_channels_keep_their_roles_in_any_order():
    axes = plan_axes("CT", (2, 5), planes=False, path=FILE)
    assert (axes.n_frames, axes.n_channels) == (5, 2)
    assert axes.index(3, 1) == (1, 3)
    assert axes.ravel(3, 1) == 8


def test_single_planes_do_not_disturb():
    axes = plan_axes("TZC", (5, 1, 1), planes=False, path=FILE)
    assert (axes.n_frames, axes.n_channels, axes.notes) == (5, 1, ())


def test_planes_without_time_become_frames_with_a_note():
    axes = plan_axes("ZC", (9, 1), planes=False, path=FILE)
    assert axes.n_frames == 9
    assert "9 images along Z" in axes.notes[0]
    assert "modality='through-focus'" in axes.notes[0]


def test_planes_become_channels_of_a_through_focus_recording():
    axes = plan_axes("TZ", (4, 9), planes=True, path=FILE)
    assert (axes.n_frames, axes.n_channels, axes.notes) == (4, 9, ())


def test_time_and_planes_together_ask_for_the_kind():
    with pytest.raises(LayoutError, match=r"cells\.tif.*T = 4, Z = 9.*through-focus"):
        plan_axes("TZ", (4, 9), planes=False, path=FILE)


def test_unknown_axes_count_frames():
    assert plan_axes("I", (7,), planes=False, path=FILE).n_frames == 7


@pytest.mark.parametrize(
    ("letters", "sizes", "n_pages", "n_frames"),
    [("TC", (5, 2), 7, 3), ("CT", (2, 5), 7, 2), ("T", (5,), 9, 5), ("C", (2,), 1, 0)],
)
def test_cut_files_keep_only_frames_with_all_channels(
    letters, sizes, n_pages, n_frames
):
    axes = plan_axes(letters, sizes, planes=False, path=FILE).shortened(n_pages)
    assert axes.n_frames == n_frames


def test_shortened_frames_stay_where_they_were():
    whole = plan_axes("CT", (2, 5), planes=False, path=FILE)
    assert whole.shortened(7).ravel(1, 1) == whole.ravel(1, 1)
