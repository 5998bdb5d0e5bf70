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


def circular_light(rng, retardance_deg, imbalance=0.0, noise=0.003, contrast=0.7):
    """Intensities behind perfect analysers and a quarter-wave plate that is off.

    The imbalance is (reference - object) over the sum of their intensities.
    """
    positions = rng.uniform(-1, 1, (2, N)).astype(np.float32)
    phase = rng.uniform(-np.pi, np.pi, N)
    off = np.deg2rad(retardance_deg)
    t = np.deg2rad(2 * np.array([0, 45, 90, 135]))[:, None]
    fringes = np.cos(phase) * np.cos(t) - np.cos(off) * np.sin(phase) * np.sin(t)
    crossed = imbalance * np.sin(off) * np.sin(t)
    values = 1000 * (1 + contrast * fringes + crossed)
    values = values * (1 + noise * rng.normal(size=values.shape))
    return values.astype(np.float32), positions


@pytest.mark.parametrize("error", [5.0, 10.0, -10.0, 20.0])
def test_retardance_error_comes_back_without_its_sign(rng, error):
    found = fit_analysers(*circular_light(rng, error)).retardance_error_deg
    assert found.value == pytest.approx(abs(error), abs=0.8)
    assert abs(found.value - abs(error)) < 4 * found.uncertainty
    assert "sign is not seen" in found.how


@pytest.mark.parametrize("error", [0.0, 0.5])
def test_small_retardance_error_is_below_what_light_tells(rng, error):
    found = fit_analysers(*circular_light(rng, error)).retardance_error_deg
    assert found.value is None
    # Its cosine: 0.99996 at 0.5 degrees.
    assert "Not identifiable: it is below" in found.how


def test_retardance_error_leaves_gains_and_angles_alone(rng):
    found = fit_analysers(*circular_light(rng, 10.0))
    assert np.allclose(found.gains.value, 1, atol=0.001)
    assert np.allclose(found.angle_errors_deg.value, 0, atol=0.1)
    assert found.contrast.value == pytest.approx(0.7, abs=0.002)


@pytest.mark.parametrize("error", [8.0, -8.0])
def test_sign_of_the_retardance_error_looks_like_gains(rng, error):
    # The light of an unbalanced interferometer is explained to the noise, wrongly: by
    # gains behind 45 and 135 degrees that differ by what the sign of the error says.
    values, positions = circular_light(rng, error, imbalance=0.3)
    gains = fit_analysers(values, positions).gains.value
    difference = gains[3] - gains[1]
    assert np.sign(difference) == -np.sign(error)
    assert abs(difference) > 0.02


def test_intensities_have_eight_numbers_to_tell():
    # Derivatives by 12 entries of the 4 x 3 matrix, light and phase of pixels projected
    # out: 8 directions are left, 4 are hidden in the pixels.
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(4, 3))
    normal = np.zeros((12, 12))
    for phase in rng.uniform(-np.pi, np.pi, 200):
        cone = np.array([1, np.cos(phase), np.sin(phase)])
        along = np.stack([cone, [0, -np.sin(phase), np.cos(phase)]], axis=1)
        basis = np.linalg.qr(matrix @ along)[0]
        jacobian = np.kron(np.eye(4), cone)
        free = jacobian - basis @ (basis.T @ jacobian)
        normal += free.T @ free
    values = np.linalg.eigvalsh(normal)
    assert np.all(values[:4] < 1e-9 * values[-1])
    assert values[4] > 1e-6 * values[-1]
