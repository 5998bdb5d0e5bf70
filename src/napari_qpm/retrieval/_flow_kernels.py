"""Flow of light through the borders between pixels, of fourth order.

``div(I grad W)`` in one pass over memory instead of four transforms. The image goes on
as its mirror image, so a cosine is only multiplied, by the square of `slope_factor`
where the light is even.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from napari_qpm.retrieval._threads import run_blocks

__all__ = ["flow_divergence", "slope_factor"]

Image = NDArray[np.float32]
_kernel = numba.njit(nogil=True, cache=True, error_model="numpy")

NEAR, FAR = np.float32(27 / 24), np.float32(1 / 24)
"""Of the two nearest pixels, and of the next two, in a slope between pixels."""
INNER, OUTER = np.float32(9 / 16), np.float32(1 / 16)
"""The same in the light between pixels."""
REACH = 2


@_kernel
def _mirrored(index: int, size: int) -> int:
    if index < 0:
        return -1 - index
    if index >= size:
        return 2 * size - 1 - index
    return index


@_kernel
def _flow_down(index: int, path: Any, light: Any, flow: Any) -> None:
    """Write the flow from row `index` to the next; behind an edge it turns its sign."""
    height = path.shape[0]
    if index == -1 or index == height - 1:
        flow[:] = 0
        return
    y = index
    if index < 0:
        y = -2 - index
    if index >= height:
        y = 2 * height - 2 - index
    sign = np.float32(1 if y == index else -1)
    before, after = _mirrored(y - 1, height), _mirrored(y + 2, height)
    for x in range(flow.size):
        near, far = path[y + 1, x] - path[y, x], path[after, x] - path[before, x]
        inner = light[y, x] + light[y + 1, x]
        outer = light[before, x] + light[after, x]
        flow[x] = sign * (INNER * inner - OUTER * outer) * (NEAR * near - FAR * far)


@_kernel
def _flow_right(path: Any, light: Any, flow: Any) -> None:
    """Write the flow from pixel x to the next as ``flow[x + REACH]``."""
    width = path.size
    for x in range(1, width - 2):
        slope = NEAR * (path[x + 1] - path[x]) - FAR * (path[x + 2] - path[x - 1])
        inner, outer = light[x] + light[x + 1], light[x - 1] + light[x + 2]
        flow[x + REACH] = (INNER * inner - OUTER * outer) * slope
    for x in (0, width - 2):
        before, after = _mirrored(x - 1, width), _mirrored(x + 2, width)
        slope = NEAR * (path[x + 1] - path[x]) - FAR * (path[after] - path[before])
        inner, outer = light[x] + light[x + 1], light[before] + light[after]
        flow[x + REACH] = (INNER * inner - OUTER * outer) * slope
    flow[REACH - 1] = flow[width - 1 + REACH] = 0
    flow[REACH - 2] = -flow[REACH]
    flow[width + REACH] = -flow[width - 2 + REACH]


@_kernel
def _divergence_rows(
    start: int, stop: int, path: Any, light: Any, per_y: Any, per_x: Any, out: Any
) -> None:
    width = path.shape[1]
    down = np.empty((4, width), np.float32)
    right = np.empty(width + 2 * REACH, np.float32)
    for index in range(start - 2, start + 1):
        _flow_down(index, path, light, down[index % 4])
    for y in range(start, stop):
        _flow_down(y + 1, path, light, down[(y + 1) % 4])
        _flow_right(path[y], light[y], right)
        line = out[y]
        for x in range(width):
            near, far = right[x + 2] - right[x + 1], right[x + 3] - right[x]
            line[x] = per_x * (NEAR * near - FAR * far)
        two, before = down[(y - 2) % 4], down[(y - 1) % 4]
        here, after = down[y % 4], down[(y + 1) % 4]
        for x in range(width):
            near, far = here[x] - before[x], after[x] - two[x]
            line[x] += per_y * (NEAR * near - FAR * far)


def flow_divergence(path: Image, light: Image, pixel_um: tuple[float, float]) -> Image:
    """Return ``div(I grad W)`` of a path W and light I.

    Parameters
    ----------
    path, light
        ``(Y, X)``, four pixels or more to each side.
    pixel_um
        ``(y, x)`` size of a pixel.
    """
    out = np.empty_like(path)
    height, width = path.shape
    per_y, per_x = (np.float32(1 / pixel**2) for pixel in pixel_um)
    arguments = path, light, per_y, per_x, out
    run_blocks(_divergence_rows, height, *arguments, row_size=width)
    return out


def slope_factor(n: int, pixel_um: float) -> Image:
    """Return what a slope makes of each cosine of an axis [rad/um]."""
    half = np.pi * np.arange(n) / (2 * n)
    factors = 2 * (float(NEAR) * np.sin(half) - float(FAR) * np.sin(3 * half))
    return (factors / pixel_um).astype(np.float32)
