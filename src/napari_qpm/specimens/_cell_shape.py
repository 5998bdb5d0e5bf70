"""Thickness of a cell: lamella, body, nucleus and granules, or a dividing ball."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Body", "Pose", "smooth_step", "thickness"]

FloatArray = NDArray[np.float64]

_GRAIN_UM = 0.4
_GRAIN_SIZE = 160


def smooth_step(x: Any) -> Any:
    """Return 0 below 0, 1 above 1, and a smooth rise between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


@dataclass(frozen=True)
class Pose:
    """State of a cell at one time: roundness and furrow 0 to 1, radius of its area."""

    time_s: float
    radius_um: float
    roundness: float
    furrow: float


@dataclass(frozen=True, eq=False)
class Body:
    """What makes a cell look like itself: outline, nucleus, granules, texture."""

    spread: float
    aspect: float
    angle: float
    turn_per_s: float
    division_axis: FloatArray
    waves: FloatArray
    """Rows (order, amplitude, phase, rad/s) of the outline."""
    arms: FloatArray
    """Rows (direction, length, width, rad/s): lamellipodium first, then tails."""
    nucleus: FloatArray
    """Offset y, x and radius, as shares of the cell's radius."""
    spots: FloatArray
    """Rows (y, x share of radius, sigma um, height, phase): nucleoli and granules."""
    grain: NDArray[np.float32]
    """``(5, n, n)`` noise: two of texture, one fine, two that bend the outline."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Body":
        order = np.arange(2, 8)
        turn = rng.uniform(0, 2 * math.pi, order.size)
        pace = rng.normal(0, 1 / 5400, order.size)
        waves = np.stack([order, rng.normal(0, 0.13, order.size) / order**0.7])
        front = rng.uniform(0, 2 * math.pi)
        tails = rng.integers(1, 4)
        arms = [[front, rng.uniform(0.15, 0.4), 0.35, rng.normal(0, 1 / 9000)]]
        for _ in range(tails):
            direction = front + math.pi + rng.normal(0, 0.9)
            arms.append([direction, rng.uniform(0.2, 0.6), 0.03, 0.0])
        axis = rng.uniform(0, 2 * math.pi)
        smoothing = (6, 6, 2, 9, 9)
        return cls(
            spread=rng.uniform(0.92, 1.12),
            aspect=rng.uniform(1.0, 1.45),
            angle=rng.uniform(0, 2 * math.pi),
            turn_per_s=rng.normal(0, 1 / 36000),
            division_axis=np.array([math.cos(axis), math.sin(axis)]),
            waves=np.vstack([waves, turn, pace]).T,
            arms=np.array(arms),
            nucleus=np.array([*rng.normal(0, 0.07, 2), rng.uniform(0.38, 0.45)]),
            spots=_draw_spots(rng),
            grain=np.stack([_noise(rng, sigma) for sigma in smoothing]),
        )


def _draw_spots(rng: np.random.Generator) -> FloatArray:
    """Return nucleoli inside the nucleus and granules around it."""
    rows = []
    for _ in range(rng.integers(2, 5)):
        y, x = rng.normal(0, 0.13, 2)
        rows.append([y, x, rng.uniform(0.7, 1.1), rng.uniform(0.12, 0.22)])
    for _ in range(rng.integers(25, 60)):
        direction, away = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 0.75)
        y, x = away * math.sin(direction), away * math.cos(direction)
        rows.append([y, x, rng.uniform(0.3, 0.55), rng.exponential(0.1) - 0.02])
    return np.column_stack([rows, rng.uniform(0, 2 * math.pi, len(rows))])


def _noise(rng: np.random.Generator, sigma: float) -> NDArray[np.float32]:
    """Return smooth periodic noise of standard deviation 1."""
    white = rng.normal(size=(_GRAIN_SIZE, _GRAIN_SIZE)).astype(np.float32)
    smooth = ndimage.gaussian_filter(white, sigma, mode="wrap")
    return np.asarray(smooth / smooth.std(), np.float32)


def thickness(body: Body, pose: Pose, y: FloatArray, x: FloatArray) -> FloatArray:
    """Return the relative thickness of a cell at `y`, `x` [um] from its centre."""
    if pose.roundness == 1:
        return _ball(body, pose, y, x)
    flat = _spread_cell(body, pose, y, x)
    if pose.roundness == 0:
        return flat
    return (1 - pose.roundness) * flat + pose.roundness * _ball(body, pose, y, x)


def _ball(body: Body, pose: Pose, y: FloatArray, x: FloatArray) -> FloatArray:
    """Return a rounded cell that parts into two balls; its volume is 1."""
    radius = pose.radius_um * (1 - pose.furrow * (1 - 0.5 ** (1 / 3)))
    total = np.zeros(np.broadcast_shapes(y.shape, x.shape))
    axis = body.division_axis * pose.furrow * radius * 0.97
    for side in (1, -1):
        v, u = y - side * axis[0], x - side * axis[1]
        half = np.maximum(0, 1 - (v**2 + u**2) / (1.06 * radius) ** 2) ** 0.6
        # Where the halves overlap the cell is as thick as the thicker, not their sum.
        total = np.hypot(total**4, half**4) ** 0.25
    along = (y * body.division_axis[0] + x * body.division_axis[1]) / radius
    plate = np.exp(-((along / 0.16) ** 2)) * (1 - pose.furrow)
    total *= 1 + 0.06 * plate + 0.03 * _sample(body.grain[0], y, x)
    total *= 1 + 0.03 * _sample(body.grain[2], y, x)
    return np.asarray(total / total.sum())


def _spread_cell(body: Body, pose: Pose, y: FloatArray, x: FloatArray) -> FloatArray:
    """Return an adherent cell: thin lamella, thick body, nucleus; its volume is 1."""
    radius, time_s, shape_share = pose.radius_um, pose.time_s, 1 - pose.roundness
    angle = body.angle + body.turn_per_s * time_s
    v = (math.cos(angle) * y - math.sin(angle) * x) / radius
    u = (math.sin(angle) * y + math.cos(angle) * x) / radius
    bend = 0.055 * shape_share
    v_bent = v + bend * _sample(body.grain[3], v * radius, u * radius)
    u_bent = u + bend * _sample(body.grain[4], v * radius, u * radius)
    stretch = body.aspect ** (0.5 * shape_share)
    rho = np.hypot(v_bent * stretch, u_bent / stretch)
    outline, lamella = _outline(body, np.arctan2(v_bent, u_bent), time_s)
    rho_edge = rho / (1 + shape_share * (outline + lamella))
    rho_body = rho / (1 + 0.6 * shape_share * outline)
    edge = smooth_step((1 - rho_edge) * radius / 1.6)
    texture = _texture(body, time_s, v * radius, u * radius)
    ruffle = 0.05 * np.exp(-(((rho_edge - 0.9) / 0.05) ** 2)) * (lamella > 0.08)
    sheet = 0.13 + 0.12 * np.clip(1 - rho_edge, 0, 1) + ruffle
    dome = np.clip(1 - (rho_body / 0.88) ** 2, 0, None) ** 0.9
    nucleus_radius = body.nucleus[2]
    from_nucleus = np.hypot(v - body.nucleus[0], u - body.nucleus[1]) / nucleus_radius
    nucleus = np.clip(1 - from_nucleus**2, 0, None) ** 0.5
    height = edge * (sheet + (0.55 * dome + 0.17 * nucleus) * (1 + texture))
    height += edge * _spots(body, pose, angle, y, x)
    height = np.maximum(height, 0.02 * edge)
    return np.asarray(height / height.sum())


def _outline(
    body: Body, direction: FloatArray, time_s: float
) -> tuple[FloatArray, FloatArray]:
    """Return relative changes of the radius: by waves and tails, and by the lamella."""
    around = np.linspace(-math.pi, math.pi, 721)
    change = np.zeros_like(around)
    for order, amplitude, start, pace in body.waves:
        change += amplitude * np.cos(order * around + start + pace * time_s)
    arms = []
    for centre, length, width, pace in body.arms:
        away = np.cos(around - centre - pace * time_s) - 1
        arms.append(length * np.exp(away / width))
    change += sum(arms[1:])
    change = np.maximum(change, -0.35)
    return np.interp(direction, around, change), np.interp(direction, around, arms[0])


def _texture(
    body: Body, time_s: float, v_um: FloatArray, u_um: FloatArray
) -> FloatArray:
    """Return relative unevenness of the interior; it churns over about an hour."""
    turn = 2 * math.pi * time_s / 7200
    coarse = math.cos(turn) * body.grain[0] + math.sin(turn) * body.grain[1]
    return np.asarray(
        0.1 * _sample(coarse, v_um, u_um) + 0.08 * _sample(body.grain[2], v_um, u_um)
    )


def _spots(
    body: Body, pose: Pose, angle: float, y: FloatArray, x: FloatArray
) -> FloatArray:
    """Return nucleoli and granules, each drawn on the few pixels it covers."""
    total = np.zeros(np.broadcast_shapes(y.shape, x.shape))
    rows, columns = y[:, 0], x[0]
    for v, u, sigma_um, height, start in body.spots:
        wander = 0.03 * math.sin(start + pose.time_s / 1500)
        v, u = (v + wander) * pose.radius_um, (u - wander) * pose.radius_um
        centres = (
            (rows, math.cos(angle) * v + math.sin(angle) * u),
            (columns, math.cos(angle) * u - math.sin(angle) * v),
        )
        window, profiles = [], []
        for grid, centre in centres:
            ends = np.searchsorted(grid, (centre - 4 * sigma_um, centre + 4 * sigma_um))
            window.append(slice(*ends))
            profiles.append(
                np.exp(-(((grid[window[-1]] - centre) / sigma_um) ** 2) / 2)
            )
        total[tuple(window)] += height * np.outer(*profiles)
    return total


def _sample(
    grain: NDArray[np.float32], v_um: FloatArray, u_um: FloatArray
) -> FloatArray:
    """Return periodic noise at positions given in um."""
    at = np.broadcast_arrays(v_um / _GRAIN_UM, u_um / _GRAIN_UM)
    return np.asarray(
        ndimage.map_coordinates(grain, at, order=1, mode="grid-wrap"), np.float64
    )
