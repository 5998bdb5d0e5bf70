import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from napari_qpm.training.scores import map_scores, ssim


def test_scores_of_a_known_error():
    target = torch.rand(2, 1, 32, 32) * 0.5
    scores = map_scores(target + 0.01, target, range_rad=12.0)
    assert scores["psnr_db"] == pytest.approx(40, abs=1e-3)
    assert scores["mae_rad"] == pytest.approx(0.12, abs=1e-5)
    assert scores["rms_rad"] == pytest.approx(0.12, abs=1e-5)


def test_similarity_equals_scikit_image():
    torch.manual_seed(0)
    target = torch.rand(1, 1, 40, 48)
    output = (target + 0.2 * torch.rand_like(target)).clamp(0, 1)
    _, full = structural_similarity(
        output[0, 0].numpy().astype(np.float64),
        target[0, 0].numpy().astype(np.float64),
        data_range=1.0,
        gaussian_weights=True,
        use_sample_covariance=False,
        full=True,
    )
    # scikit-image cuts its window at 3.5 sigma, the same 11 pixels.
    assert float(ssim(output, target)) == pytest.approx(
        full[5:-5, 5:-5].mean(), abs=1e-4
    )


def test_equal_maps_score_perfectly():
    target = torch.rand(1, 1, 32, 32)
    scores = map_scores(target, target, range_rad=12.0)
    assert scores["ssim"] == pytest.approx(1)
    assert scores["psnr_db"] > 100


def test_one_map_that_went_wrong_does_not_rule_the_mean_of_the_maps_scores():
    target = torch.zeros(4, 1, 16, 16)
    output = torch.full_like(target, 0.01)
    output[0] = 1.0
    scores = map_scores(output, target, 12.0)
    assert scores["mean_psnr_db"] == pytest.approx(30, abs=1e-3)
    assert scores["psnr_db"] == pytest.approx(6, abs=0.1)
