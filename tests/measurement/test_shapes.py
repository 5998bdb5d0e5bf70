import numpy as np
import pytest

from napari_qpm.measurement.cells import Cells
from napari_qpm.measurement.shapes import shape_columns


@pytest.mark.parametrize("radius", [5, 12, 30])
def test_disk_is_round_with_the_perimeter_of_a_circle(radius):
    y, x = np.mgrid[:80, :80]
    disk = (np.hypot(y - 40.2, x - 39.7) < radius).astype(int)
    found = shape_columns(Cells.of(disk), (0.5, 0.5))
    # Outlines on a grid: a few per cent for the smallest.
    assert found["perimeter_um"][0] == pytest.approx(np.pi * radius, rel=0.03)
    assert found["circularity"][0] == pytest.approx(1, abs=0.05)
    assert found["aspect_ratio"][0] == pytest.approx(1, abs=0.03)
    assert found["solidity"][0] > 0.9


def test_ellipse_has_its_axes(rng):
    y, x = np.mgrid[:80, :80] - 40
    ellipse = ((y / 30) ** 2 + (x / 10) ** 2 < 1).astype(int)
    found = shape_columns(Cells.of(ellipse), None)
    assert found["aspect_ratio"][0] == pytest.approx(3, rel=0.02)
    assert found["eccentricity"][0] == pytest.approx(np.sqrt(1 - 1 / 9), rel=0.01)
    assert "perimeter_um" not in found


def test_rows_follow_the_labels_even_with_gaps():
    labels = np.zeros((10, 10), np.uint16)
    labels[1, 1], labels[5:7, 5] = 40_000, 7
    cells = Cells.of(labels)
    assert list(cells.labels) == [7, 40_000]
    assert list(shape_columns(cells, None)["area_px"]) == [2, 1]
