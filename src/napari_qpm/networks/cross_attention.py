"""One map asks another: attention from every pixel of the one to all of the other.

The attention is exact. Nowhere are all scores of a frame held at once: torch and ONNX
Runtime have kernels that go through them in pieces, and `chunked_attention` does it
where there is none.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_qpm.networks.nnunet import make_block

__all__ = [
    "AttentionFusion",
    "ConcatFusion",
    "GateFusion",
    "attention",
    "chunked_attention",
]

HEAD_WIDTH = 32
"""Channels of one head: narrower ones are twice as slow on a processor."""
ROWS_AT_ONCE = 1024
ONNX_OPERATOR = "com.microsoft::MultiHeadAttention"
"""ONNX Runtime's own: the one form of attention that its processor code takes in
pieces. The plain form would hold 4 GB of scores for 512 x 512 pixels."""


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Return ``softmax(Q K^T / sqrt(d)) V`` of ``(N, L, C)`` by heads of d."""
    if torch.onnx.is_in_onnx_export():
        answer: Tensor = torch.onnx.ops.symbolic(
            ONNX_OPERATOR,
            (query, key, value),
            {"num_heads": heads},
            dtype=query.dtype,
            shape=query.shape,
            version=1,
        )
        return answer
    if query.device.type == "mps":
        return chunked_attention(query, key, value, heads)
    q, k, v = (_by_head(tensor, heads) for tensor in (query, key, value))
    return _joined(functional.scaled_dot_product_attention(q, k, v))


def chunked_attention(
    query: Tensor, key: Tensor, value: Tensor, heads: int, rows: int = ROWS_AT_ONCE
) -> Tensor:
    """Return the same as `attention`, for a few rows of queries at a time."""
    q, k, v = (_by_head(tensor, heads) for tensor in (query, key, value))
    scale = q.shape[-1] ** -0.5
    parts = [
        torch.softmax(scale * part @ k.transpose(-2, -1), dim=-1) @ v
        for part in q.split(rows, dim=2)
    ]
    return _joined(torch.cat(parts, dim=2))


def _by_head(tensor: Tensor, heads: int) -> Tensor:
    """Return ``(N, heads, L, d)``."""
    n, length, channels = tensor.shape
    return tensor.reshape(n, length, heads, channels // heads).transpose(1, 2)


def _joined(parts: Tensor) -> Tensor:
    """Return ``(N, L, C)``."""
    return parts.transpose(1, 2).flatten(2)


class _Fusion(nn.Module):
    """Both streams, each through a 1 by 1 convolution of its own."""

    def __init__(self, width: int):
        super().__init__()
        self.project_angles = nn.Conv2d(width, width, 1)
        self.project_phase = nn.Conv2d(width, width, 1)


class AttentionFusion(_Fusion):
    """Angles ask the phase: residual attention, then a residual two-layer network.

    ``X = A + W_o attention(W_q norm(A), W_k norm(P), W_v norm(P))``,
    ``Y = X + MLP(norm(X))``.

    Parameters
    ----------
    width
        Channels of either stream and of the result.
    mlp_ratio
        Channels between the two layers, over the width.
    """

    def __init__(self, width: int, mlp_ratio: float = 2.0):
        super().__init__(width)
        self.heads = max(1, width // HEAD_WIDTH)
        self.norm_angles = nn.GroupNorm(1, width)
        self.norm_phase = nn.GroupNorm(1, width)
        self.norm_mixed = nn.GroupNorm(1, width)
        self.query = nn.Conv2d(width, width, 1)
        self.key = nn.Conv2d(width, width, 1)
        self.value = nn.Conv2d(width, width, 1)
        self.out = nn.Conv2d(width, width, 1)
        inner = int(mlp_ratio * width)
        self.mlp = nn.Sequential(
            nn.Conv2d(width, inner, 1), nn.GELU(), nn.Conv2d(inner, width, 1)
        )

    def forward(self, angles: Tensor, phase: Tensor) -> Tensor:
        """Return ``(N, width, y, x)``."""
        asking = self.project_angles(angles)
        asked = self.norm_phase(self.project_phase(phase))
        found = attention(
            _flat(self.query(self.norm_angles(asking))),
            _flat(self.key(asked)),
            _flat(self.value(asked)),
            self.heads,
        )
        mixed = asking + self.out(found.transpose(1, 2).reshape(asking.shape))
        result: Tensor = mixed + self.mlp(self.norm_mixed(mixed))
        return result


class ConcatFusion(_Fusion):
    """Both streams joined and mixed pixel by pixel."""

    def __init__(self, width: int):
        super().__init__(width)
        self.mix = make_block(2 * width, width, kernel=1)

    def forward(self, angles: Tensor, phase: Tensor) -> Tensor:
        """Return ``(N, width, y, x)``."""
        parts = self.project_angles(angles), self.project_phase(phase)
        result: Tensor = self.mix(torch.cat(parts, dim=1))
        return result


class GateFusion(_Fusion):
    """Each stream opens and closes the other one, then both are joined and mixed."""

    def __init__(self, width: int):
        super().__init__(width)
        self.gate_angles = nn.Conv2d(width, width, 1)
        self.gate_phase = nn.Conv2d(width, width, 1)
        self.mix = make_block(2 * width, width, kernel=1)

    def forward(self, angles: Tensor, phase: Tensor) -> Tensor:
        """Return ``(N, width, y, x)``."""
        a, p = self.project_angles(angles), self.project_phase(phase)
        gated: tuple[Any, Any] = (
            a * torch.sigmoid(self.gate_angles(p)),
            p * torch.sigmoid(self.gate_phase(a)),
        )
        result: Tensor = self.mix(torch.cat(gated, dim=1))
        return result


def _flat(images: Tensor) -> Tensor:
    """Return the pixels ``(N, L, C)`` of images.

    In this order in memory, too: else torch's kernel holds all scores at once.
    """
    return images.flatten(2).transpose(1, 2).contiguous()
