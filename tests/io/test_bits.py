import numpy as np
import pytest

from napari_qpm.io.bits import detect_bits


@pytest.mark.parametrize(("bits", "shift"), [(14, 2), (12, 4), (10, 6)])
def test_data_in_the_high_bits_are_found(bits, shift, rng):
    values = rng.integers(0, 1 << bits, (50, 50)).astype(np.uint16) << shift
    depth, found, note = detect_bits(values)
    assert (depth, found) == (bits, shift)
    assert f"multiples of {1 << shift}" in note
    assert "bit_shift=" in note


@pytest.mark.parametrize(("brightest", "depth"), [(255, 8), (900, 10), (4095, 12)])
def test_depth_follows_the_brightest_pixel_and_says_so(brightest, depth, rng):
    values = rng.integers(0, brightest + 1, (50, 50)).astype(np.uint16)
    values[0, 0] = brightest
    found, shift, note = detect_bits(values)
    assert (found, shift) == (depth, 0)
    assert f"brightest pixel is {brightest}" in note


def test_eight_bit_data_need_no_assumption():
    assert detect_bits(np.ones((4, 4), np.uint8)) == (8, 0, "")


def test_full_range_is_sixteen_bit(rng):
    values = rng.integers(0, 65536, (50, 50)).astype(np.uint16)
    assert detect_bits(values)[:2] == (16, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint32])
def test_other_types_say_nothing(dtype):
    assert detect_bits(np.ones((4, 4), dtype)) == (None, 0, "")


def test_a_black_frame_says_nothing():
    assert detect_bits(np.zeros((4, 4), np.uint16)) == (None, 0, "")


def test_dim_multiples_are_not_taken_for_high_bits():
    values = np.full((4, 4), 64, np.uint16)
    assert detect_bits(values)[:2] == (8, 0)
