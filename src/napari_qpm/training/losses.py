"""What is minimised when a network learns phase maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MixedGradientError", "root_error"]

SOBEL_SCALE = 1 / 8
"""With it the kernels give the slope per pixel. Unscaled, the gradient term would be
three times the squared error that it is to help."""


ROOT_FLOOR = 0.01
"""Added to a map before its root is taken, whose slope at 0 is endless."""


def root_error(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error of the maps' square roots.

    It weighs a faint cell that is taken for empty field twenty times as much as the
    same error within a thick one.
    """
    floor = ROOT_FLOOR
    return functional.mse_loss((output + floor).sqrt(), (target + floor).sqrt())


class MixedGradientError(nn.Module):
    """MixGE: mean squared error of the map, and of the size of its gradient.

    ``MSE(y, t) + weight MSE(|grad y|, |grad t|)``, ``|grad| = sqrt(gx^2 + gy^2 + eps)``
    of Sobel slopes inside the border (Lu & Chen, SIViP 2022).
    """

    kernels: Tensor

    def __init__(self, weight: float = 0.1, epsilon: float = 1e-6):
        super().__init__()
        self.weight, self.epsilon = float(weight), float(epsilon)
        sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) * SOBEL_SCALE
        kernels = torch.stack([sobel, sobel.T])[:, None]
        self.register_buffer("kernels", kernels, persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return both terms, the second weighted, of maps ``(N, 1, Y, X)``."""
        squared = functional.mse_loss(output, target)
        slopes = functional.mse_loss(self._gradient(output), self._gradient(target))
        return squared, self.weight * slopes

    def _gradient(self, images: Tensor) -> Tensor:
        kernels = self.kernels.to(images)
        slopes = functional.conv2d(images, kernels).square().sum(1)
        return torch.sqrt(slopes + self.epsilon)
