import torch

from napari_qpm.networks import MobileNetV2Encoder
from napari_qpm.networks.connections import ENCODER_CHANNELS, STRIDES


def test_encoder_gives_eight_features_at_the_published_scales():
    encoder = MobileNetV2Encoder()
    features = encoder(torch.randn(1, 3, 64, 96))
    for feature, channels, stride in zip(
        features, ENCODER_CHANNELS, STRIDES, strict=True
    ):
        assert feature.shape == (1, channels, 64 // stride, 96 // stride)


def test_first_feature_is_tapped_before_the_activation():
    torch.manual_seed(0)
    features = MobileNetV2Encoder()(torch.randn(1, 3, 64, 64))
    assert float(features[0].detach().min()) < 0


def test_encoder_has_the_size_of_the_sparse_mask_variant():
    count = sum(p.numel() for p in MobileNetV2Encoder().parameters())
    assert count == 1_812_800
