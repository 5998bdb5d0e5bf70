"""Bodies drawn pixel by pixel on the CPU: the same picture as `_rendering` draws.

A torch expression passes over all pixels some fifty times; one loop passes once. Images
are independent of each other, so each thread draws some of them: kernels are serial and
release the GIL, and the number of threads changes nothing.
"""

import math
from typing import Any

import numba
import numpy as np

__all__ = ["draw_images", "nearest_outlines"]

_kernel = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})

_ONE = np.float32(1)
_HALF = np.float32(0.5)
_TURN = np.float32(1 / (2 * math.pi))
_FLOAT = np.float32
(
    Y,
    X,
    COSINE,
    SINE,
    PARTING,
    STRETCH,
    WIDEST,
    RADIUS,
    TEXTURE_Y,
    TEXTURE_X,
    SLOPE,
    SHEET,
    COARSE,
    FINE,
    VESICLES,
    NUCLEOLI,
    NUCLEUS_Y,
    NUCLEUS_X,
    NUCLEUS_INVERSE,
    NUCLEUS_HEIGHT,
    PLATE,
    SEAM,
    FLOATS,
) = range(23)
"""Columns of the table of bodies."""


@_kernel
def _place(body: Any, outline: Any, y: Any, x: Any) -> Any:
    """Return g, g of the inner outline, v, u and u before parting."""
    v = body[COSINE] * y - body[SINE] * x
    u = body[SINE] * y + body[COSINE] * x
    plain = u
    if body[PARTING] > 0:
        u = abs(u) - body[PARTING]
    across, along = v * body[STRETCH], u / body[STRETCH]
    distance = np.sqrt(across * across + along * along)
    if distance >= body[WIDEST]:
        return _FLOAT(1e9), _ONE, v, u, plain
    count = outline.size
    turn = math.atan2(across, along) * (_TURN * _FLOAT(count)) + _FLOAT(count // 2)
    rim = outline[(int(turn) + count - count // 2) % count]
    return distance / rim, distance / ((rim + _ONE) * _HALF), v, u, plain


@_kernel
def _height(body: Any, heights: Any, texture: Any, at: Any, per_um: Any) -> Any:
    """Return the relative height of a body alone at ``(g, g_inner, v, u, plain)``."""
    g, g_inner, v, u, plain = at
    last = texture.shape[1] - 1
    row = int(np.floor(v * body[RADIUS] * per_um + body[TEXTURE_Y])) & last
    column = int(np.floor(plain * body[RADIUS] * per_um + body[TEXTURE_X])) & last
    texel = texture[row, column]
    rise = min(max((_ONE - g) * body[SLOPE], _FLOAT(0)), _ONE)
    rise = rise * rise * (_FLOAT(3) - _FLOAT(2) * rise)
    step = min(int(g_inner * _FLOAT(heights.size)), heights.size - 1)
    inner = heights[step]
    uneven = _ONE + body[COARSE] * texel[0] + body[FINE] * texel[1]
    height = (body[SHEET] + inner) * uneven + inner * body[VESICLES] * texel[2]
    dy, dx = v - body[NUCLEUS_Y], u - body[NUCLEUS_X]
    nuclear = _ONE - (dy * dy + dx * dx) * body[NUCLEUS_INVERSE]
    if nuclear > 0:
        dome = body[NUCLEUS_HEIGHT] * uneven + body[NUCLEOLI] * texel[3]
        height += np.sqrt(nuclear) * dome
    if body[PLATE] > 0:
        across = u / _FLOAT(0.17)
        height += inner * body[PLATE] * np.exp(-across * across)
    return max(height, _FLOAT(0.01)) * rise


@_kernel
def draw_images(
    start: int,
    stop: int,
    first: Any,
    table: Any,
    outlines: Any,
    heights: Any,
    boxes: Any,
    texture: Any,
    pixel_um: Any,
    per_um: Any,
    margin: int,
    rivalry: Any,
    steps: Any,
    body_bits: int,
    volume_to_mass: Any,
    least_room: Any,
    winners: Any,
    opd: Any,
    wanted: Any,
) -> None:
    """Draw the images from `start` to `stop`; bodies are in the order of images.

    Parameters
    ----------
    first
        ``(N + 1,)`` first body of each image.
    table, outlines, heights, boxes
        ``(M, 23)``, ``(M, N_DIRECTIONS)``, ``(M, N_HEIGHTS)`` and ``(M, 4)``: first row
        and column, number of rows and columns.
    texture
        ``(side, side, 4)``.
    winners, opd
        ``(N, Y, X)`` with the margin; filled.
    wanted
        ``(M,)`` mass times the optical path a mass makes; less for bodies without room,
        unless `least_room` is 0.
    """
    for image in range(start, stop):
        lowest, highest = first[image], first[image + 1]
        size = 0
        for b in range(lowest, highest):
            size += boxes[b, 2] * boxes[b, 3]
        # What each pixel of each body holds: its place, height alone and strength.
        place = np.empty(size, np.int32)
        alone = np.empty(size, np.float32)
        strength = np.empty(size, np.float32)
        ends = np.empty(highest - lowest + 1, np.int64)
        ends[0] = 0
        tall, wide = winners.shape[1:]
        total = np.zeros((tall, wide), np.float64)
        flat_total, flat_opd = total.reshape(-1), opd[image].reshape(-1)
        flat_winners = winners[image].reshape(-1)
        filled = 0
        for b in range(lowest, highest):
            body, floats = table[b], table[b, FLOATS] > 0
            rank = 0.0 if floats else 2.0
            for row in range(boxes[b, 0], boxes[b, 0] + boxes[b, 2]):
                y = _FLOAT(row) * pixel_um - body[Y]
                for column in range(boxes[b, 1], boxes[b, 1] + boxes[b, 3]):
                    x = _FLOAT(column) * pixel_um - body[X]
                    at = _place(body, outlines[b], y, x)
                    if at[0] >= _ONE:
                        continue
                    alone[filled] = _height(body, heights[b], texture, at, per_um)
                    power = np.exp(-rivalry * at[0])
                    strength[filled] = power
                    i, j = row + margin, column + margin
                    where = -1
                    if 0 <= i < tall and 0 <= j < wide:
                        where = i * wide + j
                        key = (int((at[0] + rank) * steps) << body_bits) | b
                        flat_winners[where] = min(flat_winners[where], key)
                        if not floats:
                            flat_total[where] += power
                    place[filled] = where
                    filled += 1
            ends[b - lowest + 1] = filled
        for b in range(lowest, highest):
            begin, end = ends[b - lowest], ends[b - lowest + 1]
            seam, floats = table[b, SEAM], table[b, FLOATS] > 0
            volume, free = 0.0, 0.0
            for k in range(begin, end):
                free += alone[k]
                if not floats and place[k] >= 0:
                    share = strength[k] / _FLOAT(flat_total[place[k]])
                    squared = share * share
                    alone[k] *= share * (seam + (_ONE - seam) * squared * squared)
                volume += alone[k]
            if least_room > 0:
                room = volume / max(free, 1e-6)
                wanted[b] *= min(room / least_room, 1.0)
            factor = wanted[b] * volume_to_mass / max(volume, 1e-6)
            for k in range(begin, end):
                if place[k] >= 0:
                    flat_opd[place[k]] += alone[k] * factor


@_kernel
def nearest_outlines(
    start: int,
    stop: int,
    first: Any,
    table: Any,
    outlines: Any,
    boxes: Any,
    pixel_um: Any,
    nearest: Any,
) -> None:
    """Lower `nearest` ``(N, Y, X)`` to the least `g` of each pixel."""
    for image in range(start, stop):
        seen = nearest[image]
        tall, wide = seen.shape
        for b in range(first[image], first[image + 1]):
            body = table[b]
            top, left = max(boxes[b, 0], 0), max(boxes[b, 1], 0)
            for row in range(top, min(boxes[b, 0] + boxes[b, 2], tall)):
                y = _FLOAT(row) * pixel_um - body[Y]
                for column in range(left, min(boxes[b, 1] + boxes[b, 3], wide)):
                    x = _FLOAT(column) * pixel_um - body[X]
                    g = _place(body, outlines[b], y, x)[0]
                    seen[row, column] = min(seen[row, column], g)
