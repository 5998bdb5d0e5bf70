"""What lies under the simulated microscope: living cells, a sphere, or nothing.

Lengths are um, times s. A scene knows nothing of cameras.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from napari_qpm.specimens._population import FURROW_S, MITOSIS_S, ROUNDING_S
from napari_qpm.specimens._recipes import CellClass
from napari_qpm.specimens._settings import (
    ALPHA_UM3_PER_PG,
    SampleSettings,
    Specimen,
)
from napari_qpm.specimens.time_lapse import simulate_time_lapse

__all__ = ["Scene", "make_scene"]

_SPACING = 1.1
"""Cells of a sample hardly touch, and lie wholly in view but for the tips of tails."""
_MARGIN = 1.4
_DIVISION = 0.55
"""When a cell divides, as a share of a recording's length."""
_ROUNDED_INDEX_STEP = 0.028
"""0.155 g/mL of dry mass, so that fringes can follow the rim of a rounded cell."""
_BLUR = 0.3
"""Standard deviation of the amplitude's Airy pattern, in wavelengths over NA. It blurs
the phase itself: the truth is what the objective can show."""
_FEW_FRAMES = 4
"""Recordings that are too short for a division show a rounded cell."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Specimen of every frame.

    Parameters
    ----------
    opd_um
        ``(T, Y, X)`` optical path difference to the medium [um].
    labels
        ``(T, Y, X)`` int32.
    table, lineage
        As those of a `Simulation`.
    """

    opd_um: Tensor
    labels: Tensor
    table: list[dict[str, Any]] = field(default_factory=list)
    lineage: dict[int, int] = field(default_factory=dict)


def make_scene(settings: SampleSettings) -> Scene:
    """Return what these settings show."""
    return _SCENES[settings.specimen](settings)


def _empty_scene(s: SampleSettings) -> Scene:
    shape = (s.n_frames, *s.shape)
    return Scene(torch.zeros(shape), torch.zeros(shape, dtype=torch.int32))


def _sphere_scene(s: SampleSettings) -> Scene:
    """Return a sphere's projection ``2 dn sqrt(r^2 - d^2)``, unblurred."""
    height, width = s.shape
    y = (torch.arange(height, dtype=torch.float64) - (height - 1) / 2)[:, None]
    x = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2)[None]
    squared = s.sphere_radius_um**2 - (y**2 + x**2) * s.pixel_size_um**2
    path = (2 * s.sphere_index_step * squared.clamp(min=0).sqrt()).float()
    volume = 4 / 3 * math.pi * s.sphere_radius_um**3
    mass = volume * s.sphere_index_step / ALPHA_UM3_PER_PG
    middle = [(side - 1) / 2 * s.pixel_size_um for side in s.shape]
    return Scene(
        path.expand(s.n_frames, -1, -1),
        (squared > 0).int().expand(s.n_frames, -1, -1),
        [_row(t, 1, 0, mass, middle[0], middle[1], False) for t in range(s.n_frames)],
    )


def _cell_scene(s: SampleSettings) -> Scene:
    """Return living cells, blurred by the objective; none of them dies."""
    lapse = simulate_time_lapse(
        seed=s.seed,
        n_frames=s.n_frames,
        frame_interval_s=s.frame_interval_s,
        shape=s.shape,
        pixel_um=s.pixel_size_um,
        kind=s.cell_kind,
        confluence=s.confluence,
        n_cells=s.n_cells,
        clumping=0.0,
        spacing=_SPACING,
        margin=_MARGIN,
        first_division_s=_first_division_s(s),
        death_per_h=0.0,
        rounded_index_step=_ROUNDED_INDEX_STEP,
        blur_um=_BLUR * s.wavelength_nm / 1000 / s.numerical_aperture,
    )
    cells = lapse.specimens.cells
    table = [
        _row(
            row["field"],
            row["label"],
            row["parent"],
            row["dry_mass_pg"],
            row["y_um"],
            row["x_um"],
            row["cell_class"] == CellClass.MITOTIC,
        )
        for row in cells.rows()
    ]
    return Scene(lapse.specimens.opd_um, lapse.specimens.labels, table, lapse.lineage)


def _first_division_s(s: SampleSettings) -> float:
    """Return when cell 1 divides: about the middle, shortly before a frame.

    The frame before then shows a ball that has hardly begun to part.
    """
    if s.n_frames < _FEW_FRAMES:
        return MITOSIS_S - ROUNDING_S - FURROW_S
    middle = round(_DIVISION * (s.n_frames - 1))
    return (middle + 0.9) * s.frame_interval_s


def _row(
    frame: int, label: int, parent: int, mass: float, y: float, x: float, mitotic: bool
) -> dict[str, Any]:
    return {
        "frame": frame,
        "label": label,
        "parent_id": parent,
        "dry_mass_pg": mass,
        "y_um": y,
        "x_um": x,
        "is_mitotic": mitotic,
    }


_SCENES: dict[Specimen, Callable[[SampleSettings], Scene]] = {
    Specimen.CELLS: _cell_scene,
    Specimen.SPHERE: _sphere_scene,
    Specimen.EMPTY: _empty_scene,
}
