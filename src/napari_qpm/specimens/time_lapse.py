"""Time-lapse of simulated cells: growth, motion, division, death, and their lineage."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.specimens._bodies import Bodies
from napari_qpm.specimens._drawing import draw_dead, draw_live, unit_ball
from napari_qpm.specimens._draws import Draws
from napari_qpm.specimens._population import (
    SHRINKING_S,
    LifePace,
    Population,
)
from napari_qpm.specimens._recipes import RECIPES, CellClass, CellKind
from napari_qpm.specimens._rendering import render
from napari_qpm.specimens._settings import ALPHA_UM3_PER_PG
from napari_qpm.specimens._textures import draw_sheet
from napari_qpm.specimens.batch import CellColumns, Specimens
from napari_qpm.specimens.cells import blur

__all__ = ["TimeLapse", "TimeLapseSettings", "simulate_time_lapse"]

_CHURN_UM_PER_S = 0.05 / 60
_SWAY_S = 5400.0
_DRIFT_S = 4 * 3600.0
_FRAMES_AT_ONCE = 16
_BALL_RIM_UM = RECIPES[CellKind.ROUNDED].rim_um
_BALL_TEXTURE = 0.25
"""What is left of a cell's unevenness when it is round."""


@dataclass(frozen=True, kw_only=True)
class TimeLapseSettings(LifePace):
    """What a time-lapse shows.

    Parameters
    ----------
    n_frames, frame_interval_s
        Length and pace of the recording.
    shape, pixel_um
        Image size ``(Y, X)`` [px] and side of a pixel at the specimen [um].
    kind
        Kind of the cells.
    confluence, n_cells
        Covered share at the beginning, or the number of cells.
    clumping
        Share of cells that begin in clumps; None = as the kind does.
    spacing
        Distance of touching cells over the sum of their radii.
    margin
        Distance that centres keep from the border, in radii; 0 = it may cut cells.
    first_division_s
        When the first cell divides [s]; None = by chance, as all others.
    rounded_index_step
        Of rounded cells over the medium; None = as the kind does.
    blur_um
        Standard deviation of the optical blur.
    """

    n_frames: int = 24
    frame_interval_s: float = 600.0
    shape: tuple[int, int] = (256, 256)
    pixel_um: float = 0.5
    kind: CellKind = CellKind.ADHERENT
    confluence: float = 0.3
    n_cells: int | None = None
    clumping: float | None = None
    spacing: float = 0.95
    margin: float = 0.0
    first_division_s: float | None = None
    rounded_index_step: float | None = None
    blur_um: float = 0.3

    def __post_init__(self) -> None:
        if str(self.kind) not in [str(kind) for kind in CellKind]:
            raise UnknownNameError("kind of cell", str(self.kind), list(CellKind))
        object.__setattr__(self, "kind", CellKind(str(self.kind)))
        if self.kind is CellKind.RED_BLOOD:
            raise ParameterError("Red blood cells neither grow nor divide.")
        if self.n_frames < 1 or self.frame_interval_s <= 0 or min(self.shape) < 16:
            raise ParameterError(
                "A time-lapse has at least 1 frame of 16 x 16 pixels and a positive "
                f"interval, not {self.n_frames}, {self.shape}, "
                f"{self.frame_interval_s} s."
            )


@dataclass(frozen=True, eq=False)
class TimeLapse:
    """A time-lapse and the truth about it.

    Parameters
    ----------
    specimens
        One image a frame; a cell keeps its label until it divides, and
        ``specimens.cells.field`` is the frame.
    lineage
        ``{daughter: mother}``.
    time_s
        ``(T,)`` times of the frames.
    """

    specimens: Specimens
    lineage: dict[int, int]
    time_s: Tensor
    settings: TimeLapseSettings


def simulate_time_lapse(
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    settings: TimeLapseSettings | None = None,
    **options: Any,
) -> TimeLapse:
    """Return frames of living cells with labels, masses and lineage.

    Parameters
    ----------
    seed
        The same seed and settings give the same time-lapse.
    device
        Where the images are made and stay.
    settings, **options
        `TimeLapseSettings`, or its fields.
    """
    known = {f.name for f in dataclasses.fields(TimeLapseSettings)}
    for name in options:
        if name not in known:
            raise UnknownNameError("option of a time-lapse", name, known)
    settings = dataclasses.replace(settings or TimeLapseSettings(), **options)
    where, draws = torch.device(device), Draws(seed)
    population, bank_seed = _settle(settings, draws), seed + 1
    moments = []
    for frame in range(settings.n_frames):
        time_s = frame * settings.frame_interval_s
        if frame > 0:
            population.step(time_s, settings.frame_interval_s)
        moments.append(_moment(population, frame, time_s))
    bank = _Bank.draw(settings.kind, population.n_born, Draws(bank_seed))
    sheet = draw_sheet(Draws(bank_seed), where)
    opd, labels = [], []
    for start in range(0, settings.n_frames, _FRAMES_AT_ONCE):
        group = moments[start : start + _FRAMES_AT_ONCE]
        bodies = Bodies.join([bank.pose(m, population, m.frame - start) for m in group])
        rendering = render(
            bodies.to(where), len(group), settings.shape, settings.pixel_um, sheet
        )
        numbers = torch.cat([torch.zeros(1, dtype=torch.long), bodies.cell])
        labels.append(numbers.int().to(where)[rendering.owner + 1])
        opd.append(blur(rendering.opd_um, settings.blur_um / settings.pixel_um))
    opd_um = torch.cat(opd)
    specimens = Specimens(
        opd_um=opd_um,
        labels=torch.cat(labels),
        amplitude=torch.exp(-RECIPES[settings.kind].absorption * opd_um),
        pixel_um=settings.pixel_um,
        cells=_columns(moments, where),
    )
    times = torch.tensor([m.time_s for m in moments])
    return TimeLapse(specimens, dict(population.lineage), times, settings)


def _settle(settings: TimeLapseSettings, draws: Draws) -> Population:
    """Return the first generation."""
    recipe = RECIPES[settings.kind]
    index_step = settings.rounded_index_step
    if index_step is None:
        # Rounding up condenses a cell: the middle of what `draw_mitotic` draws.
        low, high = recipe.index_step
        index_step = 0.5 * (1.1 * low + 1.25 * high)
    ball = (3 * ALPHA_UM3_PER_PG / (4 * math.pi * index_step)) ** (1 / 3)
    spread = 0.0
    if recipe.density_pg_um2 > 0:
        spread = (1 / (math.pi * recipe.density_pg_um2)) ** 0.5
    population = Population(
        size_um=torch.tensor(settings.shape) * settings.pixel_um,
        pace=settings,
        draws=draws,
        typical_pg=recipe.mass_pg,
        radius_per_root_pg=spread,
        ball_per_cube_root_pg=ball,
        spacing=settings.spacing,
        margin=settings.margin,
    )
    count = settings.n_cells
    if count is None:
        radius = max(spread * recipe.mass_pg**0.5, ball * recipe.mass_pg ** (1 / 3))
        # Cells at the border show a part, and crowded ones overlap.
        beyond = max(1 - settings.margin, 0) * radius
        room = float(torch.prod(population.size_um + beyond))
        room *= 1 + 0.3 * settings.confluence
        count = max(1, round(settings.confluence * room / (math.pi * radius**2)))
    clumping = recipe.clumping if settings.clumping is None else settings.clumping
    population.settle(count, clumping, settings.first_division_s)
    return population


@dataclass(frozen=True, eq=False)
class _Moment:
    """The state of every cell in one frame, one row a cell."""

    frame: int
    time_s: float
    label: Tensor
    parent: Tensor
    cell_class: Tensor
    position: Tensor
    mass_pg: Tensor
    radius: Tensor
    roundness: Tensor
    furrow: Tensor
    axis: Tensor
    since_death_s: Tensor


def _moment(population: Population, frame: int, time_s: float) -> _Moment:
    people = population.people

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32)

    classes = [
        CellClass.DEAD
        if p.is_dead(time_s)
        else CellClass.MITOTIC
        if p.is_mitotic(time_s)
        else CellClass.LIVE
        for p in people
    ]
    return _Moment(
        frame=frame,
        time_s=time_s,
        label=torch.tensor([p.label for p in people], dtype=torch.long),
        parent=torch.tensor([p.parent for p in people], dtype=torch.long),
        cell_class=torch.tensor([int(c) for c in classes], dtype=torch.long),
        position=population.position.clone(),
        mass_pg=column([p.mass_pg(time_s) for p in people]),
        radius=population.radii(time_s),
        roundness=column([p.roundness(time_s) for p in people]),
        furrow=column([p.furrow(time_s) for p in people]),
        axis=column([p.axis for p in people]),
        since_death_s=column([time_s - p.dies_s for p in people]),
    )


@dataclass(frozen=True, eq=False)
class _Bank:
    """What each cell ever born looks like: spread (two outlines) and in pieces."""

    spread: Bodies
    other_outline: Tensor
    pieces: Bodies
    sway: Tensor
    is_flat: bool
    """Whether a ball stands over the rims of its neighbours."""

    @classmethod
    def draw(cls, kind: CellKind, count: int, draws: Draws) -> "_Bank":
        # Who is a ball, and when, is the population's to say.
        return cls(
            spread=draw_live(kind, count, draws, all_spread=True),
            other_outline=draw_live(kind, count, draws, all_spread=True).outline,
            pieces=draw_dead(kind, count, draws),
            sway=draws.angle(count),
            is_flat=kind is CellKind.ADHERENT,
        )

    def pose(self, moment: _Moment, population: Population, field: int) -> Bodies:
        """Return the bodies of one frame."""
        in_pieces = moment.since_death_s > SHRINKING_S
        whole = self._whole(moment, ~in_pieces, field)
        return Bodies.join([whole, self._pieces(moment, population, in_pieces, field)])

    def _whole(self, moment: _Moment, chosen: Tensor, field: int) -> Bodies:
        rows = moment.label[chosen] - 1
        bodies, time_s = self.spread.select(rows), moment.time_s
        rounded, furrow = moment.roundness[chosen], moment.furrow[chosen]
        flat = (1 - rounded)[:, None]
        sway = 0.5 + 0.5 * torch.sin(self.sway[rows] + time_s / _SWAY_S)[:, None]
        outline = (1 - sway) * bodies.outline + sway * self.other_outline[rows]
        outline = flat * outline + (1 - flat)
        outline = outline / outline.square().mean(dim=1, keepdim=True).sqrt()
        nucleus = bodies.nucleus * torch.cat([torch.ones(len(rows), 3), flat], dim=1)
        is_parting = furrow > 0
        plate = torch.where(
            moment.cell_class[chosen] == CellClass.MITOTIC, 0.12 * (1 - furrow), 0.0
        )
        # The spread cell keeps its own direction; a ball turns to its axis unseen.
        angle = torch.where(rounded > 0.99, moment.axis[chosen], bodies.angle)
        half = 1 - furrow * (1 - 0.5 ** (1 / 3))
        calm = _BALL_TEXTURE + (1 - _BALL_TEXTURE) * flat[:, 0]
        return bodies.replace(
            field=torch.full_like(rows, field),
            cell=moment.label[chosen],
            y=moment.position[chosen, 0],
            x=moment.position[chosen, 1],
            angle=angle,
            radius=moment.radius[chosen] * half,
            aspect=1 + (bodies.aspect - 1) * flat[:, 0],
            mass_pg=moment.mass_pg[chosen],
            outline=outline,
            height=flat * bodies.height + (1 - flat) * unit_ball(),
            sheet=bodies.sheet * flat[:, 0],
            rim_um=bodies.rim_um * flat[:, 0] + _BALL_RIM_UM * (1 - flat[:, 0]),
            parting=torch.where(is_parting, furrow, 0.0),
            plate=plate * rounded,
            nucleus=nucleus,
            nucleoli=bodies.nucleoli * flat[:, 0],
            coarse=bodies.coarse * calm,
            fine=bodies.fine * calm,
            vesicles=bodies.vesicles * calm,
            floats=bodies.floats | ((rounded > 0.5) & self.is_flat),
            texture_y=bodies.texture_y + _CHURN_UM_PER_S * time_s,
        )

    def _pieces(
        self, moment: _Moment, population: Population, chosen: Tensor, field: int
    ) -> Bodies:
        """Return the fragments of the dead, which drift apart."""
        place_of = torch.full((len(self.spread),), -1)
        place_of[moment.label[chosen] - 1] = torch.nonzero(chosen).flatten()
        place = place_of[self.pieces.cell]
        bodies, place = self.pieces.select(place >= 0), place[place >= 0]
        mass_pg = moment.mass_pg[place]
        share = torch.zeros(len(self.spread)).index_add_(0, bodies.cell, bodies.mass_pg)
        share = bodies.mass_pg / share[bodies.cell]
        ball = population.ball_radii(mass_pg)
        radius = ball * share ** (1 / 3)
        drift = 1 + 0.3 * torch.tanh(moment.since_death_s[place] / _DRIFT_S)
        return bodies.replace(
            field=torch.full_like(bodies.cell, field),
            cell=moment.label[place],
            y=moment.position[place, 0] + drift * bodies.y,
            x=moment.position[place, 1] + drift * bodies.x,
            radius=radius,
            mass_pg=mass_pg * share,
            floats=torch.ones_like(bodies.floats),
        )


def _columns(moments: list[_Moment], device: torch.device) -> CellColumns:
    """Return the table of all frames."""

    def column(name: str) -> Tensor:
        return torch.cat([getattr(m, name) for m in moments]).to(device)

    position = column("position")
    return CellColumns(
        field=torch.cat([torch.full_like(m.label, m.frame) for m in moments]).to(
            device
        ),
        label=column("label"),
        cell_class=column("cell_class"),
        dry_mass_pg=column("mass_pg"),
        y_um=position[:, 0],
        x_um=position[:, 1],
        parent=column("parent"),
    )
