"""Wrong turns: closed contours, incongruence, and jumps in time."""

import numpy as np
import pytest

from napari_qpm.checks import Verdict, find_turns
from napari_qpm.checks.unwrap_check import unwrap_check


@pytest.fixture
def cell():
    """A smooth cell of 4 rad on noise of 30 mrad."""
    y, x = np.mgrid[:96, :128]
    phase = 4 * np.exp(-((y - 50) ** 2 + (x - 70) ** 2) / (2 * 15**2))
    noise = np.random.default_rng(1).normal(0, 0.03, phase.shape)
    return (phase + noise).astype(np.float32)


def verdict(findings, n_pixels=96 * 128):
    return unwrap_check(findings, n_pixels).verdict


def test_smooth_cell_has_no_wrong_turn(cell):
    findings = find_turns(cell)
    assert (findings.broken_share, findings.island_px) == (0, 0)
    assert verdict(findings) is Verdict.GOOD


@pytest.mark.parametrize("turns", [1, -1])
def test_missed_turn_is_an_island_of_its_size(cell, turns):
    cell[30:44, 60:75] += np.float32(2 * np.pi * turns)
    findings = find_turns(cell)
    assert findings.island_px == 14 * 15
    check = unwrap_check(findings, cell.size)
    assert check.verdict is Verdict.BAD
    assert "210 pixels" in check.finding


def test_region_cut_off_by_lost_pixels_is_no_island(cell):
    cell[30:44, 60] = cell[30:44, 75] = cell[30, 60:76] = cell[43, 60:76] = np.nan
    assert find_turns(cell).island_px == 0


def test_single_noisy_pixel_is_no_island(cell):
    cell[10, 10] += 7
    assert find_turns(cell).island_px == 0


def test_phase_that_is_not_the_measured_one_is_incongruent(cell):
    misfit = np.zeros_like(cell)
    misfit[:20] = 3.0
    misfit[-1] = np.nan
    findings = find_turns(cell, misfit)
    assert findings.incongruent_share == pytest.approx(20 / 95)
    assert verdict(findings) is Verdict.BAD


def test_unmeasured_congruence_is_not_counted(cell):
    findings = find_turns(cell, np.full_like(cell, np.nan))
    assert np.isnan(findings.incongruent_share)
    assert verdict(findings) is Verdict.GOOD


def test_turn_since_the_frame_before_is_a_jump_even_with_smooth_edges(cell):
    y, x = np.mgrid[:96, :128]
    hump = 1 / (1 + np.exp((np.hypot(y - 50, x - 70) - 20) / 3))
    jumped = cell + (2 * np.pi * hump).astype(np.float32)
    findings = find_turns(jumped, previous=cell)
    assert findings.island_px == 0
    assert findings.jump_px > 500
    assert verdict(findings) is Verdict.BAD


def test_level_jump_of_the_whole_field_is_seen_in_a_series(cell):
    assert find_turns(cell - np.float32(2 * np.pi), previous=cell).jump_px == cell.size


def test_moving_cell_is_no_jump(cell):
    assert find_turns(np.roll(cell, 3, axis=1), previous=cell).jump_px == 0


def test_frame_before_of_other_size_or_lost_says_nothing(cell):
    assert np.isnan(find_turns(cell, previous=cell[:10]).jump_px)
    assert find_turns(cell, previous=np.full_like(cell, np.nan)).jump_px == 0


def test_wrapped_phase_has_broken_steps(cell):
    wrapped = np.angle(np.exp(1j * 3 * cell)).astype(np.float32)
    findings = find_turns(wrapped)
    assert findings.broken_share > 0.005
    assert verdict(findings) is not Verdict.GOOD
