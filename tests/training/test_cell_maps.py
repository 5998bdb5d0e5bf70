import numpy as np
import pytest
import torch

from napari_qpm.errors import FileFormatError
from napari_qpm.training.cell_maps import (
    A2780_TEST,
    A2780_TRAINING,
    cell_distances,
    draw_cell_maps,
    read_a2780,
)


def test_distances_of_two_touching_cells_are_those_of_each_alone():
    labels = np.zeros((12, 20), int)
    labels[2:9, 1:8] = 1
    labels[2:9, 8:15] = 2
    cell, centre, boundary = cell_distances(labels)
    assert np.array_equal(cell > 0, labels > 0)
    assert np.array_equal(centre[:, 1:8], centre[:, 8:15])
    assert np.array_equal(boundary[:, 1:8], boundary[:, 8:15])
    assert centre[5, 4] == boundary[5, 4] == 1
    # A corner is the farthest; along the middle, the depth grows by a pixel each step.
    assert centre[2, 1] == 0
    np.testing.assert_allclose(boundary[5, 1:5], np.arange(1, 5) / 4)


def test_nothing_and_gaps_in_the_numbers_are_taken():
    assert cell_distances(np.zeros((8, 8), int)).max() == 0
    labels = np.zeros((8, 8), int)
    labels[3, 3] = 7
    assert cell_distances(labels)[:, 3, 3].tolist() == [1, 1, 1]


def test_simulated_maps_are_a_function_of_their_seed():
    def draw(seed: int):
        return draw_cell_maps(
            2,
            (64, 64),
            seed=seed,
            device=torch.device("cpu"),
            size_px=(20, 30),
            confluence=(0.3, 0.6),
        )

    first, again, other = draw(1), draw(1), draw(2)
    assert first.answers.shape == (2, 3, 64, 64)
    assert torch.equal(first.opd_um, again.opd_um)
    assert not torch.equal(first.opd_um, other.opd_um)
    inside = first.answers[:, 0] > 0
    assert 0.1 < float(inside.float().mean()) < 0.9
    opd = first.opd_um
    assert float(opd[inside].mean()) > 5 * float(opd[~inside].abs().mean())


def test_no_image_is_for_training_and_for_tests():
    assert not set(A2780_TEST) & set(A2780_TRAINING)
    assert (len(A2780_TRAINING), len(A2780_TEST)) == (5, 3)


def test_missing_images_are_named(tmp_path):
    with pytest.raises(FileFormatError, match="img_002"):
        read_a2780(tmp_path, A2780_TRAINING)


def test_measured_maps_have_cells_that_are_thicker(shared_data):
    folder = shared_data / "qpi-a2780-masks"
    if not folder.is_dir():
        pytest.skip(f"the A2780 images are not at {folder}")
    maps = read_a2780(folder, ["img_006"])
    inside = maps.answers[:, 0] > 0
    assert float(maps.opd_um[inside].median()) > 0.05
    assert abs(float(maps.opd_um[~inside].median())) < 0.01
