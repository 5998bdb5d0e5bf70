import numpy as np
import pytest

from napari_qpm.segmentation.cell_scale import blob_response, typical_diameter


@pytest.mark.parametrize("radius", [4, 7, 14, 28])
def test_diameter_of_textured_cells_is_found(make_field, radius):
    size = 24 * radius
    phase, labels = make_field(0, 30, radius, noise_rad=0, size=size)
    root = np.sqrt(np.maximum(phase, 0))
    found = typical_diameter(root, labels > 0)
    # Domes look a little narrower than they are, blurred small cells wider.
    assert found == pytest.approx(2 * radius, rel=0.3)


def test_response_of_a_gaussian_blob_peaks_at_its_centre():
    y, x = np.mgrid[:64, :80]
    sigma = 5.0
    blob = np.exp(-((y - 30) ** 2 + (x - 44) ** 2) / (2 * sigma**2)).astype(np.float32)
    response = blob_response(blob, sigma)
    assert np.unravel_index(response.argmax(), response.shape) == (30, 44)
    # -s^2 laplacian of a Gaussian of s convolved with itself, at its centre: 1/2.
    assert response.max() == pytest.approx(0.5, abs=0.01)


def test_frame_filled_by_one_cell_gives_its_size():
    flat = np.ones((60, 60), np.float32)
    found = typical_diameter(flat, np.ones((60, 60), bool))
    assert found == pytest.approx(2 * np.sqrt(3600 / np.pi))


def test_large_frames_give_the_same_diameter(make_field):
    phase, labels = make_field(1, 30, 20, noise_rad=0, size=360)
    root, mask = np.sqrt(np.maximum(phase, 0)), labels > 0
    tiled = typical_diameter(np.tile(root, (3, 4)), np.tile(mask, (3, 4)))
    assert tiled == pytest.approx(typical_diameter(root, mask), rel=0.15)


def test_one_textured_cell_that_fills_the_frame_has_its_own_diameter():
    y, x = np.mgrid[-70:70, -70:70]
    granules = 0.2 * np.sin(y / 2.5) * np.sin(x / 2.5)
    cell = np.where(y**2 + x**2 < 50**2, 1.5 + granules, 0).astype(np.float32)
    assert typical_diameter(cell, cell > 0.5) == pytest.approx(100, rel=0.05)


def test_few_high_balls_do_not_outweigh_the_cells_around_them():
    # As after a division: two balls of a third of the width, four times as high.
    y, x = np.mgrid[:300, :300]
    image = np.zeros((300, 300), np.float32)
    for row, column, radius, height in (
        *((60, 60, 26, 1.0), (60, 150, 26, 1.0), (60, 240, 26, 1.0)),
        *((150, 60, 26, 1.0), (240, 60, 26, 1.0), (240, 240, 26, 1.0)),
        *((150, 200, 9, 4.0), (172, 200, 9, 4.0)),
    ):
        squared = ((y - row) ** 2 + (x - column) ** 2) / radius**2
        image += height * np.sqrt(np.maximum(1 - squared, 0))
    assert typical_diameter(image, image > 0.1) == pytest.approx(52, rel=0.3)


def dome(shape, row, column, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    squared = ((y - row) ** 2 + (x - column) ** 2) / radius**2
    return np.sqrt(np.maximum(1 - squared, 0)).astype(np.float32)


def test_a_round_sheet_of_cells_is_not_taken_for_one_cell():
    places = [(84, 84)] + [
        (84 + 50 * np.sin(turn), 84 + 50 * np.cos(turn))
        for turn in np.arange(6) * np.pi / 3
    ]
    image = np.maximum.reduce([dome((168, 168), *place, 29) for place in places])
    # They are 50 pixels apart, and the sheet is 158 wide.
    assert typical_diameter(image, image > 0.1) == pytest.approx(50, rel=0.3)


def test_cells_a_third_as_wide_as_the_frame_are_sized_by_themselves(rng):
    places = [(45, 50), (50, 120), (118, 48), (120, 122)]
    image = np.maximum.reduce([dome((168, 168), *place, 34) for place in places])
    for row, column in rng.uniform(30, 138, (40, 2)):
        image += 0.3 * dome((168, 168), row, column, 4) * (image > 0.3)
    assert typical_diameter(image, image > 0.1) == pytest.approx(68, rel=0.3)
