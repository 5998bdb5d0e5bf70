"""Changes of images that teach a network what does not matter, as nnU-Net makes them.

Turns, mirrors and zooms are made of specimens before they are recorded, so that the
physics of polarization holds; here are those of the recorded images.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from napari_qpm.training.seeds import Dice

__all__ = ["augment"]

NOISE, BLUR, BRIGHTNESS, CONTRAST, COARSENESS = 0.1, 0.2, 0.15, 0.15, 0.25
GAMMA, INVERTED_GAMMA = 0.3, 0.1
"""Shares of the samples that each change is made to."""
PER_CHANNEL = 0.5
"""Share of the channels, where a change is not made to all."""
NOISE_VARIANCE = 0.1
BLUR_SIGMA_PX = (0.5, 1.0)
FACTOR = (0.75, 1.25)
ZOOM = (0.5, 1.0)
EXPONENT = (0.7, 1.5)


def augment(images: Tensor, dice: Dice) -> Tensor:
    """Return images ``(N, C, Y, X)`` changed at random.

    Sizes of noise, contrast and gamma are in units of the standard deviation or range
    of each image, so images of any unit can be given.
    """
    n, channels = images.shape[:2]

    def chosen(share: float, per_channel: bool = False) -> Tensor:
        is_changed = dice.happens(share, n)[:, None]
        if per_channel:
            is_changed = is_changed & dice.happens(PER_CHANNEL, n, channels)
        return is_changed[:, :, None, None].to(images.device)

    def each(low: float, high: float) -> Tensor:
        return dice.uniform(low, high, n, channels, 1, 1).to(images.device)

    variance = dice.uniform(0, NOISE_VARIANCE, n, 1, 1, 1).to(images.device)
    noise = dice.normal(*images.shape).to(images.device)
    noise = noise * variance.sqrt() * _deviation(images)
    images = torch.where(chosen(NOISE), images + noise, images)
    blurred = _blur(images, float(dice.uniform(*BLUR_SIGMA_PX, 1)))
    images = torch.where(chosen(BLUR, per_channel=True), blurred, images)
    images = torch.where(chosen(BRIGHTNESS), images * each(*FACTOR), images)
    mean = images.mean(dim=(2, 3), keepdim=True)
    low, high = _range(images)
    stretched = mean + (images - mean) * each(*FACTOR)
    stretched = torch.minimum(torch.maximum(stretched, low), high)
    images = torch.where(chosen(CONTRAST), stretched, images)
    coarse = _coarsened(images, float(dice.uniform(*ZOOM, 1)))
    images = torch.where(chosen(COARSENESS, per_channel=True), coarse, images)
    bent = -_bent(-images, each(*EXPONENT))
    images = torch.where(chosen(INVERTED_GAMMA), bent, images)
    return torch.where(chosen(GAMMA), _bent(images, each(*EXPONENT)), images)


def _deviation(images: Tensor) -> Tensor:
    return images.std(dim=(2, 3), keepdim=True)


def _range(images: Tensor) -> tuple[Tensor, Tensor]:
    return images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)


def _blur(images: Tensor, sigma: float) -> Tensor:
    reach = math.ceil(3 * sigma)
    steps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    window = torch.exp(-0.5 * (steps / sigma) ** 2)
    window = window / window.sum()
    planes = images.flatten(0, 1)[:, None]
    planes = functional.pad(planes, (reach, reach, reach, reach), mode="replicate")
    planes = functional.conv2d(planes, window[None, None, :, None])
    return functional.conv2d(planes, window[None, None, None, :]).view_as(images)


def _coarsened(images: Tensor, zoom: float) -> Tensor:
    """Return images as a camera with fewer pixels would have taken them."""
    size = [max(1, round(zoom * side)) for side in images.shape[2:]]
    small = functional.interpolate(images, size=size, mode="nearest")
    return functional.interpolate(
        small, size=images.shape[2:], mode="bicubic", align_corners=False
    )


def _bent(images: Tensor, exponent: Tensor) -> Tensor:
    """Return images with their range bent by a power; mean and spread stay."""
    low, high = _range(images)
    span = (high - low).clamp(min=1e-7)
    bent = ((images - low) / span).pow(exponent) * span + low
    shift = bent.mean(dim=(2, 3), keepdim=True)
    scale = _deviation(images) / _deviation(bent).clamp(min=1e-7)
    return (bent - shift) * scale + images.mean(dim=(2, 3), keepdim=True)
