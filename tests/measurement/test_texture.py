import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops

from napari_qpm.measurement.cells import Cells
from napari_qpm.measurement.texture import glcm_columns, gradient_columns


def test_slope_of_a_wedge_is_its_steepness_in_nm_per_um():
    y, x = np.mgrid[:20, :20]
    cells = Cells.of(np.ones((20, 20), int))
    found = gradient_columns(3.0 * y + 4.0 * x, cells, (0.5, 0.5))
    assert found["opd_gradient_mean_nm_um"][0] == pytest.approx(10)
    assert found["opd_gradient_std_nm_um"][0] == pytest.approx(0, abs=1e-9)


def test_cooccurrence_agrees_with_scikit_image(rng):
    levels = rng.integers(0, 32, (40, 50))
    levels[0, :2] = 0, 31
    cells = Cells.of(np.ones(levels.shape, int))
    found = glcm_columns(levels / 31 * 5, cells)
    angles = [0, np.pi / 2, np.pi / 4, 3 * np.pi / 4]
    counts = graycomatrix(
        levels.astype(np.uint8), [1], angles, levels=32, symmetric=True
    ).sum(axis=3, keepdims=True)
    counts = counts / counts.sum()
    for ours, theirs in (
        ("glcm_contrast", "contrast"),
        ("glcm_homogeneity", "homogeneity"),
        ("glcm_energy", "energy"),
        ("glcm_correlation", "correlation"),
    ):
        expected = graycoprops(counts, theirs)[0, 0]
        assert found[ours][0] == pytest.approx(expected, abs=1e-6), ours


def test_each_cell_has_its_own_texture_and_pairs_stay_inside():
    labels = np.zeros((10, 20), int)
    labels[:, :10], labels[:, 10:] = 1, 2
    values = np.where(labels == 1, 3.0, np.indices(labels.shape).sum(axis=0) % 2)
    found = glcm_columns(values, Cells.of(labels))
    # Cell 1 is uniform; cell 2 is a chess board, whose diagonal pairs are equal.
    assert found["glcm_contrast"][0] == 0
    assert found["glcm_correlation"][0] == 1
    assert found["glcm_entropy"][0] == 0
    straight, diagonal = 2 * 90, 2 * 81
    expected = 31**2 * straight / (straight + diagonal)
    assert found["glcm_contrast"][1] == pytest.approx(expected)
