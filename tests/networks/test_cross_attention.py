import pytest
import torch

from napari_qpm.networks.cross_attention import (
    AttentionFusion,
    attention,
    chunked_attention,
)


@pytest.fixture
def streams() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 300, 64) for _ in range(3)]


def test_attention_is_the_softmax_of_all_products(streams):
    query, key, value = (stream.double() for stream in streams)
    parts = []
    for head in (slice(0, 32), slice(32, 64)):
        q, k, v = query[..., head], key[..., head], value[..., head]
        parts.append(torch.softmax(q @ k.mT / 32**0.5, dim=-1) @ v)
    expected = torch.cat(parts, dim=-1)
    found = attention(*streams, heads=2)
    assert float((found - expected).abs().max()) < 1e-5


@pytest.mark.parametrize("rows", [1, 128, 1024])
def test_attention_in_pieces_is_the_same(streams, rows):
    whole = attention(*streams, heads=2)
    pieces = chunked_attention(*streams, heads=2, rows=rows)
    assert float((whole - pieces).abs().max()) < 1e-5


def test_angles_ask_and_the_phase_answers():
    torch.manual_seed(0)
    fusion = AttentionFusion(8)
    angles, phase = torch.randn(2, 1, 8, 6, 5)
    with torch.no_grad():
        for part in (fusion.out, fusion.mlp[2]):
            part.weight.zero_()
            part.bias.zero_()
        # Without what attention brings, the stream of the angles passes as it is.
        assert torch.equal(fusion(angles, phase), fusion.project_angles(angles))


def test_one_head_has_at_least_32_channels():
    assert [AttentionFusion(width).heads for width in (16, 32, 64, 128)] == [1, 1, 2, 4]
