import pytest
import torch
from torch.nn import functional

from napari_qpm.networks._layers import ground_feature


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (4, 5), (32, 32), (7, 64)])
def test_ground_feature_equals_adaptive_pooling(shape):
    torch.manual_seed(0)
    images = torch.randn(2, 5, *shape)
    expected = functional.adaptive_avg_pool2d(images, 3)
    # Means of at most a few hundred float32 numbers of size 1.
    torch.testing.assert_close(ground_feature(images), expected, atol=1e-6, rtol=1e-5)
