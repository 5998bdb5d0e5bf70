import torch

from napari_qpm.training.augmentation import augment
from napari_qpm.training.seeds import Dice


def test_augmented_images_are_finite_and_a_function_of_the_dice():
    images = torch.randn(16, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    changed = augment(images, Dice(1))
    assert changed.shape == images.shape
    assert bool(torch.isfinite(changed).all())
    assert torch.equal(changed, augment(images, Dice(1)))
    assert not torch.equal(changed, augment(images, Dice(2)))
    untouched = (changed == images).flatten(1).all(1)
    # Some two thirds of the samples are changed.
    assert 0 < int(untouched.sum()) < 16


def test_an_empty_image_stays_empty():
    assert float(augment(torch.zeros(32, 1, 32, 32), Dice(3)).abs().max()) < 1e-5
