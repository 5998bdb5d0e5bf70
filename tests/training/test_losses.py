import pytest
import torch

from napari_qpm.training.losses import MixedGradientError, root_error


def test_equal_maps_cost_nothing():
    image = torch.rand(2, 1, 16, 16)
    squared, gradient = MixedGradientError()(image, image)
    assert float(squared) == float(gradient) == 0


def test_gradient_term_is_the_slope_per_pixel():
    ramp = 0.03 * torch.arange(16.0).expand(1, 1, 16, 16)
    squared, gradient = MixedGradientError(0.1, epsilon=0.0)(
        ramp, torch.zeros_like(ramp)
    )
    assert float(gradient) == pytest.approx(0.1 * 0.03**2, rel=1e-4)
    assert float(squared) == pytest.approx(float(ramp.square().mean()))


def test_a_level_costs_no_gradient():
    image = torch.rand(1, 1, 16, 16)
    _, gradient = MixedGradientError()(image + 0.2, image)
    assert float(gradient) < 1e-9


def test_gradient_term_is_auxiliary_for_noise():
    torch.manual_seed(0)
    target = torch.zeros(1, 1, 64, 64)
    squared, gradient = MixedGradientError()(0.1 * torch.randn_like(target), target)
    # Specification: 0.04 to 0.05 of the squared error for real maps.
    assert 0.005 < float(gradient / squared) < 0.1


def test_flat_output_has_a_finite_gradient():
    output = torch.zeros(1, 1, 8, 8, requires_grad=True)
    terms = MixedGradientError()(output, torch.rand(1, 1, 8, 8))
    sum(terms).backward()
    assert output.grad is not None
    assert bool(torch.isfinite(output.grad).all())


def test_a_faint_cell_taken_for_empty_weighs_more_than_the_same_error_in_a_thick_one():
    faint = root_error(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.05))
    thick = root_error(torch.full((1, 1, 8, 8), 0.6), torch.full((1, 1, 8, 8), 0.65))
    assert 15 < float(faint / thick) < 25
