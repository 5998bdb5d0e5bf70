"""Where cells lie: evenly or in clumps, pushed apart until they only touch."""

import torch
from torch import Tensor

from napari_qpm.specimens._draws import Draws

__all__ = ["place", "push_apart"]

_MOST_CLUMPS = 24
_CELLS_A_CLUMP = 7.0
_EMPTY_UM = -1e6
"""Radius of a slot without a cell: it touches nothing."""


def place(
    field: Tensor,
    radius: Tensor,
    clumping: Tensor,
    density: Tensor,
    size_um: Tensor,
    margin_um: float,
    draws: Draws,
    *,
    n_fields: int,
    spacing: Tensor | float = 0.8,
    n_steps: int = 14,
) -> Tensor:
    """Return ``(M, 2)`` centres [um]; cells may lie up to a margin outside the image.

    Parameters
    ----------
    field, radius, clumping, density
        ``(M,)`` image, radius [um], share of cells that begin in a clump, and a number
        that is alike in cells that like to be in one clump.
    size_um
        ``(2,)`` size of an image.
    spacing
        Distance of touching cells over the sum of their radii, for each image or all.
    """
    count = len(field)
    room = size_um + 2 * margin_um
    position = torch.rand(count, 2, generator=draws.generator) * room - margin_um
    centres = draws.uniform(0, 1, n_fields, _MOST_CLUMPS, 2) * room - margin_um
    members = torch.bincount(field, minlength=n_fields)
    clumps = (members / _CELLS_A_CLUMP).clamp(1, _MOST_CLUMPS)[field]
    # The square makes some clumps large and many small.
    likeness = 0.6 * _rank(density, field) + 0.4 * draws.uniform(0, 1, count)
    likeness = (likeness - draws.integers(0, 2, n_fields)[field]).abs()
    clump = (clumps * likeness**2).long()
    clump.clamp_(max=_MOST_CLUMPS - 1)
    near = centres[field, clump] + draws.normal(0, 1, count, 2) * 2 * radius[:, None]
    joins = draws.happens(clumping, count)
    position = torch.where(joins[:, None], near, position)
    slot, width = _slots(field, n_fields)
    # Even a nearly empty image shows a cell.
    inside = draws.uniform(0.2, 0.8, count, 2) * size_um
    position = torch.where(slot[:, None] == 0, inside, position)
    table = torch.zeros(n_fields, width, 2)
    radii = torch.full((n_fields, width), _EMPTY_UM)
    table[field, slot], radii[field, slot] = position, radius
    low, high = -torch.full((2,), margin_um), size_um + margin_um
    room = torch.as_tensor(spacing).expand(n_fields)
    # Image by image: pairs grow with the square of the cells, and in one batch every
    # image would have as many as the fullest.
    for image, length in enumerate(members.tolist()):
        some = table[image : image + 1, :length]
        wide = radii[image : image + 1, :length]
        for _ in range(n_steps if length else 0):
            some = push_apart(some, wide, room[image]).clamp(min=low, max=high)
        table[image, :length] = some[0]
    return table[field, slot]


def _rank(values: Tensor, field: Tensor) -> Tensor:
    """Return where each value stands among those of its image, 0 to 1."""
    order = torch.argsort(values)
    order = order[torch.argsort(field[order], stable=True)]
    counts = torch.bincount(field)
    first = torch.cumsum(counts, 0) - counts
    rank = torch.empty(len(values))
    inside = torch.arange(len(values)) - first[field[order]]
    rank[order] = inside / counts[field[order]]
    return rank


def push_apart(position: Tensor, radius: Tensor, spacing: Tensor | float) -> Tensor:
    """Return centres ``(N, K, 2)`` after each pair gave way by part of its overlap."""
    room = torch.as_tensor(spacing).reshape(-1, 1, 1)
    distance = torch.cdist(position, position)
    push = (radius[:, :, None] + radius[:, None]).mul_(room).sub_(distance)
    push = push.clamp_(min=0).div_(distance.add_(1e-3)).mul_(0.38)
    away = position * push.sum(dim=2, keepdim=True) - push @ position
    return position + away


def _slots(field: Tensor, n_fields: int) -> tuple[Tensor, int]:
    """Return the number of each cell within its image, and the largest count."""
    counts = torch.bincount(field, minlength=n_fields)
    first = torch.cumsum(counts, 0) - counts
    order = torch.argsort(field, stable=True)
    slot = torch.empty_like(field)
    slot[order] = torch.arange(len(field)) - first[field[order]]
    return slot, int(counts.max()) if len(field) else 0
