"""Maps of optical path with what a network should answer for their cells.

The answers are the class of each pixel and two distances, both 0 to 1 within each cell:
they tell touching cells apart where the class alone cannot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_qpm.errors import FileFormatError
from napari_qpm.specimens import (
    CellClass,
    CellKind,
    RecordedMap,
    Specimens,
    read_map,
    simulate_cells,
)
from napari_qpm.training.phase_objects import DIAMETER_UM
from napari_qpm.training.seeds import Dice, seed_of

__all__ = [
    "A2780_FOLDER",
    "A2780_TEST",
    "A2780_TRAINING",
    "CellMaps",
    "cell_distances",
    "draw_cell_maps",
    "read_a2780",
    "read_a2780_image",
]

A2780_FOLDER = "qpi-a2780-masks"
A2780_TEST = ("img_003", "img_008", "img_012")
A2780_TRAINING = ("img_002", "img_005", "img_006", "img_009", "img_011")
"""Every third image, from the second on, is for tests; no training sees those."""
A2780_PIXEL_UM = 0.627
A2780_UNIT = "pg/um2"
IMAGES_PER_DRAW = 4
"""Images that share kind and scale: one draw of four costs little more than of one."""


@dataclass(frozen=True, eq=False)
class CellMaps:
    """Fields of cells of one size, and the answers for them.

    Parameters
    ----------
    opd_um
        ``(N, Y, X)`` optical path.
    answers
        ``(N, 3, Y, X)``: 1 in cells, the nearness of the cell's centre, and the
        distance to its boundary.
    """

    opd_um: Tensor
    answers: Tensor

    def __len__(self) -> int:
        return len(self.opd_um)

    @classmethod
    def of(cls, opd_um: Tensor, labels: Tensor) -> "CellMaps":
        """Return the maps of optical path and labels ``(N, Y, X)``."""
        answers = [cell_distances(frame) for frame in labels.cpu().numpy()]
        return cls(opd_um, torch.from_numpy(np.stack(answers)).to(opd_um.device))


def cell_distances(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return ``(3, Y, X)`` of labels ``(Y, X)``: class, centre and boundary.

    The centre of a cell is the pixel deepest inside; nearness is 1 there and 0 at the
    cell's farthest pixel. The distance to the boundary is 1 at the centre. A
    neighbour's pixel ends a cell like background does.
    """
    from scipy import ndimage

    inside = labels > 0
    answers = np.zeros((3, *labels.shape), np.float32)
    answers[0] = inside
    if not inside.any():
        return answers
    padded = np.pad(labels, 1, mode="edge")
    core = inside.copy()
    for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1]):
        core &= neighbour == labels
    for neighbour in (padded[1:-1, :-2], padded[1:-1, 2:]):
        core &= neighbour == labels
    depth = np.where(inside, ndimage.distance_transform_edt(core) + 1.0, 0.0)
    numbers = np.arange(1, int(labels.max()) + 1)
    # Labels that do not occur have no centre; nothing asks for it.
    numbers = numbers[np.bincount(labels.ravel(), minlength=numbers.size + 1)[1:] > 0]
    table = np.zeros((3, int(labels.max()) + 1))
    centres = ndimage.maximum_position(depth, labels, numbers)
    table[0, numbers], table[1, numbers] = np.array(centres).T
    table[2, numbers] = ndimage.maximum(depth, labels, numbers)
    cy, cx, deepest = table[:, labels]
    rows, columns = np.indices(labels.shape)
    away = np.hypot(rows - cy, columns - cx)
    farthest = np.ones(int(labels.max()) + 1)
    farthest[numbers] = np.maximum(ndimage.maximum(away, labels, numbers), 1.0)
    answers[1] = np.where(inside, 1 - away / farthest[labels], 0)
    answers[2] = np.where(inside, depth / np.maximum(deepest, 1.0), 0)
    return answers


def draw_cell_maps(
    n: int,
    shape: tuple[int, int],
    *,
    seed: int,
    device: torch.device,
    size_px: tuple[float, float],
    confluence: tuple[float, float],
) -> CellMaps:
    """Return `n` simulated fields ``(Y, X)``; debris counts as background.

    Parameters
    ----------
    seed, device
        The same seed gives the same maps.
    size_px
        Range of cell diameters, drawn evenly in their logarithm.
    confluence
        Range of the covered share.
    """
    dice = Dice(seed_of(seed, 0))
    opd, labels = [], []
    for part, first in enumerate(range(0, n, IMAGES_PER_DRAW)):
        kind = list(CellKind)[dice.integer(len(CellKind))]
        pixel_um = DIAMETER_UM[kind] / float(dice.log_uniform(*size_px, 1))
        cells = simulate_cells(
            min(IMAGES_PER_DRAW, n - first),
            seed=seed_of(seed, 1, part),
            device=device,
            shape=shape,
            pixel_um=pixel_um,
            kinds=(kind,),
            confluence=confluence,
            blur_um=max(0.3, 0.7 * pixel_um),
        )
        opd.append(cells.opd_um)
        labels.append(living_labels(cells))
    return CellMaps.of(torch.cat(opd), torch.cat(labels))


def living_labels(cells: Specimens) -> Tensor:
    """Return the labels ``(N, Y, X)`` without debris, which nobody counts as cells."""
    is_debris = cells.class_map() == int(CellClass.DEBRIS)
    return torch.where(is_debris, 0, cells.labels)


def read_a2780_image(folder: Path, name: str, unit: str = A2780_UNIT) -> RecordedMap:
    """Return one image, in optical path unless its values are to stay as they are."""
    return read_map(
        folder / f"{name}.tif",
        folder / f"{name}.png",
        unit=unit,
        pixel_um=A2780_PIXEL_UM,
        has_instances=False,
    )


def read_a2780(folder: Path | str, names: Sequence[str]) -> CellMaps:
    """Return measured fields of A2780 cells with outlines drawn by hand.

    Parameters
    ----------
    folder
        Of the public set; each image is a TIFF file with a PNG file of masks.
    names
        Of its images, such as those of `A2780_TRAINING`.

    Raises
    ------
    FileFormatError
        The images are not there.
    """
    folder = Path(folder)
    missing = [name for name in names if not (folder / f"{name}.tif").is_file()]
    if missing:
        raise FileFormatError(
            f"{folder} lacks {', '.join(missing)} of the A2780 images. Give the folder "
            f"of the set {A2780_FOLDER}, or train without real_maps."
        )
    maps = [read_a2780_image(folder, name) for name in names]
    opd = torch.stack([one.opd_um for one in maps])
    return CellMaps.of(opd, torch.stack([one.labels for one in maps]))
