import numpy as np

from napari_qpm.segmentation.network_grid import images_on_grid, values_on_grid


def test_images_and_values_are_of_the_same_blocks():
    values = np.zeros((7, 8), np.int32)
    values[3:6, 3:6] = 5
    images = values[None].astype(np.float32)
    image, coarse = images_on_grid(images, 3)[0], values_on_grid(values, 3)
    assert image.shape == coarse.shape == (3, 3)
    np.testing.assert_array_equal(image > 2.5, coarse == 5)
    assert image[1, 1] == coarse[1, 1] == 5


def test_nothing_changes_on_the_own_grid():
    images = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    assert images_on_grid(images, 1) is images
    np.testing.assert_array_equal(values_on_grid(images[0], 1), images[0])
