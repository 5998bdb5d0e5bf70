"""A picture goes over into itself without a step."""

import pytest
import torch

from napari_qpm.errors import LayoutError
from napari_qpm.physics.borders import wrap_smoothly


def test_steps_over_the_border_are_as_small_as_inside():
    y = torch.linspace(0, 3, 40, dtype=torch.float64)
    image = (torch.sin(y)[:, None] + y[None, :32] ** 2)[None]
    wrapped = wrap_smoothly(image, 16)
    assert wrapped.shape == (1, 56, 48)
    torch.testing.assert_close(wrapped[:, :40, :32], image)
    for axis in (-2, -1):
        jump = (wrapped.roll(1, axis) - wrapped).abs().max()
        assert jump < 2.5 * image.max() / 16
        assert (image.roll(1, axis) - image).abs().max() >= jump or axis == -2


def test_no_margin_changes_nothing_and_a_huge_one_is_refused():
    image = torch.rand(1, 6, 8)
    assert wrap_smoothly(image, 0) is image
    with pytest.raises(LayoutError, match="margin of 7 pixels"):
        wrap_smoothly(image, 7)
