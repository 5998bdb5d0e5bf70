"""Expected noise: from the camera's gain, or from what optics cannot reach."""

import numpy as np
import pytest

from napari_qpm.acquisition import Instrument
from napari_qpm.checks.noise import (
    camera_noise,
    colour_noise,
    four_angle_noise,
    mosaic_noise,
    out_of_band_noise,
)

SIGMA = 3.0
"""Counts; the estimates come from thousands of pixels, and are right to 5 %."""


@pytest.fixture
def scene():
    """Brightness, fringe amplitude and phase, all smooth."""
    y, x = np.mgrid[:200, :240]
    phase = 5 * np.exp(-((y - 90) ** 2 + (x - 120) ** 2) / (2 * 25**2))
    return 500 + 0.3 * x, 300 + 0 * y, phase


def noisy(image, rng):
    return (image + rng.normal(0, SIGMA, image.shape)).astype(np.float32)


def test_hologram_noise_is_found_beside_strong_fringes(scene, rng):
    brightness, amplitude, phase = scene
    y, x = np.mgrid[:200, :240]
    carrier = (0.21, 0.24)
    fringes = np.cos(2 * np.pi * (carrier[0] * y + carrier[1] * x) + phase)
    frame = noisy(brightness + amplitude * fringes, rng)
    assert out_of_band_noise(frame, carrier) == pytest.approx(SIGMA, rel=0.05)


def test_mosaic_noise_is_found_with_unequal_gains(scene, rng):
    brightness, amplitude, phase = scene
    angles = np.tile(np.deg2rad([[90, 45], [135, 0]]), (100, 120))
    gains = np.tile([[1.02, 0.97], [1.0, 1.01]], (100, 120))
    frame = gains * (brightness + amplitude * np.cos(phase + 2 * angles))
    assert mosaic_noise(noisy(frame, rng)) == pytest.approx(SIGMA, rel=0.05)


def test_four_image_noise_is_found_with_unequal_gains(scene, rng):
    brightness, amplitude, phase = scene
    images = [
        gain * (brightness + amplitude * np.cos(phase + 2 * np.deg2rad(angle)))
        for gain, angle in zip((1.02, 0.97, 1.0, 1.01), (0, 45, 90, 135), strict=True)
    ]
    assert four_angle_noise(noisy(np.stack(images), rng)) == pytest.approx(
        SIGMA, rel=0.05
    )


def test_colour_noise_is_that_of_each_channel(scene, rng):
    brightness, _, phase = scene
    channels = [
        brightness + 50 * phase + rng.normal(0, sigma, phase.shape)
        for sigma in (2.0, 3.0, 6.0)
    ]
    found = colour_noise(np.stack(channels).astype(np.float32))
    assert found.shape == (3, 1, 1)
    np.testing.assert_allclose(found.ravel(), (2.0, 3.0, 6.0), rtol=0.1)


def test_noiseless_frame_has_at_least_rounding():
    assert out_of_band_noise(np.full((64, 64), 7, np.float32), (0.2, 0.2)) > 0.28


def test_gain_read_noise_and_rounding_add_up():
    instrument = Instrument(
        gain_e_per_count=4.0, read_noise_e=8.0, dark_counts=10.0, bit_shift=2
    )
    counts = np.array([[10.0, 410.0]], np.float32)
    expected = np.sqrt(np.array([[0, 100.0]]) + 2.0**2 + 4.0**2 / 12)
    np.testing.assert_allclose(camera_noise(counts, instrument), expected, rtol=1e-6)


def test_unknown_gain_gives_no_noise():
    assert camera_noise(np.zeros((2, 2), np.float32), Instrument()) is None
