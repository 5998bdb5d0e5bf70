"""The empty field: level, slope and the side on which cells lie."""

import numpy as np
import pytest

from napari_qpm.checks import Verdict, find_field
from napari_qpm.checks.background_check import background_check

NOISE = 0.05


@pytest.fixture
def field():
    """Three cells of 2 rad; a seventh of the field."""
    y, x = np.mgrid[:160, :200]
    phase = np.random.default_rng(2).normal(0, NOISE, y.shape)
    labels = np.zeros(y.shape, np.int32)
    for n, (cy, cx) in enumerate(((40, 50), (110, 80), (70, 150)), start=1):
        squared = (y - cy) ** 2 + (x - cx) ** 2
        phase += 2 * np.exp(-squared / (2 * 12**2))
        labels[squared < 30**2] = n
    return phase.astype(np.float32), labels


@pytest.fixture(params=[False, True], ids=["robust", "labels"])
def masked(request, field):
    """The phase, and the cells or nothing."""
    phase, labels = field
    return phase, labels if request.param else None


def verdict(phase, labels):
    return background_check(find_field(phase, labels)).verdict


def test_flat_field_at_zero_is_good(masked):
    phase, labels = masked
    findings = find_field(phase, labels)
    assert abs(findings.level_rad) < 0.02
    assert findings.slope_rad < 0.05
    assert findings.noise_rad == pytest.approx(NOISE, rel=0.2)
    assert findings.rise == pytest.approx(1, abs=0.05)
    assert verdict(phase, labels) is Verdict.GOOD


@pytest.mark.parametrize("piston", [0.5, -0.5, 2 * np.pi])
def test_piston_is_bad(masked, piston):
    phase, labels = masked
    findings = find_field(phase + np.float32(piston), labels)
    assert findings.level_rad == pytest.approx(piston, abs=0.02)
    check = background_check(findings)
    assert check.verdict is Verdict.BAD
    assert f"{findings.level_rad:+.2f} rad" in check.finding


def test_remaining_tilt_is_bad(masked):
    phase, labels = masked
    tilt = np.linspace(-0.6, 0.6, phase.shape[1], dtype=np.float32)
    findings = find_field(phase + tilt, labels)
    assert findings.slope_rad == pytest.approx(1.2, abs=0.1)
    assert verdict(phase + tilt, labels) is Verdict.BAD


def test_wrong_sign_is_bad(masked):
    phase, labels = masked
    check = background_check(find_field(-phase, labels))
    assert check.verdict is Verdict.BAD
    assert "sign" in check.finding


def test_empty_field_has_no_side(field):
    phase, _ = field
    flat = np.random.default_rng(3).normal(0, NOISE, phase.shape).astype(np.float32)
    findings = find_field(flat)
    assert np.isnan(findings.rise)
    assert background_check(findings).verdict is Verdict.GOOD


def test_field_without_background_is_doubtful_or_worse(field):
    phase, labels = field
    full = np.ones_like(labels)
    assert verdict(phase, full) is not Verdict.GOOD


def test_field_without_phase_is_bad(field):
    phase, _ = field
    lost = np.full_like(phase, np.nan)
    assert background_check(find_field(lost)).verdict is Verdict.BAD


def test_level_below_a_hundredth_of_a_wave_does_not_matter():
    noiseless = np.full((64, 64), 0.02, np.float32)
    assert verdict(noiseless, None) is Verdict.GOOD
