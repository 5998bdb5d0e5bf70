"""Physical values are named, one for a batch or one a sample, and learn on request."""

import pytest
import torch

from napari_qpm.errors import LayoutError, UnknownNameError
from napari_qpm.physics.off_axis import OffAxisInterferometer


def make(**values):
    return OffAxisInterferometer((8, 8), carrier_cycles_per_px=(0.1, 0.2), **values)


def test_simulating_builds_no_graph():
    model = make()
    assert not any(p.requires_grad for p in model.parameters())
    assert not model(torch.zeros(1, 8, 8)).requires_grad


def test_only_named_values_learn():
    model = make().learn("visibility", "carrier_cycles_per_px")
    model(torch.rand(2, 8, 8)).sum().backward()
    assert model.visibility.grad is not None
    assert model.carrier_cycles_per_px.grad.shape == (2,)
    assert model.brightness_counts.grad is None
    model.learn("brightness_counts")
    assert not model.visibility.requires_grad


def test_one_value_a_sample_equals_samples_one_by_one():
    phase = torch.rand(3, 8, 8, dtype=torch.float64)
    carriers, contrasts = torch.rand(3, 2) / 2, torch.rand(3)
    batch = make().set_values(carrier_cycles_per_px=carriers, visibility=contrasts)
    together = batch(phase)
    for n in range(3):
        one = make().set_values(
            carrier_cycles_per_px=carriers[n], visibility=contrasts[n]
        )
        torch.testing.assert_close(one(phase[n : n + 1])[0], together[n])


def test_values_that_are_computed_pass_gradients_on():
    source = torch.tensor(0.3, requires_grad=True)
    frames = torch.func.functional_call(
        make(), {"visibility": 2 * source}, (torch.zeros(1, 8, 8),)
    )
    frames.square().sum().backward()
    assert source.grad.abs() > 0


def test_unknown_value_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'visibility'"):
        make().set_values(visiblity=1)
    with pytest.raises(UnknownNameError, match="brightness_counts"):
        make().learn("gain")


def test_values_of_wrong_shape_are_refused_by_name():
    with pytest.raises(LayoutError, match="carrier_cycles_per_px has 1 axes"):
        make().set_values(carrier_cycles_per_px=0.1)


def test_images_of_another_size_are_refused():
    with pytest.raises(LayoutError, match=r"phase is \(N, 8, 8\).*\(1, 8, 9\)"):
        make()(torch.zeros(1, 8, 9))
    with pytest.raises(LayoutError, match="amplitude"):
        make()(torch.zeros(1, 8, 8), torch.ones(8, 8))
