"""Phase unwrapping against known truth and against scikit-image."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.restoration import unwrap_phase

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval import unwrapping
from napari_qpm.retrieval.engine import Unwrapping
from napari_qpm.retrieval.unwrapping import count_residues, unwrap

TURN = 2 * np.pi
HARD_CASES = [(3.0, 0.15), (3.0, 0.5), (1.5, 0.15), (1.5, 0.5), (1.0, 0.15), (1.0, 0.5)]
"""Blur of the cell edges [px] and noise [rad] of performance/b2b_hard.py."""
KERNELS = (
    "integrate",
    "integrate_corrected",
    "count_steps",
    "find_residues",
    "measure_unreliability",
    "wall_off",
    "grow_trees",
    "join_faces",
    "settle",
)


def wrap(phase: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.angle(np.exp(1j * phase)).astype(np.float32)


def hard_cells(
    n: int, blur: float, noise: float, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return true and wrapped phase of discs with edges steeper than a half turn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n]
    phase = np.zeros((n, n), np.float32)
    for _ in range(max(4, n * n // 15000)):
        distance = np.hypot(y - rng.uniform(0, n), x - rng.uniform(0, n))
        disc = rng.uniform(4, 12) * (distance < rng.uniform(12, 30))
        phase = np.maximum(phase, disc)
    phase = (gaussian_filter(phase, blur) + 0.01 * x).astype(np.float32)
    return phase, wrap(phase + rng.normal(0, noise, phase.shape))


def smooth_cells(shape: tuple[int, int], seed: int = 0) -> NDArray[np.float32]:
    """Return a field of several turns whose steps stay below 2 rad."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=shape), 12, mode="wrap")
    return (20 * field / np.abs(field).max()).astype(np.float32)


def turns_between(
    phase: NDArray[np.floating], other: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Return whole turns of `phase` above `other`, most common one set to zero."""
    turns = np.rint((phase - other) / TURN).astype(np.int64)
    return turns - int(np.median(turns))


def assert_congruent(
    phase: NDArray[np.floating], wrapped: NDArray[np.floating]
) -> None:
    """Assert wrapped plus whole turns, to float32 rounding (half a unit at 64 rad)."""
    turns = (phase.astype(np.float64) - wrapped) / TURN
    np.testing.assert_allclose(turns * TURN, np.rint(turns) * TURN, atol=4e-6)


def test_smooth_field_is_recovered_exactly_up_to_its_level():
    truth = smooth_cells((150, 210))
    wrapped = wrap(truth)
    result = unwrap(wrapped)
    assert result.method == "fast"
    assert result.n_residues == 0
    assert result.broken_share == 0
    assert result.phase.dtype == np.float32
    assert not turns_between(result.phase, truth).any()
    assert_congruent(result.phase, wrapped)


def test_fast_path_equals_scikit_image_up_to_a_whole_turn():
    wrapped = wrap(smooth_cells((300, 517), seed=4))
    difference = unwrap(wrapped).phase - unwrap_phase(wrapped.astype(np.float64))
    # One level everywhere; float32 rounding at 20 rad.
    assert np.ptp(difference) < 1e-5
    assert abs(difference[0, 0] / TURN - round(difference[0, 0] / TURN)) < 1e-5


def test_frame_shared_between_threads_equals_the_same_frame_in_one(monkeypatch):
    truth, wrapped = hard_cells(400, 1.0, 0.5, seed=1)
    monkeypatch.setattr("napari_qpm.retrieval._threads.SMALLEST_BLOCK", 1 << 40)
    serial = unwrap(wrapped), unwrap(wrap(truth))
    monkeypatch.setattr("napari_qpm.retrieval._threads.SMALLEST_BLOCK", 1)
    monkeypatch.setattr("napari_qpm.retrieval._threads._n_threads", lambda: 7)
    shared = unwrap(wrapped), unwrap(wrap(truth))
    for one, other in zip(serial, shared, strict=True):
        np.testing.assert_array_equal(one.phase, other.phase)
        assert one.n_residues == other.n_residues
        assert one.steep_share == other.steep_share


@pytest.mark.parametrize(("blur", "noise"), HARD_CASES)
@pytest.mark.parametrize("seed", range(3))
def test_never_more_wrong_pixels_than_scikit_image(blur, noise, seed):
    truth, wrapped = hard_cells(200, blur, noise, seed)
    ours = unwrap(wrapped)
    theirs = unwrap_phase(wrapped.astype(np.float64), rng=seed)
    n_wrong = np.count_nonzero(turns_between(ours.phase, truth))
    assert n_wrong <= np.count_nonzero(turns_between(theirs, truth))
    assert_congruent(ours.phase, wrapped)


@pytest.mark.parametrize("noise", [0.5, 0.8, 1.2, 5.0])
def test_inner_pixels_equal_scikit_image_at_any_density_of_residues(noise):
    rng = np.random.default_rng(2)
    wrapped = wrap(rng.normal(0, noise, (120, 160)))
    result = unwrap(wrapped)
    theirs = unwrap_phase(wrapped.astype(np.float64), rng=0)
    # The frame's outermost pixels are joined at random there, by quality here.
    inner = (slice(1, -1), slice(1, -1))
    assert not turns_between(result.phase[inner], theirs[inner]).any()
    assert_congruent(result.phase, wrapped)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(4, 60),
    columns=st.integers(4, 60),
    noise=st.floats(0.3, 2),
)
def test_growing_trees_and_sorting_all_steps_agree(seed, rows, columns, noise):
    # Below four pixels the frame's corners tie, and either choice is right.
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(0, 30, (rows, columns)), 3)
    wrapped = wrap(field + rng.normal(0, noise, (rows, columns)))
    results = []
    # Trees to their end, trees given up half-way, no trees at all.
    for most_seeds, most_reached in ((2.0, 2.0), (2.0, 0.1), (0.0, 0.0)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(unwrapping, "MOST_SEEDS", most_seeds)
            patch.setattr(unwrapping, "MOST_REACHED", most_reached)
            patch.setattr(unwrapping, "FEW_FACES", 1)
            results.append(unwrap(wrapped).phase)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_phase_in_few_grey_levels_is_no_worse_than_scikit_image():
    # Steps of exactly a half turn and equal reliabilities abound in coarse data.
    n_wrong, n_wrong_theirs = 0, 0
    for seed in range(4):
        truth, wrapped = hard_cells(128, 1.5, 0.5, seed)
        coarse = (np.rint(wrapped * 8 / np.pi) * np.pi / 8).astype(np.float32)
        theirs = unwrap_phase(coarse.astype(np.float64), rng=0)
        n_wrong += np.count_nonzero(turns_between(unwrap(coarse).phase, truth))
        n_wrong_theirs += np.count_nonzero(turns_between(theirs, truth))
    assert n_wrong <= n_wrong_theirs


def test_lone_residue_is_cut_to_the_nearest_unreliable_way_out():
    y, x = np.mgrid[:40, :50]
    wrapped = np.arctan2(y - 20.4, x - 30.3).astype(np.float32)
    result = unwrap(wrapped)
    assert result.n_residues == 1
    assert result.method == "quality"
    # One cut from the vortex to the border, not more than a few times its distance.
    n_steps = 40 * 49 + 39 * 50
    assert 5 < result.broken_share * n_steps < 100
    assert_congruent(result.phase, wrapped)


def test_known_residues_are_counted():
    y, x = np.mgrid[:64, :64]
    pair = (x - 20.5 + 1j * (y - 30.5)) * np.conj(x - 40.5 + 1j * (y - 30.5))
    assert count_residues(np.angle(pair).astype(np.float32)) == 2
    assert count_residues(np.zeros((5, 6), np.float32)) == 0


def test_quality_method_is_kept_without_residues_and_gives_the_fast_result():
    wrapped = wrap(smooth_cells((64, 80)))
    quality = unwrap(wrapped, Unwrapping.QUALITY)
    assert quality.method == "quality"
    np.testing.assert_array_equal(quality.phase, unwrap(wrapped).phase)
    assert quality.steep_share == unwrap(wrapped).steep_share


def test_none_leaves_a_copy_as_it_was():
    _, wrapped = hard_cells(64, 1.0, 0.5, seed=0)
    result = unwrap(wrapped, Unwrapping.NONE)
    assert result.method == "none"
    np.testing.assert_array_equal(result.phase, wrapped)
    assert not np.shares_memory(result.phase, wrapped)
    assert result.n_residues == count_residues(wrapped)
    assert result.broken_share > 0


def test_missing_pixels_are_walls_and_stay_missing():
    truth = smooth_cells((90, 120), seed=3)
    wrapped = wrap(truth)
    rng = np.random.default_rng(0)
    missing = rng.random(wrapped.shape) < 0.02
    missing[30:50, 40:70] = True
    missing[0, 0] = missing[-1, -1] = missing[:, -1] = True
    wrapped[missing] = np.nan
    wrapped[10, 10] = np.inf
    missing[10, 10] = True
    result = unwrap(wrapped)
    np.testing.assert_array_equal(np.isnan(result.phase), missing)
    assert not turns_between(result.phase[~missing], truth[~missing]).any()
    assert result.n_residues == 0
    assert count_residues(wrapped) == 0


def test_missing_pixels_in_hard_frames_are_about_as_good_as_in_scikit_image():
    n_wrong, n_wrong_theirs = 0, 0
    for seed in range(6):
        truth, wrapped = hard_cells(160, 1.5, 0.5, seed)
        rng = np.random.default_rng(seed)
        missing = rng.random(wrapped.shape) < 0.01
        missing[60:80, 20:60] = True
        wrapped[missing] = rng.uniform(-np.pi, np.pi, np.count_nonzero(missing))
        masked = np.ma.array(wrapped.astype(np.float64), mask=missing)
        theirs = np.asarray(unwrap_phase(masked, rng=seed))
        wrapped[missing] = np.nan
        ours = unwrap(wrapped).phase
        valid = ~missing
        n_wrong += np.count_nonzero(turns_between(ours[valid], truth[valid]))
        n_wrong_theirs += np.count_nonzero(turns_between(theirs[valid], truth[valid]))
        assert_congruent(ours[valid], wrapped[valid])
    # Their order beside a mask depends on the arbitrary values under it, so a tenth
    # more or less is chance.
    assert 0 < n_wrong <= 1.1 * n_wrong_theirs


def test_phase_around_a_hole_with_a_charge_is_cut_outside_of_the_hole():
    y, x = np.mgrid[:60, :60]
    wrapped = np.arctan2(y - 29.5, x - 29.5).astype(np.float32)
    wrapped[25:35, 25:35] = np.nan
    result = unwrap(wrapped)
    assert result.n_residues == 0
    assert result.method == "quality"
    assert result.broken_share > 0
    valid = np.isfinite(wrapped)
    assert_congruent(result.phase[valid], wrapped[valid])


@pytest.mark.parametrize("value", [0.0, 1.5, np.pi, np.nan, np.inf])
def test_flat_saturated_and_empty_frames_do_not_fail(value):
    result = unwrap(np.full((20, 30), value, np.float32))
    expected = value if np.isfinite(value) else np.nan
    np.testing.assert_array_equal(result.phase, np.float32(expected))
    assert result.n_residues == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (2, 9), (9, 2)])
@pytest.mark.parametrize("method", list(Unwrapping))
def test_tiny_frames_are_unwrapped(shape, method):
    ramp = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * 1.1
    result = unwrap(wrap(ramp), method)
    assert result.phase.shape == shape
    expected = wrap(ramp) if method is Unwrapping.NONE else ramp
    np.testing.assert_allclose(result.phase, expected, atol=4e-6)


def test_missing_pixel_in_a_line_is_bridged():
    line = np.arange(12, dtype=np.float32)[np.newaxis] * 0.4
    wrapped = wrap(line)
    wrapped[0, 5] = np.nan
    result = unwrap(wrapped)
    expected = line.copy()
    expected[0, 5] = np.nan
    np.testing.assert_allclose(result.phase, expected, atol=4e-6)
    assert result.method == "fast"


def test_other_float_types_and_strides_are_taken():
    truth = smooth_cells((60, 70))
    expected = unwrap(wrap(truth)).phase
    wrapped = wrap(truth)
    for variant in (
        wrapped.astype(np.float64),
        wrapped.astype(">f4"),
        np.asfortranarray(wrapped),
        np.repeat(np.repeat(wrapped, 2, 0), 3, 1)[::2, ::3],
    ):
        np.testing.assert_array_equal(unwrap(variant).phase, expected)


def test_masked_arrays_keep_their_mask_as_missing_pixels():
    wrapped = np.ma.array(wrap(smooth_cells((30, 40))))
    wrapped[3:6, 7] = np.ma.masked
    result = unwrap(wrapped)
    np.testing.assert_array_equal(np.isnan(result.phase), np.ma.getmaskarray(wrapped))


def test_input_is_not_changed():
    _, wrapped = hard_cells(64, 1.0, 0.5, seed=0)
    wrapped[5, 5] = np.nan
    before = wrapped.copy()
    unwrap(wrapped)
    np.testing.assert_array_equal(wrapped, before)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((4, 4), np.uint8), "type uint8: give the phase in radians"),
        (np.zeros((4, 4), np.complex64), "type complex64"),
        (np.zeros((4, 4), bool), "type bool"),
        (np.zeros((2, 4, 4), np.float32), r"shape \(2, 4, 4\): give one frame"),
        (np.zeros(4, np.float32), r"shape \(4,\)"),
        (np.zeros((0, 4), np.float32), r"shape \(0, 4\)"),
    ],
)
def test_what_is_no_phase_frame_is_refused_plainly(wrong, message):
    for function in (unwrap, count_residues):
        with pytest.raises(LayoutError, match=message):
            function(wrong)


def test_steep_share_tells_a_sharp_closed_edge_from_a_smooth_one():
    y, x = np.mgrid[:100, :100]
    disc = (np.hypot(y - 50, x - 50) < 20).astype(np.float32)
    sharp = unwrap(wrap(2.9 * disc))
    smooth = unwrap(wrap(gaussian_filter(2.9 * disc, 3)))
    assert smooth.steep_share == 0
    assert sharp.steep_share > 0.005
    assert sharp.broken_share == 0


def test_broken_share_counts_the_steps_that_hold_a_turn():
    y, x = np.mgrid[:64, :64]
    pair = (x - 20.5 + 1j * (y - 30.5)) * np.conj(x - 40.5 + 1j * (y - 30.5))
    result = unwrap(np.angle(pair).astype(np.float32))
    steps = [np.abs(np.diff(result.phase, axis=axis)).ravel() for axis in (0, 1)]
    expected = np.mean(np.concatenate(steps) > np.pi)
    assert result.broken_share == pytest.approx(expected, rel=1e-12)
    assert result.broken_share > 0


def test_several_threads_at_once_give_identical_results():
    _, wrapped = hard_cells(400, 1.0, 0.5, seed=5)
    wrapped[100:110, 50] = np.nan
    expected = unwrap(wrapped)
    results = [None] * 8

    def work(first: int) -> None:
        for i in range(first, 8, 4):
            results[i] = unwrap(wrapped)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for result in results:
        assert result is not None
        np.testing.assert_array_equal(result.phase, expected.phase)
        assert result.n_residues == expected.n_residues


def test_warm_compiles_every_kernel():
    # In a fresh process, because the other tests compile them as well.
    code = f"""
import numpy as np
from napari_qpm.retrieval import unwrapping
unwrapping.warm()
locked = np.zeros((9, 9), np.float32)
locked.flags.writeable = False
unwrapping.unwrap(locked)
from napari_qpm.retrieval import _residue_trees, _unreliability, _unwrap_kernels
modules = (_residue_trees, _unreliability, _unwrap_kernels)
for name in {KERNELS}:
    kernel = next(getattr(m, name) for m in modules if hasattr(m, name))
    assert len(kernel.signatures) == 1, (name, kernel.signatures)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(2, 60),
    columns=st.integers(2, 60),
    blur=st.floats(2, 8),
    steepest=st.floats(0.1, 3.1),
    tilt=st.floats(-1, 1),
)
def test_any_field_with_steps_below_a_half_turn_is_recovered(
    seed, rows, columns, blur, steepest, tilt
):
    rng = np.random.default_rng(seed)
    truth = gaussian_filter(rng.normal(size=(rows, columns)), blur)
    truth = truth + tilt * 0.05 * np.arange(columns)
    steps = max(np.abs(np.diff(truth, axis=axis)).max() for axis in (0, 1))
    truth = truth * steepest / steps
    wrapped = wrap(truth)
    result = unwrap(wrapped)
    assert result.method == "fast"
    assert not turns_between(result.phase, truth).any()
    assert_congruent(result.phase, wrapped)
