"""Cells of each kind and class drawn at random: outlines, heights, insides, pieces."""

import math

import torch
from torch import Tensor

from napari_qpm.specimens._bodies import N_DIRECTIONS, N_HEIGHTS, Bodies
from napari_qpm.specimens._draws import Draws
from napari_qpm.specimens._recipes import RECIPES, CellKind, Recipe
from napari_qpm.specimens._settings import ALPHA_UM3_PER_PG
from napari_qpm.specimens._textures import SHEET_SIZE, TEXEL_UM

__all__ = ["ball_radius_um", "draw_dead", "draw_debris", "draw_live", "draw_mitotic"]

_N_HAIRS, _N_RAGS = 128, 40
_LARGE_SHARE, _LARGEST = 0.03, 3.0
"""A few cells have doubled their genome without dividing."""
_N_PIECES = (4, 9)


def ball_radius_um(mass_pg: Tensor, index_step: Tensor) -> Tensor:
    """Return the radius of a ball: ``m alpha = dn 4/3 pi r^3``."""
    volume = mass_pg * ALPHA_UM3_PER_PG / index_step
    return (3 * volume / (4 * math.pi)) ** (1 / 3)


def draw_live(
    kind: CellKind, count: int, draws: Draws, *, all_spread: bool = False
) -> Bodies:
    """Return interphase cells at the origin of field 0, numbered from 0.

    With `all_spread`, none of a spread kind is a ball.
    """
    recipe = RECIPES[kind]
    mass = draws.lognormal(recipe.mass_pg, recipe.mass_spread, count)
    large = draws.happens(_LARGE_SHARE, count) & (kind is not CellKind.RED_BLOOD)
    mass = torch.where(large, mass * draws.uniform(1.6, _LARGEST, count), mass)
    step = draws.uniform(*recipe.index_step, count)
    ball = ball_radius_um(mass, step)
    is_round = draws.happens(recipe.share_round, count) & (not all_spread)
    if recipe.density_pg_um2 == 0:
        is_round[:] = True
        radius = ball
    else:
        density = draws.lognormal(recipe.density_pg_um2, recipe.density_spread, count)
        spread = (mass / density / math.pi).sqrt()
        radius = torch.where(is_round, ball, torch.maximum(spread, ball))
    return _make(recipe, draws, mass, radius, is_round, kind is CellKind.RED_BLOOD)


def draw_mitotic(kind: CellKind, count: int, draws: Draws) -> Bodies:
    """Return dividing cells: balls of nearly doubled mass, some of them parting."""
    recipe = RECIPES[kind]
    mass = 1.5 * draws.lognormal(recipe.mass_pg, 0.6 * recipe.mass_spread, count)
    # Rounding up condenses the cell and stacks all of it above a small disk.
    low, high = recipe.index_step
    radius = ball_radius_um(mass, draws.uniform(1.1 * low, 1.25 * high, count))
    bodies = _make(recipe, draws, mass, radius, torch.ones(count, dtype=torch.bool))
    is_parting = draws.happens(0.3, count)
    none = torch.zeros(count)
    parting = torch.where(is_parting, draws.uniform(0.3, 0.95, count), none)
    plate = torch.where(is_parting, none, draws.uniform(0.06, 0.16, count))
    nucleus = bodies.nucleus.clone()
    nucleus[:, 3] = 0
    return bodies.replace(
        radius=torch.where(is_parting, radius * 0.5 ** (1 / 3), radius),
        aspect=torch.where(is_parting, 1.0, bodies.aspect.clamp(max=1.12)),
        parting=parting,
        plate=plate,
        nucleus=nucleus,
        nucleoli=none,
    )


def draw_dead(kind: CellKind, count: int, draws: Draws) -> Bodies:
    """Return apoptotic cells, each a shrunken core with blebs and bodies around it."""
    recipe = RECIPES[kind]
    mass = 0.6 * draws.lognormal(recipe.mass_pg, recipe.mass_spread, count)
    step = draws.uniform(recipe.index_step[1], 1.3 * recipe.index_step[1], count)
    whole = ball_radius_um(mass, step)
    pieces = draws.integers(*_N_PIECES, count)
    cell = torch.repeat_interleave(torch.arange(count), pieces)
    first = torch.cumsum(pieces, 0) - pieces
    total = len(cell)
    is_core = torch.zeros(total, dtype=torch.bool)
    is_core[first] = True
    relative = torch.where(
        is_core, draws.uniform(0.65, 0.85, total), draws.uniform(0.18, 0.5, total)
    )
    cubes = torch.zeros(count).index_add_(0, cell, relative**3)
    relative = relative / cubes[cell] ** (1 / 3)
    radius = relative * whole[cell]
    away = torch.where(is_core, 0.0, whole[cell] * draws.uniform(0.75, 1.7, total))
    direction = draws.angle(total)
    bodies = _make(
        recipe,
        draws,
        mass[cell] * relative**3,
        radius,
        torch.ones(total, dtype=torch.bool),
    )
    nucleus = bodies.nucleus.clone()
    nucleus[:, 3] = 0
    return bodies.replace(
        cell=cell,
        y=away * direction.sin(),
        x=away * direction.cos(),
        coarse=torch.where(is_core, 0.22, 0.1),
        vesicles=torch.where(is_core, 0.6, 0.0),
        nucleus=nucleus,
        nucleoli=torch.zeros(total),
        seam=torch.full((total,), 0.6),
    )


def draw_debris(count: int, draws: Draws) -> Bodies:
    """Return specks of 0.5 to 2.5 um that lie over what is there."""
    recipe = RECIPES[CellKind.ROUNDED]
    radius = draws.lognormal(1.1, 0.4, count)
    volume = 4 / 3 * math.pi * radius**3 * draws.uniform(0.4, 1.0, count)
    mass = volume * draws.uniform(0.02, 0.05, count) / ALPHA_UM3_PER_PG
    bodies = _make(recipe, draws, mass, radius, torch.ones(count, dtype=torch.bool))
    nucleus = bodies.nucleus.clone()
    nucleus[:, 3] = 0
    return bodies.replace(
        nucleus=nucleus,
        nucleoli=torch.zeros(count),
        vesicles=torch.zeros(count),
        aspect=draws.uniform(1.0, 2.0, count),
        floats=torch.ones(count, dtype=torch.bool),
    )


def _make(
    recipe: Recipe,
    draws: Draws,
    mass: Tensor,
    radius: Tensor,
    is_round: Tensor,
    is_disc: bool = False,
) -> Bodies:
    """Return bodies of these masses and radii that look as the recipe says."""
    count = len(mass)
    spread = (~is_round).float()
    flat = RECIPES[CellKind.ROUNDED]
    both = {
        name: torch.where(
            is_round, min(getattr(recipe, name), getattr(flat, name)), value
        )
        for name, value in (
            ("coarse", recipe.coarse),
            ("fine", recipe.fine),
            ("vesicles", recipe.vesicles),
            ("nucleoli", recipe.nucleoli),
            ("rim_um", recipe.rim_um),
        )
    }
    aspect = 1 + (recipe.aspect - 1) * draws.uniform(0, 1, count) ** 1.5
    offset = draws.normal(0, 0.09, 2, count)
    nucleus_radius = draws.uniform(0.4, 0.52, count) + 0.18 * (1 - spread)
    strength = torch.where(is_round, min(recipe.nucleus, flat.nucleus), recipe.nucleus)
    strength = strength * draws.uniform(0.5, 1.5, count)
    sheet_size = SHEET_SIZE * TEXEL_UM
    return Bodies(
        field=torch.zeros(count, dtype=torch.long),
        cell=torch.arange(count),
        y=torch.zeros(count),
        x=torch.zeros(count),
        angle=draws.angle(count),
        radius=radius,
        aspect=torch.where(is_round, 1 + 0.15 * (aspect - 1), aspect),
        mass_pg=mass,
        outline=_outlines(recipe, draws, radius, spread),
        height=_disc_heights(draws, is_round)
        if is_disc
        else _domes(recipe, draws, spread),
        sheet=recipe.sheet * spread * draws.uniform(0.7, 1.3, count),
        rim_um=both["rim_um"],
        parting=torch.zeros(count),
        plate=torch.zeros(count),
        nucleus=torch.stack([*offset, nucleus_radius, strength], dim=1),
        nucleoli=both["nucleoli"] * draws.uniform(0.5, 1.5, count),
        coarse=both["coarse"] * draws.uniform(0.6, 1.4, count),
        fine=both["fine"] * draws.uniform(0.6, 1.4, count),
        vesicles=both["vesicles"] * draws.lognormal(0.8, 0.5, count),
        texture_y=draws.uniform(0, sheet_size, count),
        texture_x=draws.uniform(0, sheet_size, count),
        floats=torch.zeros(count, dtype=torch.bool),
        seam=torch.full((count,), recipe.seam),
    )


def _outlines(recipe: Recipe, draws: Draws, radius: Tensor, spread: Tensor) -> Tensor:
    """Return ``(M, N_DIRECTIONS)`` relative radii: waves, lamella, tails and hair."""
    count = len(radius)
    turn = torch.arange(N_DIRECTIONS) * (2 * math.pi / N_DIRECTIONS)
    order = torch.arange(2, 8)
    calm = 0.15 + 0.85 * spread[:, None]
    amplitude = draws.normal(0, recipe.waves, count, 6) / order**0.7 * calm
    phase = draws.angle(count, 6)
    waves = order[:, None] * turn
    outline = 1 + (amplitude * phase.cos()) @ waves.cos()
    outline -= (amplitude * phase.sin()) @ waves.sin()
    front = draws.angle(count, 1)
    if recipe.lamella > 0:
        lamella = recipe.lamella * draws.uniform(0.2, 1, count, 1) * spread[:, None]
        outline += lamella * torch.exp((torch.cos(turn - front) - 1) / 0.3)
    for _ in range(recipe.n_tails):
        grows = draws.happens(0.55, count, 1) * spread[:, None]
        length = draws.uniform(0.15, 0.75, count, 1) * grows
        away = front + math.pi + draws.normal(0, 0.8, count, 1)
        width = draws.uniform(0.015, 0.09, count, 1)
        outline += length * torch.exp((torch.cos(turn - away) - 1) / width)
    outline = outline.clamp_(min=0.55)
    if recipe.nucleus > 0:
        ragged = 0.008 + 0.022 * spread[:, None]
        outline += ragged * _along_rim(draws.normal(0, 1, count, _N_RAGS))
    if recipe.hair > 0:
        outline += _hairs(recipe, draws, radius)
    return outline / outline.square().mean(dim=1, keepdim=True).sqrt()


def _hairs(recipe: Recipe, draws: Draws, radius: Tensor) -> Tensor:
    """Return short retraction fibres around the rim of some bodies."""
    count = len(radius)
    has = draws.happens(recipe.hair, count, 1)
    length = draws.uniform(0.15, 0.7, count, 1) / radius[:, None] * has
    return length * _along_rim(draws.normal(0, 1, count, _N_HAIRS).clamp_(min=0))


def _along_rim(values: Tensor) -> Tensor:
    """Return ``(M, N_DIRECTIONS)`` values that run linearly between the given ones."""
    closed = torch.cat([values, values[:, :1]], dim=1)
    at = torch.arange(N_DIRECTIONS) * (values.shape[1] / N_DIRECTIONS)
    low = at.long()
    between = at - low
    return closed[:, low] * (1 - between) + closed[:, low + 1] * between


def _distances() -> Tensor:
    """Return the distances of the height table's columns."""
    return (torch.arange(N_HEIGHTS) + 0.5) / N_HEIGHTS


def _domes(recipe: Recipe, draws: Draws, spread: Tensor) -> Tensor:
    """Return heights of balls ``(1 - g^2)^0.5``, flattened ones, and spread cells."""
    dome = (1 - (_distances() / 0.97) ** 2).clamp(min=0) ** recipe.dome
    flatness = draws.uniform(0.3, 0.54, len(spread), 1)
    ball = (1 - _distances() ** 2).clamp(min=0) ** flatness
    return torch.where(spread[:, None] > 0, dome, ball)


def unit_ball() -> Tensor:
    """Return ``(N_HEIGHTS,)`` heights of a ball that its cortex softens at the rim."""
    return (1 - _distances() ** 2).clamp(min=0) ** 0.65


def _disc_heights(draws: Draws, is_round: Tensor) -> Tensor:
    """Return biconcave heights (Evans & Fung 1972); round ones are nearly balls."""
    squared = _distances() ** 2
    count = len(is_round)
    middle = draws.uniform(0.12, 0.45, count, 1)
    inside = middle + 2.003 * squared - 1.123 * squared**2
    disc = (1 - squared).clamp(min=0).sqrt() * inside
    return torch.where(is_round[:, None], (1 - squared).clamp(min=0).sqrt(), disc)
