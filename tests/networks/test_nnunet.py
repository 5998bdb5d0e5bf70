import math

import torch

from napari_qpm.networks.nnunet import Decoder, plain_encoder, start_weights


def test_every_stage_but_the_first_halves_the_image():
    flow = torch.randn(1, 3, 32, 64)
    shapes = []
    for stage in plain_encoder(3, (4, 8, 8)):
        flow = stage(flow)
        shapes.append(tuple(flow.shape))
    assert shapes == [(1, 4, 32, 64), (1, 8, 16, 32), (1, 8, 8, 16)]


def test_decoder_answers_at_each_level_only_in_training():
    decoder = Decoder((4, 8, 16), n_outputs=2)
    maps = [torch.randn(1, width, 32 // 2**n, 32) for n, width in enumerate((4, 8))]
    maps[1] = maps[1][..., :16]
    coarsest = torch.randn(1, 16, 8, 8)
    assert [tuple(a.shape) for a in decoder(coarsest, maps)] == [
        (1, 2, 32, 32),
        (1, 2, 16, 16),
    ]
    assert len(decoder.eval()(coarsest, maps)) == 1


def test_kernels_start_for_leaky_rectifiers():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(64, 64, 3)
    start_weights(layer)
    expected = math.sqrt(2 / (1 + 0.01**2) / (64 * 9))
    assert abs(float(layer.weight.detach().std()) / expected - 1) < 0.05
    assert float(layer.bias.detach().abs().max()) == 0
