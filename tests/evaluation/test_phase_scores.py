import numpy as np
import pytest

from napari_qpm.evaluation.phase_scores import phase_scores

RANGE = 12.0


@pytest.fixture
def truth(rng):
    return [rng.uniform(2, 10, (32, 48)).astype(np.float32) for _ in range(3)]


def test_a_level_counts_unless_it_is_taken_out(truth):
    answers = [image + 1.2 for image in truth]
    scores = phase_scores(answers, truth, RANGE)
    # 1.2 rad is 0.1 of the map: 20 dB.
    assert scores["psnr_db"] == pytest.approx(20, abs=1e-3)
    assert scores["rms_rad"] == pytest.approx(1.2, rel=1e-4)
    assert scores["mae"] == pytest.approx(0.1, rel=1e-4)
    assert scores["piston_corrected_rms_rad"] < 1e-5
    assert scores["piston_corrected_ssim"] == pytest.approx(1, abs=1e-4)
    assert scores["ssim"] < scores["piston_corrected_ssim"]


def test_what_lies_outside_the_range_counts_as_its_end(truth):
    below = phase_scores([np.full_like(t, -50) for t in truth], truth, RANGE)
    nothing = phase_scores([np.zeros_like(t) for t in truth], truth, RANGE)
    assert below["rms_rad"] == pytest.approx(nothing["rms_rad"])


def test_no_answer_counts_as_zero(truth):
    lost = phase_scores([np.full_like(t, np.nan) for t in truth], truth, RANGE)
    nothing = phase_scores([np.zeros_like(t) for t in truth], truth, RANGE)
    assert lost == pytest.approx(nothing)


def test_error_is_pooled_over_the_set(truth):
    answers = [truth[0], truth[1], truth[2] + 3]
    scores = phase_scores(answers, truth, RANGE)
    clipped = np.minimum(truth[2] + 3, RANGE) - truth[2]
    assert scores["rms_rad"] == pytest.approx(
        np.sqrt(np.mean(clipped**2) / 3), rel=1e-4
    )
