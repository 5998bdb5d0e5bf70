"""Batches of simulated cells for training: any kind, class and confluence, in torch."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.specimens._bodies import Bodies
from napari_qpm.specimens._drawing import (
    draw_dead,
    draw_debris,
    draw_live,
    draw_mitotic,
)
from napari_qpm.specimens._draws import Draws
from napari_qpm.specimens._placement import place
from napari_qpm.specimens._recipes import RECIPES, CellClass, CellKind
from napari_qpm.specimens._rendering import Rendering, closeness, render
from napari_qpm.specimens._textures import draw_sheet
from napari_qpm.specimens.batch import CellColumns, Specimens

__all__ = ["CellClass", "CellKind", "CellSettings", "simulate_cells"]

_COARSE_PX = 5
"""The size of cells is fitted to the confluence on pixels this much larger."""
_SCALES = (0.5, 1.5)
_FIT_ROUNDS = 2
_NOT_IN_BLOOD = (CellClass.MITOTIC, CellClass.DEAD)
"""A red cell has no nucleus: it neither divides nor falls into apoptotic bodies."""
_REST_OF_BLUR = 3.5
_OVERLAPPING_SHARE = 0.3
"""A cell that lies over others keeps only this part of its radius free."""


@dataclass(frozen=True, kw_only=True)
class CellSettings:
    """What a batch of cells looks like.

    Parameters
    ----------
    shape, pixel_um
        Image size ``(Y, X)`` [px] and side of a pixel at the specimen [um].
    kinds
        Kind of the live cells; several are drawn from, one for each image.
    confluence
        Covered share of the image, or the range it is drawn from; 0.02 to 0.95.
    shares
        Relative numbers of live, dead, mitotic and debris.
    overlap
        Share of cells that lie over their neighbours instead of touching them.
    blur_um
        Standard deviation of the optical blur, about ``0.25 wavelength / NA``.
    clumping
        Share of cells that begin in clumps; None = as the kind does.
    """

    shape: tuple[int, int] = (256, 256)
    pixel_um: float = 0.4
    kinds: tuple[CellKind, ...] = tuple(CellKind)
    confluence: tuple[float, float] = (0.02, 0.95)
    shares: tuple[float, float, float, float] = (0.84, 0.05, 0.07, 0.04)
    overlap: float = 0.03
    blur_um: float = 0.3
    clumping: float | None = None

    def __post_init__(self) -> None:
        kinds: Any = self.kinds
        kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        known = [str(kind) for kind in CellKind]
        for kind in kinds:
            if str(kind) not in known:
                raise UnknownNameError("kind of cell", str(kind), known)
        object.__setattr__(self, "kinds", tuple(CellKind(str(k)) for k in kinds))
        covered: Any = self.confluence
        covered = tuple(covered) if isinstance(covered, Sequence) else (covered,) * 2
        object.__setattr__(self, "confluence", covered)
        if not 0 < covered[0] <= covered[1] <= 0.97:
            raise ParameterError(
                f"Confluence lies between 0 and 0.97, not {self.confluence}."
            )
        if min(self.shape) < 16 or self.pixel_um <= 0 or not kinds:
            raise ParameterError(
                f"Cells need at least 16 x 16 pixels of positive size and a kind, "
                f"not {self.shape}, {self.pixel_um} um, {kinds}."
            )
        if len(self.shares) != 4 or min(self.shares) < 0 or sum(self.shares) == 0:
            raise ParameterError(
                "Shares are four numbers: live, dead, mitotic, debris; "
                f"not {self.shares}."
            )


def simulate_cells(
    n: int,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    settings: CellSettings | None = None,
    **options: Any,
) -> Specimens:
    """Return `n` images of cells with labels, classes, masses and absorption.

    Parameters
    ----------
    n
        Number of images.
    seed
        The same seed, settings and `n` give the same specimens; on another device or
        number of threads they agree to rounding.
    device
        Where the images are made and stay.
    settings, **options
        `CellSettings`, or its fields.
    """
    known = {f.name for f in dataclasses.fields(CellSettings)}
    for name in options:
        if name not in known:
            raise UnknownNameError("option of cells", name, known)
    settings = dataclasses.replace(settings or CellSettings(), **options)
    where, draws = torch.device(device), Draws(seed)
    covered = draws.uniform(*settings.confluence, n)
    bodies, classes, kind_of_field = _populate(settings, n, covered, draws)
    sheet = draw_sheet(draws, where)
    bodies = bodies.to(where)
    for _ in range(_FIT_ROUNDS):
        bodies = _fit(bodies, settings, covered.to(where))
    rendering = render(
        bodies, n, settings.shape, settings.pixel_um, sheet, keeps_mass=False
    )
    loss = torch.tensor([RECIPES[kind].absorption for kind in kind_of_field])
    loss = (loss * draws.lognormal(1.0, 0.5, n)).to(where)
    return _finish(bodies, rendering, settings, classes.to(where), loss)


def _populate(
    settings: CellSettings, n: int, covered: Tensor, draws: Draws
) -> tuple[Bodies, Tensor, list[CellKind]]:
    """Return placed bodies, the class of each cell and the kind of each image."""
    chosen = draws.integers(0, len(settings.kinds), n)
    size_um = torch.tensor(settings.shape) * settings.pixel_um
    kind_of_field = [settings.kinds[index] for index in chosen]
    parts, classes, clumps, margins = [], [], [], []
    n_cells = 0
    for place_in_list, kind in enumerate(settings.kinds):
        fields = torch.nonzero(chosen == place_in_list).flatten()
        counts, margin = _counts(kind, covered[fields], size_um, draws)
        for cell_class, part_counts in _split(counts, kind, settings, draws).items():
            total = int(part_counts.sum())
            if total == 0:
                continue
            bodies = _draw(kind, cell_class, total, draws)
            field = torch.repeat_interleave(fields, part_counts)
            parts.append(
                bodies.replace(cell=bodies.cell + n_cells, field=field[bodies.cell])
            )
            n_cells += total
            classes.append(torch.full((total,), int(cell_class)))
            clumping = RECIPES[kind].clumping
            clumping = clumping if settings.clumping is None else settings.clumping
            # A full layer has no clumps.
            clumps.append(clumping * (1 - covered[field] ** 2))
            margins.append(margin)
    if not parts:
        empty = draw_live(settings.kinds[0], 0, draws)
        none = torch.zeros(0, dtype=torch.long)
        return empty, none, kind_of_field
    bodies = Bodies.join(parts)
    radius, field = _cell_extent(bodies, n_cells)
    is_over = draws.happens(settings.overlap, n_cells)
    positions = place(
        field,
        torch.where(is_over, _OVERLAPPING_SHARE * radius, radius),
        torch.cat(clumps),
        _cell_mass(bodies, n_cells) / radius**2,
        size_um,
        max(margins),
        draws,
        n_fields=n,
        # A full layer is evenly spread; sparse cells crowd into each other.
        spacing=0.8 + 0.3 * covered**3,
    )
    bodies = bodies.replace(
        y=bodies.y + positions[bodies.cell, 0],
        x=bodies.x + positions[bodies.cell, 1],
        floats=bodies.floats | is_over[bodies.cell],
    )
    return bodies, torch.cat(classes), kind_of_field


def _draw(kind: CellKind, cell_class: CellClass, count: int, draws: Draws) -> Bodies:
    if cell_class is CellClass.DEAD:
        return draw_dead(kind, count, draws)
    if cell_class is CellClass.MITOTIC:
        bodies = draw_mitotic(kind, count, draws)
        # A ball among flat cells stands over their rims.
        return bodies.replace(floats=bodies.floats | (kind is CellKind.ADHERENT))
    if cell_class is CellClass.DEBRIS:
        return draw_debris(count, draws)
    return draw_live(kind, count, draws)


def _counts(
    kind: CellKind, covered: Tensor, size_um: Tensor, draws: Draws
) -> tuple[Tensor, float]:
    """Return how many cells cover this share of an image, and how far they reach out.

    Cells lie also in a margin around the image, so that its border cuts through cells.
    """
    area, margin = _typical_size(kind)
    room = float(torch.prod(size_um + 2 * margin))
    wanted = covered * room / area * (1 + 0.45 * covered**3)
    whole = wanted + draws.uniform(0, 1, len(covered))
    return whole.long().clamp_(min=1), margin


@functools.cache
def _typical_size(kind: CellKind) -> tuple[float, float]:
    """Return the mean area of a live cell [um^2] and a margin of about its radius."""
    radius = draw_live(kind, 256, Draws(0)).radius
    return float((math.pi * radius**2).mean()), 0.9 * float(radius.mean())


def _split(
    counts: Tensor, kind: CellKind, settings: CellSettings, draws: Draws
) -> dict[CellClass, Tensor]:
    """Return how many cells of each class every image holds, rounded at random."""
    shares = dict(zip(CellClass, settings.shares, strict=True))
    if kind is CellKind.RED_BLOOD:
        shares |= dict.fromkeys(_NOT_IN_BLOOD, 0.0)
        shares[CellClass.LIVE] = max(shares[CellClass.LIVE], 1e-3)
    total = sum(shares.values())
    commonest = max(shares, key=lambda cell_class: shares[cell_class])
    split = {
        cell_class: (counts * share / total + draws.uniform(0, 1, len(counts))).long()
        for cell_class, share in shares.items()
        if cell_class is not commonest and share > 0
    }
    rest = counts - sum(split.values(), torch.zeros_like(counts))
    # Every image shows at least one cell, whatever the dice say.
    split[commonest] = rest.clamp(min=1)
    return split


def _cell_extent(bodies: Bodies, n_cells: int) -> tuple[Tensor, Tensor]:
    """Return radius [um] and image of each cell, its pieces included."""
    area = torch.zeros(n_cells).index_add_(0, bodies.cell, bodies.radius**2)
    field = torch.zeros(n_cells, dtype=torch.long)
    field[bodies.cell] = bodies.field
    return area.sqrt(), field


def _cell_mass(bodies: Bodies, n_cells: int) -> Tensor:
    return torch.zeros(n_cells).index_add_(0, bodies.cell, bodies.mass_pg)


def _fit(bodies: Bodies, settings: CellSettings, covered: Tensor) -> Bodies:
    """Return bodies grown or shrunk so that each image is covered as wanted.

    With `g` = 1 at an outline, scaling all radii by ``s`` moves the outline to where
    ``g = s``: the wanted scale is a quantile of the smallest ``g`` of each pixel.
    """
    shape = tuple(max(8, math.ceil(side / _COARSE_PX)) for side in settings.shape)
    pixel_um = settings.pixel_um * _COARSE_PX
    shifted = bodies.replace(
        y=bodies.y - 0.5 * (pixel_um - settings.pixel_um),
        x=bodies.x - 0.5 * (pixel_um - settings.pixel_um),
    )
    n = len(covered)
    nearest = closeness(shifted, n, (shape[0], shape[1]), pixel_um, _SCALES[1]).flatten(
        1
    )
    rank = (covered * nearest.shape[1]).long().clamp_(max=nearest.shape[1] - 1)
    scale = nearest.sort(dim=1).values.gather(1, rank[:, None])[:, 0]
    scale = scale.clamp(*_SCALES)[bodies.field]
    # A flat cell's mass follows its area; more would make small cells too thick.
    return bodies.replace(
        radius=bodies.radius * scale, mass_pg=bodies.mass_pg * scale**2
    )


def _finish(
    bodies: Bodies,
    rendering: Rendering,
    settings: CellSettings,
    classes: Tensor,
    loss_per_um: Tensor,
) -> Specimens:
    """Return blurred optical path, numbered labels and the table of cells."""
    n_cells = len(classes)
    owner = rendering.owner + 1
    pixels_of_body = torch.bincount(owner.flatten(), minlength=len(bodies) + 1)[1:]
    seen = torch.zeros(n_cells, dtype=torch.bool, device=classes.device)
    seen[bodies.cell[pixels_of_body > 0]] = True
    field = torch.zeros(n_cells, dtype=torch.long, device=classes.device)
    field[bodies.cell] = bodies.field
    label = _number(field, seen)
    label_of_body = torch.cat([label.new_zeros(1), label[bodies.cell]])
    labels = label_of_body.int()[owner]
    mass = _sum_by_cell(rendering.mass_pg, bodies.cell, n_cells)
    weight = rendering.mass_pg / mass[bodies.cell].clamp(min=1e-9)
    columns = CellColumns(
        field=field,
        label=label,
        cell_class=classes,
        dry_mass_pg=mass,
        y_um=_sum_by_cell(weight * bodies.y, bodies.cell, n_cells),
        x_um=_sum_by_cell(weight * bodies.x, bodies.cell, n_cells),
        parent=torch.zeros_like(label),
    )
    opd_um = blur(rendering.opd_um, settings.blur_um / settings.pixel_um)
    return Specimens(
        opd_um=opd_um,
        labels=labels,
        amplitude=torch.exp(-loss_per_um[:, None, None] * opd_um),
        pixel_um=settings.pixel_um,
        cells=columns.select(torch.nonzero(seen).flatten()),
    )


def _sum_by_cell(values: Tensor, cell: Tensor, n_cells: int) -> Tensor:
    """Return sums over the bodies of each cell, in float64 and in a fixed order."""
    order = torch.argsort(cell, stable=True)
    running = torch.cumsum(values[order].double().cpu(), 0)
    ends = torch.cumsum(torch.bincount(cell.cpu(), minlength=n_cells), 0)
    running = torch.cat([torch.zeros(1, dtype=running.dtype), running])[ends]
    sums = torch.diff(running, prepend=torch.zeros(1, dtype=running.dtype))
    return sums.float().to(values.device)


def _number(field: Tensor, seen: Tensor) -> Tensor:
    """Return labels 1, 2, … of the cells seen in each image, 0 for others."""
    order = torch.argsort(field, stable=True)
    counted = torch.cumsum(seen[order].long(), 0)
    n_fields = int(field.max()) + 1 if len(field) else 0
    first = torch.bincount(field, weights=seen.double(), minlength=n_fields).long()
    before = torch.cumsum(first, 0) - first
    label = torch.zeros_like(field)
    label[order] = counted - before[field[order]]
    return torch.where(seen, label, 0)


def blur(images: Tensor, sigma_px: float) -> Tensor:
    """Return ``(N, Y, X)`` images blurred by a Gaussian, 0 outside."""
    if sigma_px < 0.15:
        return images
    reach = math.ceil(_REST_OF_BLUR * sigma_px)
    weights = [math.exp(-0.5 * (step / sigma_px) ** 2) for step in range(reach + 1)]
    total = 2 * sum(weights) - weights[0]
    for axis in (1, 2):
        length = images.shape[axis]
        blurred = images * (weights[0] / total)
        for step in range(1, min(reach + 1, length)):
            ahead = images.narrow(axis, step, length - step)
            behind = images.narrow(axis, 0, length - step)
            weight = weights[step] / total
            blurred.narrow(axis, 0, length - step).add_(ahead, alpha=weight)
            blurred.narrow(axis, step, length - step).add_(behind, alpha=weight)
        images = blurred
    return images
