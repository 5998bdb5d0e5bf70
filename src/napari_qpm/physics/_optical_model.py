"""What every forward model has in common: named physical values, one or one a sample.

A value is given once for the whole batch, or with a leading axis of N for a batch of N
samples that each have their own instrument. Values are fixed until `learn` names them.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from napari_qpm.errors import LayoutError, UnknownNameError

__all__ = [
    "OpticalModel",
    "intensity",
    "over_image",
    "phasor",
    "precise_dtype",
    "real_dtype",
    "unit_phasor",
]


class OpticalModel(nn.Module):
    """A differentiable piece of optics with named physical values.

    Values are `nn.Parameter` that need no gradient, so that simulating costs no graph.
    `learn` switches gradients on for some of them; `set_values` replaces them, for
    example by one value a sample; `torch.func.functional_call` takes values that are
    themselves computed from something learnable.

    Parameters
    ----------
    values
        ``{name: value}``; numbers, sequences or tensors.
    item_dims
        ``{name: number of axes of one sample's value}`` where it is not 0.
    dtype
        Of the values; images decide the type in which a model computes.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        item_dims: Mapping[str, int] | None = None,
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__()
        self._item_dims = dict(item_dims or {})
        for name, value in values.items():
            tensor = torch.as_tensor(value, dtype=dtype).detach().clone()
            self._check_axes(name, tensor)
            self.register_parameter(name, nn.Parameter(tensor, requires_grad=False))

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the physical values."""
        return tuple(name for name, _ in self.named_parameters(recurse=False))

    def set_values(self, **values: Any) -> Self:
        """Replace physical values, each by one for all samples or one a sample."""
        for name, value in values.items():
            parameter = self._find(name)
            tensor = torch.as_tensor(
                value, dtype=parameter.dtype, device=parameter.device
            )
            self._check_axes(name, tensor)
            parameter.data = tensor.detach().clone()
            parameter.grad = None
        return self

    def learn(self, *names: str) -> Self:
        """Let gradients reach these physical values, and no others of this model."""
        learnable = [self._find(name) for name in names]
        for name in self.value_names:
            self._find(name).requires_grad_(False)
        for parameter in learnable:
            parameter.requires_grad_(True)
        return self

    def value(self, name: str, like: Tensor) -> Tensor:
        """Return a value as ``(N or 1, ...)``, of the image's real type and device."""
        tensor: Tensor = getattr(self, name)
        tensor = tensor.to(device=like.device, dtype=real_dtype(like))
        if tensor.ndim == self._item_dims.get(name, 0):
            tensor = tensor[None]
        return tensor

    def image_value(self, name: str, like: Tensor) -> Tensor:
        """Return a scalar value as ``(N or 1, 1, 1)``, to combine with images."""
        return over_image(self.value(name, like))

    def _find(self, name: str) -> nn.Parameter:
        if name not in self.value_names:
            raise UnknownNameError("optical value", name, self.value_names)
        parameter: nn.Parameter = getattr(self, name)
        return parameter

    def _check_axes(self, name: str, tensor: Tensor) -> None:
        least = self._item_dims.get(name, 0)
        if tensor.ndim not in (least, least + 1):
            raise LayoutError(
                f"{name} has {least} axes, or {least + 1} with one value a sample, "
                f"not the shape {tuple(tensor.shape)}."
            )


def over_image(value: Tensor) -> Tensor:
    """Return ``(...)`` as ``(..., 1, 1)``, to combine with images."""
    return value[..., None, None]


def precise_dtype(device: torch.device) -> torch.dtype:
    """Return float64, in which phases of thousands of radians stay exact, if it exists.

    Apple's GPUs have none.
    """
    return torch.float32 if device.type == "mps" else torch.float64


def unit_phasor(phase: Tensor, like: Tensor) -> Tensor:
    """Return ``exp(i phase)`` in the precision of `like`, exact for large phases."""
    phase = phase - 2 * math.pi * (phase.detach() / (2 * math.pi)).round()
    return phasor(phase.to(real_dtype(like)))


def phasor(phase: Tensor, modulus: Tensor | None = None) -> Tensor:
    """Return ``modulus exp(i phase)``; `torch.polar` is several times slower."""
    real, imaginary = torch.cos(phase), torch.sin(phase)
    if modulus is None:
        return torch.complex(real, imaginary)
    return torch.complex(modulus * real, modulus * imaginary)


def intensity(field: Tensor) -> Tensor:
    """Return the squared modulus, which `abs` would take a root for."""
    squared: Tensor = field.real**2 + field.imag**2
    return squared


def real_dtype(tensor: Tensor) -> torch.dtype:
    """Return the type of the real part."""
    return tensor.dtype.to_real() if tensor.is_complex() else tensor.dtype
