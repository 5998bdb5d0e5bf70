import numpy as np
import pytest

from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.calibration.photon_transfer import fit_transfer, sample_noise

SIZE = 320
NO_DARK = unknown("")


def fringes(level=1000.0, visibility=0.7):
    y, x = np.mgrid[:SIZE, :SIZE]
    light = level * (1 - 0.2 * ((x / SIZE - 0.5) ** 2 + (y / SIZE - 0.5) ** 2))
    return light * (1 + visibility * np.cos(2 * np.pi * (0.21 * y + 0.17 * x)))


def expose(mean, rng, gain=3.0, read_noise=0.0, dark=0.0):
    electrons = rng.poisson(mean * gain) + read_noise * rng.normal(size=mean.shape)
    return np.rint(electrons / gain + dark).astype(np.float32)


def fit(samples, dark=NO_DARK, **options):
    return fit_transfer(samples, dark=dark, how="test", **options)


def test_gain_of_a_single_frame_with_fringes(rng):
    frame = expose(fringes(), rng, gain=3.0, dark=80)
    gain = fit([sample_noise(frame)]).gain
    assert gain.value == pytest.approx(3.0, rel=0.06)
    # The stated error is honest: the truth lies within four of them.
    assert abs(gain.value - 3.0) < 4 * gain.uncertainty
    assert gain.uncertainty < 0.15


def test_gain_of_a_static_pair_is_free_of_fixed_pattern(rng):
    pattern = 1 + 0.03 * rng.normal(size=(SIZE, SIZE))
    mean = fringes() * pattern
    pair = [expose(mean, rng) for _ in range(2)]
    from_pair = fit([sample_noise(*pair)]).gain
    from_frame = fit([sample_noise(pair[0])]).gain
    assert from_pair.value == pytest.approx(3.0, rel=0.06)
    # 3 % of 1000 counts is 30 counts, more than the 18 counts of shot noise.
    assert not from_frame.is_known or from_frame.value < 2


def test_read_noise_shows_where_it_is_not_below_shot_noise(rng):
    # Dark fringes of 8 counts: 24 electrons of shot noise variance against 400.
    mean = fringes(level=80, visibility=0.9)
    frame = expose(mean, rng, gain=3.0, read_noise=20.0, dark=100)
    found = fit([sample_noise(frame)], dark=Finding(100.0, 0.1))
    assert found.gain.value == pytest.approx(3.0, rel=0.15)
    assert found.read_noise.value == pytest.approx(20.0, rel=0.25)


def test_read_noise_below_shot_noise_is_unknown_with_a_bound(rng):
    frame = expose(fringes(), rng, gain=3.0, read_noise=2.0, dark=100)
    found = fit([sample_noise(frame)], dark=Finding(100.0, 0.1))
    assert found.read_noise.value is None
    assert "below the shot noise" in found.read_noise.how


def test_read_noise_needs_the_dark_level(rng):
    found = fit([sample_noise(expose(fringes(), rng, read_noise=20.0))])
    assert found.read_noise.value is None
    assert "dark" in found.read_noise.how


def test_dark_frames_give_the_read_noise(rng):
    found = fit([sample_noise(expose(fringes(), rng))], dark_noise_counts=2.0)
    # 2 counts of 3 electrons, rounding (1/12) taken off.
    assert found.read_noise.value == pytest.approx(3 * np.sqrt(4 - 1 / 12), rel=0.06)
    quiet = fit([sample_noise(expose(fringes(), rng))], dark_noise_counts=0.3)
    assert quiet.read_noise.value is None
    assert "rounding" in quiet.read_noise.how


def test_even_light_gives_the_gain_only_with_the_dark_level(rng):
    frame = expose(np.full((SIZE, SIZE), 1000.0), rng, gain=3.0, dark=100)
    without = fit([sample_noise(frame)]).gain
    assert without.value is None
    assert "do not tell" in without.how
    known = fit([sample_noise(frame)], dark=Finding(100.0, 0.1)).gain
    assert known.value == pytest.approx(3.0, rel=0.1)


def test_filtered_frame_tells_nothing(rng):
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(expose(fringes(), rng), 0.6)
    found = fit([sample_noise(blurred)]).gain
    assert found.value is None
    assert "not white" in found.how


def test_identical_frames_are_no_pair(rng):
    frame = expose(fringes(), rng)
    assert "same pixels" in sample_noise(frame, frame).problem


def test_saturated_pixels_do_not_bias_the_gain(rng):
    y, x = np.mgrid[:SIZE, :SIZE]
    spot = 3000 * np.exp(-((y - 90) ** 2 + (x - 120) ** 2) / 600)
    frame = np.minimum(expose(fringes() + spot, rng), 2500)
    found = fit([sample_noise(frame, None, 2500)]).gain
    assert found.value == pytest.approx(3.0, rel=0.15)
