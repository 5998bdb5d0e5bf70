import numpy as np
import pytest

from napari_qpm.segmentation.instances import part_cells


def answers_of(centres: list[tuple[int, int]], radius: float = 8.0) -> np.ndarray:
    """Return perfect answers ``(3, 48, 48)`` for round cells, which may touch."""
    y, x = np.indices((48, 48))
    near = [1 - np.hypot(y - cy, x - cx) / radius for cy, cx in centres]
    nearness = np.clip(np.max(near, axis=0), 0, 1)
    logit = np.where(nearness > 0, 5.0, -5.0)
    return np.stack([logit, nearness, nearness]).astype(np.float32)


def test_touching_cells_part_at_their_centres():
    labels = part_cells(answers_of([(15, 15), (15, 29), (34, 20)]))
    assert labels.max() == 3
    assert len({labels[15, 15], labels[15, 29], labels[34, 20]}) == 3
    assert labels[0, 0] == 0


def test_no_cell_gives_no_label():
    assert part_cells(answers_of([(99, 99)])).max() == 0


def test_without_distances_the_shape_of_the_mask_parts():
    labels = part_cells(answers_of([(15, 15), (15, 29)])[:1])
    assert labels[15, 15] != labels[15, 29]


@pytest.mark.parametrize(("separation", "n_cells"), [(0.05, 2), (0.9, 1)])
def test_separation_decides_how_clear_a_valley_is(separation, n_cells):
    answers = answers_of([(15, 15), (15, 25)])
    assert part_cells(answers, separation=separation).max() == n_cells


def test_specks_are_no_cells():
    answers = answers_of([(15, 15), (15, 35)])
    answers[0, 40:42, 40:42] = 5
    assert part_cells(answers).max() == 2
    assert part_cells(answers, least_area_px=1000).max() == 0


def test_threshold_draws_tighter_outlines():
    answers = answers_of([(20, 20)])
    answers[0] = 8 * (answers[1] - 0.3)
    wide, tight = (part_cells(answers, threshold=p) > 0 for p in (0.2, 0.8))
    assert tight.sum() < wide.sum()
