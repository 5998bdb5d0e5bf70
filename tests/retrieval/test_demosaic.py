"""Angle images from mosaics: every layout, offset, size and pixel type."""

import itertools

import numpy as np
import pytest

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval.demosaic import (
    ANGLES,
    Demosaicing,
    angle_pattern,
    demosaic,
    difference_weights,
    interpolation_reach,
    interpolation_taps,
)

SONY = (90, 45, 135, 0)
LAYOUTS = list(itertools.permutations(ANGLES))
OFFSETS = [(0, 0), (0, 1), (1, 0), (3, 5)]


def angle_images(height=24, width=32):
    """Four smooth images with nothing in common, (4, Y, X)."""
    y, x = np.mgrid[:height, :width]
    slopes = [(1.0, 2.0), (-1.5, 0.5), (0.3, -2.0), (2.0, 1.0)]
    return np.stack(
        [500 + 100 * n + a * y + b * x for n, (a, b) in enumerate(slopes)]
    ).astype(np.float32)


def mosaic_of(images, layout, offset=(0, 0)):
    """Pick from ``(4, Y, X)`` what each pixel of the sensor sees."""
    _, height, width = images.shape
    rows, columns = np.mgrid[:height, :width] + np.reshape(offset, (2, 1, 1))
    angles = np.reshape(layout, (2, 2))[rows % 2, columns % 2]
    return np.take_along_axis(images, angles[None] // 45, axis=0)[0]


@pytest.mark.parametrize("method", Demosaicing)
@pytest.mark.parametrize("offset", OFFSETS)
def test_every_layout_and_roi_offset_gives_back_plane_images(method, offset):
    images = angle_images()
    inner = (slice(None), slice(5, -5), slice(5, -5))
    for layout in LAYOUTS:
        mosaic = mosaic_of(images, layout, offset)
        channels = demosaic(mosaic, layout, offset, method)
        # Every kernel is symmetric and sums to 1: planes are exact up to rounding.
        np.testing.assert_allclose(channels[inner], images[inner], rtol=1e-6)


@pytest.mark.parametrize("method", Demosaicing)
def test_measured_pixels_are_kept_by_interpolation_and_constants_by_all(method):
    taps = np.array(interpolation_taps(method), dtype=np.float64)
    weights = np.concatenate([taps[:0:-1], taps])
    even = weights[(len(taps) - 1) % 2 :: 2].sum()
    odd = weights[len(taps) % 2 :: 2].sum()
    assert even == pytest.approx(1, abs=1e-6)
    assert odd == pytest.approx(1, abs=1e-6)
    constant = mosaic_of(np.full((4, 16, 16), 7.0), SONY)
    np.testing.assert_allclose(demosaic(constant, SONY, method=method), 7, rtol=1e-6)


@pytest.mark.parametrize("shape", [(23, 32), (24, 31), (23, 31)])
@pytest.mark.parametrize("method", Demosaicing)
def test_odd_sizes_lose_nothing(method, shape):
    images = np.full((4, *shape), 0.0) + np.array([3, 5, 7, 11]).reshape(4, 1, 1)
    channels = demosaic(mosaic_of(images, SONY), SONY, method=method)
    np.testing.assert_allclose(channels, images, rtol=1e-6)


def test_bilinear_is_the_mean_of_the_nearest_neighbours():
    mosaic = np.arange(80, dtype=np.uint16).reshape(8, 10) ** 2
    at_0 = demosaic(mosaic, SONY, method=Demosaicing.BILINEAR)[0]
    assert at_0[3, 3] == mosaic[3, 3]
    assert at_0[3, 4] == (int(mosaic[3, 3]) + mosaic[3, 5]) / 2
    assert at_0[4, 3] == (int(mosaic[3, 3]) + mosaic[5, 3]) / 2
    corners = mosaic[3:6:2, 3:6:2].astype(float)
    assert at_0[4, 4] == corners.mean()


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "i4", "f4", "f8"])
def test_pixel_types_and_byte_orders_agree(dtype):
    mosaic = np.arange(120).reshape(10, 12) * 2
    expected = demosaic(mosaic.astype(np.float32), SONY)
    np.testing.assert_array_equal(demosaic(mosaic.astype(dtype), SONY), expected)


def test_a_window_of_a_larger_frame_is_taken_like_its_copy(rng):
    frame = rng.integers(0, 4096, (40, 50)).astype(np.uint16)
    window = frame[4:30, 7:41]
    np.testing.assert_array_equal(demosaic(window, SONY), demosaic(window.copy(), SONY))


def test_threads_do_not_show(rng):
    frame = rng.integers(0, 4096, (700, 800)).astype(np.uint16)
    whole = demosaic(frame, SONY)
    part = demosaic(frame[300:400], SONY)
    np.testing.assert_array_equal(whole[:, 306:394], part[:, 6:94])


def test_odd_offset_permutes_the_pattern():
    np.testing.assert_array_equal(angle_pattern(SONY, (0, 0)), [[90, 45], [135, 0]])
    np.testing.assert_array_equal(angle_pattern(SONY, (0, 1)), [[45, 90], [0, 135]])
    np.testing.assert_array_equal(angle_pattern(SONY, (7, 4)), [[135, 0], [90, 45]])


def test_weights_are_stored_row_by_row():
    # Kernels compile for any memory order, but run four times slower on another.
    assert difference_weights(SONY, (0, 0), 64).flags.c_contiguous


def test_reach_counts_pixels_that_matter():
    reach = {method: interpolation_reach(method) for method in Demosaicing}
    assert reach == {"bilinear": 1, "bicubic": 3, "fourier": 2}


def test_tiny_frame_is_refused_with_its_size():
    with pytest.raises(LayoutError, match=r"4 x 20 pixels is too small"):
        demosaic(np.zeros((4, 20), np.uint8), SONY)
