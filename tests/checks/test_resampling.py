"""From a coarse grid to the camera's pixels."""

import numpy as np
import pytest

from napari_qpm.checks.resampling import phasor_at, resample


@pytest.mark.parametrize("scale", [(2.0, 2.0), (2.3, 2.6), (1.5, 3.0)])
def test_band_limited_fields_are_interpolated(scale):
    fy, fx = 0.21, -0.18  # cycles per coarse pixel; the sideband ends at 0.25
    y, x = np.mgrid[:60, :80]
    coarse = np.exp(2j * np.pi * (fy * y + fx * x)).astype(np.complex64)
    shape = (int(60 * scale[0]), int(80 * scale[1]))
    fine_y, fine_x = np.mgrid[: shape[0], : shape[1]]
    expected = np.exp(2j * np.pi * (fy * fine_y / scale[0] + fx * fine_x / scale[1]))
    error = np.abs(resample(coarse, shape, scale) - expected)
    margin = tuple(slice(int(5 * s), int(-5 * s)) for s in scale)
    assert error[margin].max() < 0.01


def test_planes_are_kept_up_to_the_edge():
    y, x = np.mgrid[:20, :20]
    fine = resample((2.0 * y + x).astype(np.float32), (40, 40), (2.0, 2.0))
    expected_y, expected_x = np.mgrid[:40, :40] / 2
    # Windowed sinc over few taps: a plane is right to a hundredth of a step.
    np.testing.assert_allclose(fine, 2 * expected_y + expected_x, atol=0.05)


def test_same_grid_is_returned_as_it_is():
    image = np.ones((4, 5), np.float32)
    assert resample(image, (4, 5), (1.0, 1.0)) is image


def test_unknown_pixels_stay_unknown_and_do_not_spread_far():
    phase = np.full((30, 30), 7.0, np.float32)
    phase[10:13, 10:13] = np.nan
    phasor, is_known = phasor_at(phase, (60, 60), (2.0, 2.0))
    assert not is_known[20:25, 20:25].any()
    assert is_known[:10].all()
    assert is_known[40:].all()
    np.testing.assert_allclose(np.abs(phasor), 1, atol=1e-5)
    np.testing.assert_allclose(phasor[:10], np.exp(7j), atol=1e-3)
