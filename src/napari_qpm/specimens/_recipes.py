"""What live cells of each kind look like: sizes, densities and shares, with sources.

Dry masses and index steps: mammalian cells hold 0.1 to 0.25 g/mL of dry mass over the
medium, that is index steps of 0.02 to 0.05 (Barer 1952; Zhao, Brown & Schuck 2011);
red blood cells, with 0.33 g/mL of haemoglobin, reach 0.06. The `COLONY` numbers follow
the public A2780 set (hand-outlined ovarian carcinoma cells) by its distributions only.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

__all__ = ["RECIPES", "CellClass", "CellKind", "Recipe"]


class CellKind(StrEnum):
    """How the live cells of a field grow."""

    ADHERENT = "adherent"
    """Flat, spread, with lamellipodia and tails."""
    COLONY = "colony"
    """Small epithelial cells in clumps, spread and round ones side by side."""
    ROUNDED = "rounded"
    """Balls on the substrate, as after trypsin or before division."""
    RED_BLOOD = "red-blood"
    """Biconcave discs and a few spiny or round ones."""
    SUSPENSION = "suspension"
    """Floating spheres with a large nucleus, such as leukaemia lines."""


class CellClass(IntEnum):
    """State of a cell; 0 is the background of a class map."""

    LIVE = 1
    """Interphase."""
    DEAD = 2
    """Apoptotic: shrunken, blebbing, in fragments."""
    MITOTIC = 3
    """Rounded up, with a metaphase plate or parting."""
    DEBRIS = 4
    """Specks without a nucleus."""


@dataclass(frozen=True)
class Recipe:
    """Numbers of one kind; ranges are ``(low, high)``, spreads are of logarithms.

    Parameters
    ----------
    mass_pg, mass_spread
        Median dry mass and spread.
    index_step
        Of a rounded cell over the medium.
    density_pg_um2, density_spread
        Median dry mass over area of a spread cell; 0 = a ball, whose area follows from
        mass and index step.
    aspect
        Largest ratio of length to width.
    waves, n_tails, lamella, hair
        Unevenness of the outline, most tails, length of the lamellipodium, share of
        cells with a spiny rim.
    sheet, dome
        Relative height of the flat rim, and roundness of the body (0.5 = ball).
    nucleus, nucleoli, coarse, fine, vesicles
        Relative heights.
    rim_um, seam
        Width of the rim; height that remains where cells touch.
    clumping
        0 = evenly spread, 1 = all cells in clumps.
    share_round
        Cells of a spread kind that are balls.
    absorption
        Loss of light [1/um of optical path].
    """

    mass_pg: float
    mass_spread: float
    index_step: tuple[float, float]
    density_pg_um2: float
    density_spread: float
    aspect: float
    waves: float
    n_tails: int
    lamella: float
    hair: float
    sheet: float
    dome: float
    nucleus: float
    nucleoli: float
    coarse: float
    fine: float
    vesicles: float
    rim_um: float
    seam: float
    clumping: float
    share_round: float
    absorption: float


RECIPES: dict[CellKind, Recipe] = {
    CellKind.ADHERENT: Recipe(
        mass_pg=380.0,
        mass_spread=0.35,
        index_step=(0.024, 0.036),
        density_pg_um2=0.5,
        density_spread=0.25,
        aspect=2.4,
        waves=0.13,
        n_tails=3,
        lamella=0.55,
        hair=0.05,
        sheet=0.15,
        dome=1.3,
        nucleus=0.32,
        nucleoli=0.45,
        coarse=0.1,
        fine=0.07,
        vesicles=0.35,
        rim_um=1.2,
        seam=0.7,
        clumping=0.15,
        share_round=0.03,
        absorption=0.08,
    ),
    CellKind.COLONY: Recipe(
        mass_pg=208.0,
        mass_spread=0.3,
        index_step=(0.013, 0.022),
        density_pg_um2=0.74,
        density_spread=0.28,
        aspect=2.6,
        waves=0.15,
        n_tails=2,
        lamella=0.15,
        hair=0.3,
        sheet=0.12,
        dome=0.75,
        nucleus=0.2,
        nucleoli=0.2,
        coarse=0.1,
        fine=0.11,
        vesicles=0.75,
        rim_um=1.2,
        seam=0.65,
        clumping=0.95,
        share_round=0.2,
        absorption=0.06,
    ),
    CellKind.ROUNDED: Recipe(
        mass_pg=350.0,
        mass_spread=0.4,
        index_step=(0.022, 0.04),
        density_pg_um2=0.0,
        density_spread=0.0,
        aspect=1.15,
        waves=0.02,
        n_tails=0,
        lamella=0.0,
        hair=0.15,
        sheet=0.0,
        dome=0.55,
        nucleus=0.06,
        nucleoli=0.08,
        coarse=0.05,
        fine=0.055,
        vesicles=0.2,
        rim_um=0.5,
        seam=0.35,
        clumping=0.4,
        share_round=0.0,
        absorption=0.06,
    ),
    CellKind.RED_BLOOD: Recipe(
        mass_pg=29.0,
        mass_spread=0.1,
        index_step=(0.052, 0.062),
        density_pg_um2=0.62,
        density_spread=0.08,
        aspect=1.12,
        waves=0.02,
        n_tails=0,
        lamella=0.0,
        hair=0.0,
        sheet=0.0,
        dome=0.5,
        nucleus=0.0,
        nucleoli=0.0,
        coarse=0.01,
        fine=0.01,
        vesicles=0.0,
        rim_um=0.4,
        seam=0.6,
        clumping=0.1,
        share_round=0.06,
        absorption=0.6,
    ),
    CellKind.SUSPENSION: Recipe(
        mass_pg=190.0,
        mass_spread=0.3,
        index_step=(0.028, 0.044),
        density_pg_um2=0.0,
        density_spread=0.0,
        aspect=1.08,
        waves=0.012,
        n_tails=0,
        lamella=0.0,
        hair=0.05,
        sheet=0.0,
        dome=0.5,
        nucleus=0.1,
        nucleoli=0.08,
        coarse=0.06,
        fine=0.04,
        vesicles=0.1,
        rim_um=0.4,
        seam=0.3,
        clumping=0.05,
        share_round=0.0,
        absorption=0.05,
    ),
}
