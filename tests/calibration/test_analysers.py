import numpy as np
import pytest

from napari_qpm.calibration.analysers import fit_analysers

GAINS = np.array([1.03, 0.99, 0.97, 1.01])
ANGLES = np.array([0.9, -0.7, 0.3, -0.5])
N = 8000


def light(rng, phase, contrast=0.7, noise=0.01, angles=ANGLES):
    """Intensities of pixels with these phases, and their places."""
    positions = rng.uniform(-1, 1, (2, phase.size)).astype(np.float32)
    level = 1000 * (1 + 0.2 * positions[0])
    t = np.deg2rad(2 * (np.array([0, 45, 90, 135]) + angles))
    values = level * GAINS[:, None] * (1 + contrast * np.cos(phase + t[:, None]))
    values = values * (1 + noise * rng.normal(size=values.shape))
    return values.astype(np.float32), positions


def test_gains_and_angles_come_back_when_phases_cover_the_circle(rng):
    found = fit_analysers(*light(rng, rng.uniform(-np.pi, np.pi, N)))
    assert np.allclose(found.gains.value, GAINS, atol=0.002)
    assert np.allclose(found.angle_errors_deg.value, ANGLES, atol=0.1)
    assert found.contrast.value == pytest.approx(0.7, abs=0.003)


def test_dominant_phase_does_not_pull_the_fit(rng):
    empty = rng.normal(0.4, 0.1, N)
    few = rng.uniform(-np.pi, np.pi, N // 3)
    found = fit_analysers(*light(rng, np.concatenate([empty, few])))
    assert np.allclose(found.gains.value, GAINS, atol=0.005)
    assert np.allclose(found.angle_errors_deg.value, ANGLES, atol=0.3)


def test_quarter_of_the_circle_tells_no_angles(rng):
    found = fit_analysers(*light(rng, rng.uniform(0, np.pi / 2, N)))
    assert found.angle_errors_deg.value is None
    assert "of the circle" in found.angle_errors_deg.how


def test_flat_field_without_fringes_tells_nothing(rng):
    found = fit_analysers(*light(rng, np.full(N, 0.3)))
    assert found.gains.value is None
    assert "too little" in found.gains.how
    assert found.contrast.value is None


def test_photograph_of_polarized_light_gives_gains_only(rng):
    # Contrast differs from pixel to pixel: no interference, but the sum rule holds.
    phase = rng.uniform(-np.pi, np.pi, N)
    contrast = rng.uniform(0, 0.6, N)
    values, positions = light(rng, phase, contrast=contrast, angles=np.zeros(4))
    found = fit_analysers(values, positions)
    assert np.allclose(found.gains.value, GAINS, atol=0.005)
    assert "taken as exact" in found.gains.how
    assert found.angle_errors_deg.value is None
    assert found.contrast.value is None
