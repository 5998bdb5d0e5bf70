"""Profiles along lines of known images."""

import numpy as np
import pytest

from napari_qpm.errors import ParameterError
from napari_qpm.measurement import line_profile


def test_a_plane_is_a_straight_line_in_any_direction():
    y, x = np.mgrid[:40, :50]
    image = 2.0 * y + 3.0 * x + 1
    start, end = (5.0, 7.0), (30.5, 41.25)

    profile = line_profile(image, start, end, width_px=3)

    length = np.hypot(25.5, 34.25)
    assert profile.distance_px[-1] == pytest.approx(length)
    slope = (2 * 25.5 + 3 * 34.25) / length
    expected = 2 * 5 + 3 * 7 + 1 + slope * profile.distance_px
    np.testing.assert_allclose(profile.mean, expected, atol=1e-9)
    # Two neighbours one pixel to both sides: slope across times sqrt(2 / 3).
    across = abs(3 * 25.5 - 2 * 34.25) / length
    np.testing.assert_allclose(profile.spread, across * np.sqrt(2 / 3))


def test_width_averages_noise(rng):
    image = rng.normal(0, 1, (60, 400))

    thin = line_profile(image, (30, 10), (30, 390))
    wide = line_profile(image, (30, 10), (30, 390), width_px=25)

    assert thin.mean.std() == pytest.approx(1, rel=0.15)
    assert wide.mean.std() == pytest.approx(0.2, rel=0.2)


def test_unknown_values_and_the_outside_do_not_count():
    image = np.ones((10, 10))
    image[5, 5] = np.nan

    profile = line_profile(image, (5, -3), (5, 12), width_px=1)

    assert np.isnan(profile.mean[:3]).all()
    assert np.isnan(profile.mean[-1])
    assert profile.mean[3] == 1
    assert np.isnan(profile.mean[8])


@pytest.mark.parametrize(("end", "width"), [((3, 3), 1), ((3, 9), 0)])
def test_impossible_lines_are_explained(end, width):
    with pytest.raises(ParameterError):
        line_profile(np.zeros((20, 20)), (3, 3), end, width)
