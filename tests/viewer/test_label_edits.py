"""Cells merged, split and cut, on drawn discs with known parts."""

import numpy as np
import pytest

from napari_qpm.viewer.label_edits import cut, joined, parted, unused_label

SHAPE = (60, 100)
RADIUS = 12


def disc(centre, radius=RADIUS):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def mask_of(pixels):
    mask = np.zeros(SHAPE, bool)
    mask[pixels] = True
    return mask


@pytest.fixture
def touching():
    """Two discs of one label that overlap in a neck at x = 50; the right is smaller."""
    frame = np.zeros(SHAPE, np.int32)
    frame[disc((30, 40)) | disc((30, 59), RADIUS - 2)] = 7
    return frame


def test_touching_discs_part_at_their_neck(touching):
    part = mask_of(parted(touching, 7))

    assert (part & (touching != 7)).sum() == 0
    expected = (touching == 7) & (np.arange(SHAPE[1]) >= 51)
    # The neck is some pixels wide; a column more or less is right, too.
    assert (part ^ expected).sum() <= 2 * RADIUS


def test_a_valley_of_the_phase_parts_what_the_outline_does_not():
    frame = np.zeros(SHAPE, np.int32)
    frame[20:40, 20:80] = 1
    x = np.arange(SHAPE[1])
    ridge = np.exp(-((x - 33) ** 2) / 60) + np.exp(-((x - 66) ** 2) / 60)
    phase = np.broadcast_to(ridge * 3, SHAPE).astype(np.float32)

    part = mask_of(parted(frame, 1, phase))

    columns = np.flatnonzero(part.any(axis=0))
    border = columns[0] if columns[-1] == 79 else columns[-1]
    assert abs(border - 50) <= 4


@pytest.mark.parametrize("has_phase", [False, True])
def test_a_round_cell_parts_in_halves(has_phase):
    frame = disc((30, 50)).astype(np.int32)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    bell = np.exp(-((y - 30) ** 2 + (x - 50) ** 2) / 60).astype(np.float32)

    part = parted(frame, 1, bell if has_phase else None)

    # Halves but for the line of pixels on the middle.
    assert 0.4 * frame.sum() <= part[0].size <= 0.5 * frame.sum()


def test_separate_pieces_part_without_a_cut():
    frame = (disc((30, 20)) | disc((30, 80), 8)).astype(np.int32)

    assert np.array_equal(mask_of(parted(frame, 1)), disc((30, 80), 8))


def test_a_single_pixel_is_not_split():
    frame = np.zeros(SHAPE, np.int32)
    frame[5, 5] = 1

    assert parted(frame, 1)[0].size == 0


def test_missing_values_of_the_phase_do_not_matter(touching):
    phase = np.full(SHAPE, np.nan, np.float32)

    assert parted(touching, 7, phase)[0].size > 0


def test_a_line_cuts_the_cell_that_it_crosses_most():
    frame = np.zeros(SHAPE, np.int32)
    frame[disc((30, 30))], frame[disc((30, 70))] = 1, 2

    label, pixels = cut(frame, (10.0, 66.0), (50.0, 66.0))

    assert label == 2
    assert np.array_equal(mask_of(pixels), (frame == 2) & (np.arange(SHAPE[1]) < 66))


def test_a_line_beside_the_cells_cuts_nothing():
    frame = disc((30, 30)).astype(np.int32)

    label, pixels = cut(frame, (0.0, 90.0), (80.0, 120.0))

    assert label == 0
    assert pixels[0].size == 0


def test_merging_closes_a_thin_gap():
    frame = np.zeros(SHAPE, np.int32)
    frame[20:40, 20:40], frame[20:40, 41:60] = 3, 4

    frame[joined(frame, 3, 4)] = 3

    assert (frame[20:40, 20:60] == 3).mean() > 0.99
    assert (frame == 4).sum() == 0


def test_merging_leaves_other_cells_alone():
    frame = np.zeros(SHAPE, np.int32)
    frame[20:40, 20:40], frame[20:40, 41:60], frame[10:20, :] = 3, 4, 9

    frame[joined(frame, 3, 4)] = 3

    assert (frame[10:20] == 9).all()


def test_unused_labels_fit_the_type_of_the_layer():
    frame = np.array([[0, 1, 254, 255]], np.uint8)

    assert unused_label(frame.astype(np.int32), 300) == 301
    assert unused_label(frame, 0) == 2
    assert unused_label(np.arange(256, dtype=np.uint8).reshape(16, 16), 0) is None
