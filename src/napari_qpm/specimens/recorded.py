"""Measured phase maps with labels as specimens: crops, turns, scales, compositions.

The files stay where they are: nothing is copied, the paths are given by the user. What
comes out has the same form as simulated cells, so any modality can be simulated from
it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_qpm.errors import FileFormatError, LayoutError, ParameterError
from napari_qpm.specimens._draws import Draws
from napari_qpm.specimens._recipes import CellClass
from napari_qpm.specimens._settings import ALPHA_UM3_PER_PG
from napari_qpm.specimens.batch import CellColumns, Specimens

__all__ = ["RecordedMap", "draw_recorded", "read_map"]


def _opd_per_unit(unit: str, wavelength_nm: float | None) -> float:
    """Return micrometres of optical path for one unit of the map."""
    if unit == "rad":
        if wavelength_nm is None:
            raise ParameterError(
                "Phase maps in radians need wavelength_nm to become optical path."
            )
        return wavelength_nm / 1000 / (2 * math.pi)
    factors = {"um": 1.0, "nm": 1e-3, "m": 1e6, "pg/um2": ALPHA_UM3_PER_PG}
    if unit not in factors:
        known = ", ".join(["rad", *factors])
        raise ParameterError(f"Unit {unit!r} of a phase map is unknown; use {known}.")
    return factors[unit]


@dataclass(frozen=True, eq=False)
class RecordedMap:
    """One measured field: optical path ``(Y, X)`` [um], its cells, its pixel size.

    Parameters
    ----------
    opd_um
        ``(Y, X)`` float32; the median of the background is 0.
    labels
        ``(Y, X)`` int32, one number a cell, 0 = background.
    """

    opd_um: Tensor
    labels: Tensor
    pixel_um: float | None = None
    name: str = ""


def read_map(
    phase_path: Path | str,
    label_path: Path | str | None = None,
    *,
    unit: str = "rad",
    wavelength_nm: float | None = None,
    pixel_um: float | None = None,
    has_instances: bool = True,
) -> RecordedMap:
    """Return a measured map from a picture or ``.npy`` file and its label file.

    Parameters
    ----------
    phase_path, label_path
        Files of the same shape ``(Y, X)``; without labels all is background.
    unit
        Of the phase file: ``rad``, ``um``, ``nm`` or ``m`` of optical path, or dry mass
        density in ``pg/um2``.
    wavelength_nm
        Needed for radians.
    pixel_um
        Side of a pixel at the specimen.
    has_instances
        False when labels only separate cells from background by gaps, so that each
        connected region becomes a cell.
    """
    factor = _opd_per_unit(unit, wavelength_nm)
    phase = _read_plane(Path(phase_path)).astype(np.float32)
    if not np.isfinite(phase).all():
        raise FileFormatError(
            f"{phase_path} has missing values; fill them before using it as a specimen."
        )
    labels = np.zeros(phase.shape, np.int32)
    if label_path is not None:
        drawn = _read_plane(Path(label_path))
        if drawn.shape != phase.shape:
            raise LayoutError(
                f"Labels {label_path} have {drawn.shape} pixels, the phase "
                f"{phase_path} has {phase.shape}; they must be the same field."
            )
        labels = _instances(drawn) if not has_instances else drawn.astype(np.int32)
    background = phase[labels == 0]
    level = float(np.median(background)) if background.size else 0.0
    return RecordedMap(
        opd_um=torch.from_numpy((phase - level) * np.float32(factor)),
        labels=torch.from_numpy(labels),
        pixel_um=pixel_um,
        name=Path(phase_path).name,
    )


def _read_plane(path: Path) -> NDArray[Any]:
    """Return the one ``(Y, X)`` plane of a file."""
    try:
        if path.suffix == ".npy":
            plane = np.load(path, allow_pickle=False)
        elif path.suffix.lower() in (".tif", ".tiff"):
            import tifffile

            plane = tifffile.imread(path)
        else:
            import imageio.v3

            plane = imageio.v3.imread(path)
    except (OSError, ValueError, SyntaxError) as error:
        raise FileFormatError(f"Cannot read {path}: {error}.") from error
    plane = np.squeeze(np.asarray(plane))
    if plane.ndim != 2 or min(plane.shape) < 16:
        raise FileFormatError(
            f"{path} holds {plane.shape}, not one plane (Y, X) of 16 x 16 or more."
        )
    return plane


def _instances(drawn: NDArray[Any]) -> NDArray[np.int32]:
    """Return connected regions as cells."""
    from scipy import ndimage

    return np.asarray(ndimage.label(drawn > 0)[0], np.int32)


def draw_recorded(
    maps: Sequence[RecordedMap],
    n: int,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    shape: tuple[int, int] = (256, 256),
    zoom: tuple[float, float] = (0.8, 1.25),
    strength: tuple[float, float] = (0.8, 1.25),
    compose: float = 0.25,
) -> Specimens:
    """Return `n` crops of measured maps, turned, scaled, and at times composed.

    Parameters
    ----------
    maps
        From `read_map`.
    n
        Number of images.
    seed
        The same seed and options give the same images.
    device
        Where the images are made and stay.
    shape
        ``(Y, X)`` [px].
    zoom
        Range of magnification; the cells' masses follow.
    strength
        Range of factors on the optical path.
    compose
        Share of images to which the cells of a second crop are added; where cells meet,
        their optical paths add and the second's labels lie on top.

    Returns
    -------
    Specimens
        Every cell is of class live; a mass is what the image shows of it, where the
        maps state their pixel size.
    """
    if not maps:
        raise ParameterError("There is no measured map to draw from.")
    sizes = {m.pixel_um for m in maps}
    if len(sizes) > 1:
        raise ParameterError(
            f"The maps have different pixel sizes ({sizes} um); use one set at a time."
        )
    where, draws = torch.device(device), Draws(seed)
    images, labels = [], []
    composed = draws.happens(compose, n)
    for is_composed in composed.tolist():
        opd, label = _crop(maps, shape, zoom, strength, draws)
        if is_composed:
            other, other_label = _crop(maps, shape, zoom, strength, draws)
            cells = other_label > 0
            opd = opd + other * _soft(cells)
            top = other_label + int(label.max())
            label = torch.where(cells, top, label)
        images.append(opd)
        labels.append(_renumber(label))
    opd_um = torch.stack(images).to(where)
    numbered = torch.stack(labels).to(where)
    pixel_um = sizes.pop()
    return Specimens(
        opd_um=opd_um,
        labels=numbered,
        amplitude=torch.ones_like(opd_um),
        pixel_um=pixel_um,
        cells=_columns(opd_um, numbered, pixel_um),
    )


def _crop(
    maps: Sequence[RecordedMap],
    shape: tuple[int, int],
    zoom: tuple[float, float],
    strength: tuple[float, float],
    draws: Draws,
) -> tuple[Tensor, Tensor]:
    """Return one crop and its labels."""
    source = maps[int(draws.integers(0, len(maps), 1))]
    chance = draws.uniform(0, 1, 5).tolist()
    factor = float(draws.uniform(*zoom))
    height, width = source.opd_um.shape
    # A map smaller than the crop is magnified until it fills it.
    factor = max(factor, shape[0] / height, shape[1] / width)
    crop_y = min(height, max(2, round(shape[0] / factor)))
    crop_x = min(width, max(2, round(shape[1] / factor)))
    y, x = int(chance[0] * (height - crop_y + 1)), int(chance[1] * (width - crop_x + 1))
    window = slice(y, y + crop_y), slice(x, x + crop_x)
    opd = functional.interpolate(
        source.opd_um[window][None, None],
        size=shape,
        mode="bilinear",
        antialias=factor < 1,
    )[0, 0]
    rows, columns = _nearest(crop_y, shape[0]), _nearest(crop_x, shape[1])
    label = source.labels[window].index_select(0, rows).index_select(1, columns)
    turns = 2 * int(chance[2] * 2) if shape[0] != shape[1] else int(chance[2] * 4)
    if chance[3] < 0.5:
        opd, label = opd.flip(0), label.flip(0)
    opd, label = torch.rot90(opd, turns), torch.rot90(label, turns)
    return opd * float(draws.uniform(*strength)), label


def _nearest(length: int, wanted: int) -> Tensor:
    """Return the source indices of `wanted` pixels over `length`."""
    centres = (torch.arange(wanted) + 0.5) * (length / wanted)
    return centres.long().clamp_(max=length - 1)


def _soft(mask: Tensor) -> Tensor:
    """Return a mask that fades out over three pixels around the cells."""
    weight = mask.float()[None, None]
    grown = functional.max_pool2d(weight, 5, stride=1, padding=2)
    grown = functional.pad(grown, (2, 2, 2, 2), mode="replicate")
    faded: Tensor = functional.avg_pool2d(grown, 5, stride=1)[0, 0]
    return faded


def _renumber(label: Tensor) -> Tensor:
    """Return labels 1, 2, … without gaps."""
    is_there = torch.bincount(label.flatten()) > 0
    is_there[0] = False
    numbers = torch.cumsum(is_there, 0) * is_there
    return numbers.to(torch.int32)[label]


def _columns(opd_um: Tensor, labels: Tensor, pixel_um: float | None) -> CellColumns:
    """Return one row a cell; without a pixel size masses and places are NaN."""
    device = opd_um.device
    scale = math.nan if pixel_um is None else pixel_um
    field, label, mass, centre = [], [], [], []
    y, x = torch.meshgrid(
        *(torch.arange(side, device=device) for side in labels.shape[1:]),
        indexing="ij",
    )
    for index, (opd, image) in enumerate(zip(opd_um, labels, strict=True)):
        flat = image.flatten().long()
        area = torch.bincount(flat)
        if len(area) < 2:
            continue
        sums = [
            torch.bincount(flat, weights=weights.flatten().double())[1:]
            for weights in (opd, y, x)
        ]
        numbers = torch.arange(1, len(area), device=device)
        field.append(torch.full_like(numbers, index))
        label.append(numbers)
        mass.append(sums[0] * scale**2 / ALPHA_UM3_PER_PG)
        centre.append(torch.stack(sums[1:], dim=1) / area[1:, None] * scale)
    if not field:
        return CellColumns.empty(device)
    places = torch.cat(centre).float()
    numbers = torch.cat(label)
    return CellColumns(
        field=torch.cat(field),
        label=numbers,
        cell_class=torch.full_like(numbers, int(CellClass.LIVE)),
        dry_mass_pg=torch.cat(mass).float(),
        y_um=places[:, 0],
        x_um=places[:, 1],
        parent=torch.zeros_like(numbers),
    )
