"""Rendering on the CPU: bodies as tables for the kernels, images shared out to threads.

On a machine without numba the torch expressions of `_rendering` draw the same.
"""

import importlib.util
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_qpm.specimens._bodies import Bodies
from napari_qpm.specimens._textures import SHEET_SIZE, TEXEL_UM

__all__ = ["Tables", "has_kernels", "over_images", "texture_table"]


def has_kernels(device: torch.device) -> bool:
    """Return whether the kernels can draw on this device."""
    return device.type == "cpu" and importlib.util.find_spec("numba") is not None


@dataclass(frozen=True, eq=False)
class Tables:
    """Bodies in the order of their images, as arrays.

    Parameters
    ----------
    order
        ``(M,)`` row of each among the bodies that were given.
    first
        ``(N + 1,)`` first body of each image.
    table, outlines, heights, boxes
        As the kernels take them.
    """

    order: NDArray[np.int64]
    first: NDArray[np.int64]
    table: NDArray[np.float32]
    outlines: NDArray[np.float32]
    heights: NDArray[np.float32]
    boxes: NDArray[np.int32]

    @classmethod
    def of(cls, bodies: Bodies, n_fields: int, pixel_um: float, limit: float) -> Self:
        """Return the tables of bodies that reach to `limit` times their outline."""
        order = torch.argsort(bodies.field, stable=True)
        counts = torch.bincount(bodies.field, minlength=n_fields)
        first = torch.cat([counts.new_zeros(1), torch.cumsum(counts, 0)])
        part = bodies.select(order)
        widest = part.outline.amax(dim=1) * limit
        nucleus = part.nucleus
        columns = (
            *(part.y, part.x),
            *(part.angle.cos() / part.radius, part.angle.sin() / part.radius),
            *(part.parting, part.aspect.sqrt(), widest, part.radius),
            *(part.texture_y / TEXEL_UM, part.texture_x / TEXEL_UM),
            *(part.radius / part.rim_um, part.sheet, part.coarse, part.fine),
            *(part.vesicles, part.nucleoli, nucleus[:, 0], nucleus[:, 1]),
            *(1 / nucleus[:, 2].square(), nucleus[:, 3], part.plate, part.seam),
            part.floats.float(),
        )
        return cls(
            order.numpy(),
            first.numpy(),
            torch.stack(columns, dim=1).contiguous().numpy(),
            part.outline.contiguous().numpy(),
            part.height.contiguous().numpy(),
            _boxes(part, pixel_um, limit).numpy(),
        )


def _boxes(bodies: Bodies, pixel_um: float, limit: float) -> Tensor:
    """Return first row and column, and number of rows and columns, of each body."""
    reach = bodies.boxes_um * (limit / pixel_um)
    centre = torch.stack([bodies.y, bodies.x], dim=1) / pixel_um
    corner = (centre + reach[:, ::2]).floor().int() - 1
    beyond = (centre + reach[:, 1::2]).ceil().int() + 2
    return torch.cat([corner, beyond - corner], dim=1)


def texture_table(sheet: Tensor) -> NDArray[np.float32]:
    """Return the texture sheet as ``(side, side, 4)``: a pixel reads one place."""
    table = sheet.reshape(len(sheet), SHEET_SIZE, SHEET_SIZE).permute(1, 2, 0)
    return np.asarray(table.contiguous().numpy(), np.float32)


def over_images(kernel: Callable[..., Any], n_images: int, *arguments: Any) -> None:
    """Run ``kernel(start, stop, *arguments)`` over all images on torch's threads."""
    n_threads = min(torch.get_num_threads(), n_images)
    if n_threads < 2:
        kernel(0, n_images, *arguments)
        return
    # Few images at a time: some hold many cells, others hardly any.
    n_parts = min(n_images, 4 * n_threads)
    edges = [n_images * part // n_parts for part in range(n_parts + 1)]
    with ThreadPoolExecutor(n_threads) as pool:
        jobs = [
            pool.submit(kernel, start, stop, *arguments)
            for start, stop in itertools.pairwise(edges)
        ]
        for job in jobs:
            job.result()
