"""The blur by a disk is its Fourier transform, with the right gradient."""

import torch

from napari_qpm.physics.disk_blur import SMALL, disk_transfer


def test_gradient_is_right_near_zero_and_far():
    u = torch.tensor([0.0, 1e-4, 0.5, 3.8, -2.0, 20.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(disk_transfer, (u.requires_grad_(),))


def test_series_meets_the_function():
    u = torch.tensor([SMALL * 0.999, SMALL * 1.001], dtype=torch.float64)
    below, above = disk_transfer(u)
    assert abs(below - above) < 1e-9


def test_it_is_the_mean_of_waves_over_a_disk():
    axis = torch.linspace(-1, 1, 801, dtype=torch.float64)
    inside = axis[:, None] ** 2 + axis[None] ** 2 <= 1
    for u in (0.7, 3.0, 7.0):
        mean = torch.cos(u * axis[None]).expand(801, 801)[inside].mean()
        assert abs(mean - disk_transfer(torch.tensor(u).double())) < 1e-3
