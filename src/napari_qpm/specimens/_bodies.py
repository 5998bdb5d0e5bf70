"""Bodies: what the renderer draws, as columns of numbers, one row a body.

A cell is one body, or several when it falls apart; the bodies of a cell share its
number. Lengths are um; shares are of the body's radius.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["N_DIRECTIONS", "N_HEIGHTS", "Bodies"]

N_DIRECTIONS = 384
"""Columns of the outline table, over the full turn."""
N_HEIGHTS = 256
"""Columns of the height table, from the centre to the rim."""


@dataclass(frozen=True, eq=False)
class Bodies:
    """Columns of ``(M,)`` unless stated; the device is that of the tensors."""

    field: Tensor
    """Index of the image."""
    cell: Tensor
    """Index of the cell in the whole batch."""
    y: Tensor
    x: Tensor
    """Centre [um] from the centre of the first pixel."""
    angle: Tensor
    radius: Tensor
    """Of a disk of the body's area [um]."""
    aspect: Tensor
    mass_pg: Tensor
    outline: Tensor
    """``(M, N_DIRECTIONS)`` relative radius, root mean square 1."""
    height: Tensor
    """``(M, N_HEIGHTS)`` relative height over the distance from the centre."""
    sheet: Tensor
    """Relative height of the flat rim."""
    rim_um: Tensor
    """Width over which the height rises from 0 at the outline."""
    parting: Tensor
    """Distance of two halves from the centre, in radii; 0 = one body."""
    plate: Tensor
    """Relative height of the metaphase plate."""
    nucleus: Tensor
    """``(M, 4)``: offset y, x, radius and height, relative."""
    nucleoli: Tensor
    coarse: Tensor
    fine: Tensor
    vesicles: Tensor
    """Strengths of the columns of the texture sheet."""
    texture_y: Tensor
    texture_x: Tensor
    """Where in the texture sheet the body looks [um]."""
    floats: Tensor
    """True where the body lies over its neighbours instead of touching them."""
    seam: Tensor
    """How much of the height remains where two bodies touch, 0 to 1."""

    def __len__(self) -> int:
        return len(self.field)

    @property
    def reach_um(self) -> Tensor:
        """Distance from the centre beyond which the body has no height."""
        stretch = self.aspect.sqrt()
        return self.radius * (self.outline.amax(dim=1) * stretch + self.parting)

    @property
    def boxes_um(self) -> Tensor:
        """``(M, 4)``: least and greatest y, least and greatest x from the centre."""
        turn = torch.arange(N_DIRECTIONS, device=self.y.device)
        turn = turn * (2 * math.pi / N_DIRECTIONS)
        stretch, rim = self.aspect.sqrt()[:, None], self.outline
        v = rim * turn.sin() / stretch
        u = rim * turn.cos() * stretch
        cosine, sine = self.angle.cos()[:, None], self.angle.sin()[:, None]
        y, x = cosine * v + sine * u, cosine * u - sine * v
        # The halves of a parting body lie mirrored about its middle.
        beside = self.parting + (self.parting > 0) * self.outline.amax(dim=1)
        away = beside[:, None]
        ends = [y.aminmax(dim=1), x.aminmax(dim=1)]
        lowest = torch.stack([ends[0].min, ends[1].min], dim=1) - away
        highest = torch.stack([ends[0].max, ends[1].max], dim=1) + away
        return torch.stack([lowest, highest], dim=2).flatten(1) * self.radius[:, None]

    def select(self, rows: Tensor) -> "Bodies":
        """Return some rows."""
        return Bodies(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def replace(self, **columns: Tensor) -> "Bodies":
        """Return a copy with some columns changed."""
        return replace(self, **columns)

    def to(self, device: torch.device) -> "Bodies":
        """Return the bodies on a device."""
        return Bodies(
            **{f.name: getattr(self, f.name).to(device) for f in fields(self)}
        )

    @staticmethod
    def join(parts: "list[Bodies]") -> "Bodies":
        """Return the rows of all parts in order."""
        columns: dict[str, Any] = {
            f.name: torch.cat([getattr(part, f.name) for part in parts])
            for f in fields(Bodies)
        }
        return Bodies(**columns)
