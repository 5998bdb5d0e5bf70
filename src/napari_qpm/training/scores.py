"""How near predicted maps are to the truth."""

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["map_scores", "psnr_db", "ssim"]

WINDOW, WINDOW_SIGMA = 11, 1.5
STABILITY = (0.01**2, 0.03**2)
LEAST_ERROR = 1e-12


def map_scores(output: Tensor, target: Tensor, range_rad: float) -> dict[str, float]:
    """Return PSNR, SSIM, mean and rms error of maps ``(N, 1, Y, X)`` from 0 to 1.

    All are of the whole set but ``mean_psnr_db``, the mean of the maps' own PSNR, which
    a few maps that went wrong do not rule. Nothing is fitted or removed first.
    """
    error = output - target
    squared = error.square().mean(dim=(1, 2, 3))
    mse = float(squared.mean())
    return {
        "psnr_db": psnr_db(mse),
        "mean_psnr_db": sum(map(psnr_db, squared.tolist())) / len(squared),
        "ssim": float(ssim(output, target).mean()),
        "mae_rad": range_rad * float(error.abs().mean()),
        "rms_rad": range_rad * math.sqrt(mse),
    }


def psnr_db(mse: float) -> float:
    """Return the peak signal-to-noise ratio [dB] of a data range of 1."""
    return -10 * math.log10(max(mse, LEAST_ERROR))


def ssim(output: Tensor, target: Tensor) -> Tensor:
    """Return the structural similarity ``(N,)`` of maps with a data range of 1.

    Gaussian window of 11 pixels, as Wang et al. 2004; inside the border only.
    """
    steps = torch.arange(WINDOW, device=output.device, dtype=output.dtype)
    window = torch.exp(-0.5 * ((steps - WINDOW // 2) / WINDOW_SIGMA) ** 2)
    window = window / window.sum()

    def smooth(images: Tensor) -> Tensor:
        rows = functional.conv2d(images, window[None, None, :, None])
        return functional.conv2d(rows, window[None, None, None, :])

    mean_o, mean_t = smooth(output), smooth(target)
    var_o = smooth(output.square()) - mean_o.square()
    var_t = smooth(target.square()) - mean_t.square()
    both = smooth(output * target) - mean_o * mean_t
    c1, c2 = STABILITY
    level = (2 * mean_o * mean_t + c1) / (mean_o.square() + mean_t.square() + c1)
    shape = (2 * both + c2) / (var_o + var_t + c2)
    return (level * shape).mean(dim=(1, 2, 3))
