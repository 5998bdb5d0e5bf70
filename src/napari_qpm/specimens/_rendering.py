"""Bodies to optical path and labels, batched, on any device, the same in every run.

Each body covers a patch of pixels; in it `g` is the distance from the centre
over the distance of the outline, 1 at the outline. Where bodies meet, each keeps the
part in which its `g` is the smallest, so touching cells share a seam as in a real
layer. Sums over bodies use whole numbers: their order cannot matter, so that a GPU
gives the same picture twice.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_qpm.specimens._bodies import N_DIRECTIONS, N_HEIGHTS, Bodies
from napari_qpm.specimens._cpu import Tables, has_kernels, over_images, texture_table
from napari_qpm.specimens._settings import ALPHA_UM3_PER_PG
from napari_qpm.specimens._textures import (
    COARSE,
    FINE,
    NUCLEOLI,
    SHEET_SIZE,
    TEXEL_UM,
    VESICLES,
)

__all__ = ["Canvas", "Rendering", "closeness", "render"]

_FIXED_POINT = float(1 << 40)
_RIVALRY = 22.0
"""Sharpness of seams: shares of two bodies fall e-fold for 1/22 of a radius."""
_PATCH_STEP = 28
_CLOSENESS_STEPS = float(1 << 20)
_BODY_BITS = 24
_NOBODY = 1 << 62
_VOLUME_POINT = float(1 << 30)
_LEAST_ROOM = 0.85
_MOST_MARGIN = 48
"""Margin in which bodies still share room [px]; farther outside they do not."""


@dataclass(frozen=True)
class Canvas:
    """Grid of `n_fields` images of ``shape`` pixels, a margin, and one place beyond."""

    n_fields: int
    shape: tuple[int, int]
    pixel_um: float
    margin: int
    device: torch.device

    @property
    def padded(self) -> tuple[int, int]:
        """Shape with the margin."""
        return self.shape[0] + 2 * self.margin, self.shape[1] + 2 * self.margin

    def full(self, value: int) -> Tensor:
        """Return a flat canvas of whole numbers."""
        size = self.beyond + 1
        return torch.full((size,), value, dtype=torch.int64, device=self.device)

    @property
    def beyond(self) -> int:
        """Place of all pixels outside the margin."""
        return self.n_fields * self.padded[0] * self.padded[1]

    def places(self, field: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return places ``(M, h, w)`` of patches with rows ``(M, h)`` and columns."""
        height, width = self.padded
        y, x = rows + self.margin, columns + self.margin
        beyond_y = (y < 0) | (y >= height)
        beyond_x = (x < 0) | (x >= width)
        row = ((field[:, None] * height + y) * width)[:, :, None]
        beyond = beyond_y[:, :, None] | beyond_x[:, None, :]
        return (row + x[:, None, :]).masked_fill_(beyond, self.beyond)

    def crop(self, flat: Tensor) -> Tensor:
        """Return ``(N, Y, X)`` without the margin."""
        m, (height, width) = self.margin, self.shape
        images = flat[:-1].view(self.n_fields, *self.padded)
        return images[:, m : m + height, m : m + width]


@dataclass(frozen=True, eq=False)
class Rendering:
    """Optical path ``(N, Y, X)`` [um] and the row of the body that owns each pixel."""

    opd_um: Tensor
    owner: Tensor
    """``(N, Y, X)``; -1 where there is no body."""
    mass_pg: Tensor
    """``(M,)`` what was drawn of each body, within and outside the image."""


@dataclass(frozen=True, eq=False)
class _Pixels:
    """The pixels inside outlines, of all bodies in one flat list."""

    body: Tensor
    place: Tensor
    """Index in the flat canvas."""
    g: Tensor
    g_inner: Tensor
    """As `g`, for an outline with arms of half the length: arms are thin."""
    v: Tensor
    u: Tensor
    """Position along the body's axes, in radii."""
    texel: Tensor


@dataclass(frozen=True, eq=False)
class _Patch:
    """Bodies whose bounding boxes have the same size, and the first pixel of each."""

    rows: Tensor
    corner: Tensor
    shape: tuple[int, int]


def _patches(bodies: Bodies, pixel_um: float, stretch: float) -> Iterator[_Patch]:
    """Yield bodies by the size of their boxes, rounded up."""
    boxes = bodies.boxes_um * (stretch / pixel_um)
    centre = torch.stack([bodies.y, bodies.x], dim=1) / pixel_um
    corner = (centre + boxes[:, ::2]).floor().long() - 1
    sides = (centre + boxes[:, 1::2]).ceil().long() + 2 - corner
    sides = (sides + _PATCH_STEP - 1) // _PATCH_STEP * _PATCH_STEP
    kinds, kind_of = torch.unique(sides.cpu(), dim=0, return_inverse=True)
    for index, (height, width) in enumerate(kinds.tolist()):
        rows = torch.nonzero(kind_of == index).flatten().to(corner.device)
        yield _Patch(rows, corner[rows], (height, width))


def _margin(bodies: Bodies, pixel_um: float, stretch: float) -> int:
    if len(bodies) == 0:
        return 0
    longest = float((bodies.reach_um * stretch / pixel_um).max())
    return min(int(2 * longest) + 2, _MOST_MARGIN)


def _measure(bodies: Bodies, patch: _Patch, canvas: Canvas, limit: float) -> _Pixels:
    """Return the pixels with ``g < limit`` of these bodies."""
    part, pixel = bodies.select(patch.rows), canvas.pixel_um
    rows, columns = (
        patch.corner[:, axis, None] + torch.arange(length, device=canvas.device)
        for axis, length in enumerate(patch.shape)
    )
    y = (rows * pixel - part.y[:, None])[:, :, None]
    x = (columns * pixel - part.x[:, None])[:, None, :]
    scale = 1 / part.radius
    cosine = (part.angle.cos() * scale)[:, None, None]
    sine = (part.angle.sin() * scale)[:, None, None]
    v, u = cosine * y - sine * x, sine * y + cosine * x
    plain_u = u
    if bool((part.parting > 0).any()):
        parting = part.parting[:, None, None]
        u = torch.where(parting > 0, u.abs() - parting, u)
    stretch = part.aspect.sqrt()[:, None, None]
    across, along = v * stretch, u / stretch
    turn = torch.atan2(across, along).mul_(N_DIRECTIONS / (2 * math.pi))
    first = torch.arange(len(part), device=canvas.device) * (N_DIRECTIONS + 1)
    turn = turn.add_(N_DIRECTIONS / 2).long().add_(first[:, None, None])
    # From -180 to 180 degrees, both ends included.
    outline = part.outline.roll(N_DIRECTIONS // 2, dims=1)
    outline = torch.cat([outline, outline[:, :1]], dim=1).flatten()[turn]
    distance = across.square_().add_(along.square_()).sqrt_()
    g = distance / outline
    inside = torch.nonzero((g < limit).flatten()).flatten()
    row = inside // (patch.shape[0] * patch.shape[1])
    inner = distance.div_(outline.add_(1).mul_(0.5))
    v = v.flatten()[inside]
    return _Pixels(
        body=patch.rows[row],
        place=canvas.places(part.field, rows, columns).flatten()[inside],
        g=g.flatten()[inside],
        g_inner=inner.flatten()[inside],
        v=v,
        u=u.flatten()[inside],
        texel=_texels(part, row, v, plain_u.flatten()[inside]),
    )


def _texels(part: Bodies, row: Tensor, v: Tensor, u: Tensor) -> Tensor:
    """Return where in the texture sheet each pixel looks."""
    per_um = (part.radius / TEXEL_UM).index_select(0, row)
    at_y = (part.texture_y / TEXEL_UM).index_select(0, row)
    at_x = (part.texture_x / TEXEL_UM).index_select(0, row)
    y = (v * per_um).add_(at_y).floor_().int()
    x = (u * per_um).add_(at_x).floor_().int()
    last = SHEET_SIZE - 1
    return y.bitwise_and_(last).mul_(SHEET_SIZE).add_(x.bitwise_and_(last)).long()


def _collect(bodies: Bodies, canvas: Canvas, limit: float = 1.0) -> _Pixels:
    """Return the pixels of all bodies."""
    parts = [
        _measure(bodies, patch, canvas, limit)
        for patch in _patches(bodies, canvas.pixel_um, limit)
    ]
    names = ("body", "place", "g", "g_inner", "v", "u", "texel")
    if not parts:
        none = torch.zeros(0, device=canvas.device)
        columns = dict.fromkeys(names, none)
        columns |= {name: none.long() for name in ("body", "place", "texel")}
        return _Pixels(**columns)
    return _Pixels(
        **{name: torch.cat([getattr(p, name) for p in parts]) for name in names}
    )


def _make_canvas(
    bodies: Bodies, n_fields: int, shape: tuple[int, int], pixel_um: float, limit: float
) -> tuple[Bodies, Tensor, Canvas]:
    """Return the bodies that can be seen, their rows, and a canvas that holds them."""
    reach = bodies.reach_um * limit + 2 * pixel_um
    high_y, high_x = shape[0] * pixel_um, shape[1] * pixel_um
    seen = (bodies.y > -reach) & (bodies.y < high_y + reach)
    seen &= (bodies.x > -reach) & (bodies.x < high_x + reach)
    rows = torch.nonzero(seen).flatten()
    bodies = bodies.select(rows)
    margin = _margin(bodies, pixel_um, limit)
    canvas = Canvas(n_fields, shape, pixel_um, margin, bodies.y.device)
    return bodies, rows, canvas


def _winners(bodies: Bodies, pixels: _Pixels, canvas: Canvas) -> Tensor:
    """Return, in the flat canvas, the smallest ``g`` and its body in one number."""
    rank = pixels.g.clamp(min=0) + 2.0
    rank -= 2.0 * bodies.floats[pixels.body]
    key = (rank * _CLOSENESS_STEPS).long().bitwise_left_shift_(_BODY_BITS)
    key.bitwise_or_(pixels.body)
    winners = canvas.full(_NOBODY)
    return winners.scatter_reduce_(0, pixels.place, key, "amin")


def closeness(
    bodies: Bodies,
    n_fields: int,
    shape: tuple[int, int],
    pixel_um: float,
    limit: float,
) -> Tensor:
    """Return ``(N, Y, X)`` how near the next outline is: 1 at it, `limit` far away."""
    bodies, _, canvas = _make_canvas(bodies, n_fields, shape, pixel_um, limit)
    if has_kernels(canvas.device):
        return _closeness_by_kernel(bodies, canvas, limit)
    pixels = _collect(bodies, canvas, limit)
    nearest = canvas.full(int(limit * _CLOSENESS_STEPS))
    steps = (pixels.g.clamp(min=0) * _CLOSENESS_STEPS).long()
    nearest.scatter_reduce_(0, pixels.place, steps, "amin")
    return canvas.crop(nearest) / _CLOSENESS_STEPS


def render(
    bodies: Bodies,
    n_fields: int,
    shape: tuple[int, int],
    pixel_um: float,
    sheet: Tensor,
    *,
    keeps_mass: bool = True,
) -> Rendering:
    """Return optical path and owners of ``(N, Y, X)`` pixels; nothing is blurred.

    The optical path of a body sums to its mass: ``sum OPD dA = alpha m``, counting what
    lies outside the image. With `keeps_mass` False, a body whose neighbours leave it
    less than half its room loses mass instead of becoming impossibly thick.
    """
    mass = bodies.mass_pg.clone()
    bodies, rows, canvas = _make_canvas(bodies, n_fields, shape, pixel_um, 1.0)
    if has_kernels(canvas.device):
        opd_um, owner, drawn = _render_by_kernel(bodies, canvas, sheet, keeps_mass)
        mass[rows] = drawn
        owner = torch.cat([rows.new_full((1,), -1), rows])[owner]
        return Rendering(opd_um, owner, mass)
    pixels = _collect(bodies, canvas)
    winners = canvas.crop(_winners(bodies, pixels, canvas))
    is_empty = winners == _NOBODY
    winners = winners.bitwise_and((1 << _BODY_BITS) - 1).add_(1)
    winners.masked_fill_(is_empty, 0)
    owner = torch.cat([rows.new_full((1,), -1), rows])[winners]
    alone = _heights(bodies, pixels, sheet)
    height = alone * _shares(bodies, pixels, canvas)
    volume = _volume(height, pixels.body, len(bodies))
    wanted = bodies.mass_pg.double()
    if not keeps_mass:
        room = volume / _volume(alone, pixels.body, len(bodies)).clamp(min=1e-6)
        wanted *= (room / _LEAST_ROOM).clamp(max=1)
        mass[rows] = wanted.float()
    factor = wanted * (ALPHA_UM3_PER_PG / pixel_um**2) / volume.clamp(min=1e-6)
    opd = canvas.full(0)
    opd.scatter_add_(
        0, pixels.place, (height * factor[pixels.body] * _FIXED_POINT).long()
    )
    opd_um = (canvas.crop(opd).double() / _FIXED_POINT).float()
    return Rendering(opd_um, owner, mass)


def _closeness_by_kernel(bodies: Bodies, canvas: Canvas, limit: float) -> Tensor:
    """Return what `closeness` does."""
    from napari_qpm.specimens._kernels import nearest_outlines

    tables = Tables.of(bodies, canvas.n_fields, canvas.pixel_um, limit)
    nearest = torch.full((canvas.n_fields, *canvas.shape), limit)
    over_images(
        nearest_outlines,
        canvas.n_fields,
        tables.first,
        tables.table,
        tables.outlines,
        tables.boxes,
        np.float32(canvas.pixel_um),
        nearest.numpy(),
    )
    return nearest


def _render_by_kernel(
    bodies: Bodies, canvas: Canvas, sheet: Tensor, keeps_mass: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return optical path, one more than the row of each pixel's body, and masses."""
    from napari_qpm.specimens._kernels import draw_images

    tables = Tables.of(bodies, canvas.n_fields, canvas.pixel_um, 1.0)
    size = (canvas.n_fields, *canvas.padded)
    winners, opd = np.full(size, _NOBODY), np.zeros(size)
    wanted = bodies.mass_pg.numpy()[tables.order].astype(np.float64)
    over_images(
        draw_images,
        canvas.n_fields,
        tables.first,
        tables.table,
        tables.outlines,
        tables.heights,
        tables.boxes,
        texture_table(sheet),
        np.float32(canvas.pixel_um),
        np.float32(1 / TEXEL_UM),
        canvas.margin,
        np.float32(_RIVALRY),
        _CLOSENESS_STEPS,
        _BODY_BITS,
        ALPHA_UM3_PER_PG / canvas.pixel_um**2,
        0.0 if keeps_mass else _LEAST_ROOM,
        winners,
        opd,
        wanted,
    )
    m, (height, width) = canvas.margin, canvas.shape
    inside = (slice(None), slice(m, m + height), slice(m, m + width))
    seen = winners[inside]
    row_of = np.append(tables.order + 1, 0)
    body = np.where(seen == _NOBODY, -1, seen & ((1 << _BODY_BITS) - 1))
    mass = torch.empty(len(bodies))
    mass[tables.order] = torch.from_numpy(wanted).float()
    return (
        torch.from_numpy(opd[inside]).float(),
        torch.from_numpy(row_of[body]),
        mass,
    )


def _volume(height: Tensor, body: Tensor, count: int) -> Tensor:
    """Return the sums of heights of each body, float64."""
    volume = torch.zeros(count, dtype=torch.int64, device=height.device)
    volume.scatter_add_(0, body, (height * _VOLUME_POINT).long())
    return volume.double() / _VOLUME_POINT


def _heights(bodies: Bodies, pixels: _Pixels, sheet: Tensor) -> Tensor:
    """Return the relative height of bodies alone."""
    b, texture = pixels.body, [c.index_select(0, pixels.texel) for c in sheet]
    nucleus = bodies.nucleus
    columns = (
        bodies.radius / bodies.rim_um,
        bodies.sheet,
        bodies.coarse,
        bodies.fine,
        bodies.vesicles,
        bodies.nucleoli,
        nucleus[:, 0],
        nucleus[:, 1],
        1 / nucleus[:, 2].square(),
        nucleus[:, 3],
        bodies.plate,
    )
    slope, flat, coarse, fine, vesicles, nucleoli, y, x, inverse, dome, plate = (
        column.index_select(0, b) for column in columns
    )
    rise = ((1 - pixels.g) * slope).clamp_(0, 1)
    rise = rise * rise * (3 - 2 * rise)
    step = (pixels.g_inner * N_HEIGHTS).long().clamp_(0, N_HEIGHTS - 1)
    inner = bodies.height.flatten()[b * N_HEIGHTS + step]
    uneven = 1 + coarse * texture[COARSE] + fine * texture[FINE]
    height = (flat + inner) * uneven + inner * vesicles * texture[VESICLES]
    away = (pixels.v - y).square_().add_((pixels.u - x).square_())
    nuclear = (1 - away * inverse).clamp_(min=0).sqrt_()
    height = height + nuclear * (dome * uneven + nucleoli * texture[NUCLEOLI])
    if bool((bodies.plate > 0).any()):
        height += inner * plate * torch.exp(-((pixels.u / 0.17) ** 2))
    solid: Tensor = height.clamp_(min=0.01).mul_(rise)
    return solid


def _shares(bodies: Bodies, pixels: _Pixels, canvas: Canvas) -> Tensor:
    """Return how much of its height each body keeps beside its neighbours."""
    is_alone = bodies.floats[pixels.body] | (pixels.place == canvas.beyond)
    strength = torch.exp(-_RIVALRY * pixels.g.clamp(min=0)) * _FIXED_POINT
    resting = strength.long().masked_fill_(is_alone, 0)
    total = canvas.full(0).scatter_add_(0, pixels.place, resting)[pixels.place]
    share = (strength / (total.float() + 1)).masked_fill_(is_alone, 1.0)
    seam = bodies.seam[pixels.body]
    return share * (seam + (1 - seam) * share.square().square())
