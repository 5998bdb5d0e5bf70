"""Transfer function of a blur by a uniform disk, ``2 J1(u) / u``, with its gradient.

torch has the Bessel functions but not their derivatives.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["disk_transfer"]

SMALL = 1e-3
"""Below it the series ``1 - u^2 / 8`` is exact to rounding of float32."""


class _DiskTransfer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        safe = torch.where(u.abs() < SMALL, torch.ones_like(u), u)
        value = 2 * torch.special.bessel_j1(safe) / safe
        return torch.where(u.abs() < SMALL, 1 - u**2 / 8, value)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        safe = torch.where(u.abs() < SMALL, torch.ones_like(u), u)
        # d/du 2 J1 / u = -2 J2 / u with J2 = 2 J1 / u - J0
        second = 2 * torch.special.bessel_j1(safe) / safe
        second = second - torch.special.bessel_j0(safe)
        return gradient * torch.where(u.abs() < SMALL, -u / 4, -2 * second / safe)


def disk_transfer(u: Tensor) -> Tensor:
    """Return ``2 J1(u) / u``, 1 at 0, for ``u = 2 pi f radius``."""
    value: Tensor = _DiskTransfer.apply(u)  # type: ignore[no-untyped-call]
    return value
