"""Optical path from how intensity changes along the axis (transport of intensity).

For an optical path W and a displacement z in a medium of index n,
``dI/dz = -(1/n) div(I grad W)``, the same for every colour. Without the index, cells in
water come out a quarter too thin. What is solved for is W in um.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval._cosine_series import CosineSeries
from napari_qpm.retrieval._flow_kernels import flow_divergence

__all__ = [
    "AxialChange",
    "Solver",
    "axial_change",
    "optical_path",
    "optical_path_universal",
    "warm",
]

UNEVEN = 1.2
"""Brightest over darkest light from which uniform light is no longer assumed."""
DARKEST = 0.01
"""Light is taken for no darker than this share of the brightest."""
TOLERANCE = 1e-4
"""Of the residual, over the change itself, at which the universal solution ends."""
ROUNDS = 200
HIGHEST_ORDER = 3
"""Of the polynomial through the planes: odd orders alone change the slope."""

Image = NDArray[np.float32]


class Solver(StrEnum):
    """How the transport equation is solved."""

    AUTO = "auto"
    """Uniform where the light is (within a fifth), universal elsewhere."""
    UNIFORM = "uniform"
    """One solution for uniform light: fast."""
    TEAGUE = "teague"
    """Two solutions with Teague's auxiliary function: wrong where light and its flow
    have different directions."""
    UNIVERSAL = "universal"
    """Exact for any light, by iteration."""


@dataclass(frozen=True)
class AxialChange:
    """Light in the middle of the planes and how it changes along the axis.

    Parameters
    ----------
    light
        ``(Y, X)``, mean 1.
    slope
        ``(Y, X)`` change of the light [1/um].
    """

    light: Image
    slope: Image


def axial_change(
    planes: NDArray[np.floating], focus_um: NDArray[np.floating]
) -> AxialChange:
    """Return light and slope of planes ``(P, Y, X)`` at positions ``(P,)`` [um].

    A polynomial through all planes (a line for two or three, third order for five and
    more) is differentiated at their mean position. Each plane is scaled to the same
    mean first: light is moved, not lost.

    Raises
    ------
    LayoutError
        Two planes at least, at different positions, are needed.
    """
    z = np.asarray(focus_um, dtype=np.float64)
    if len(planes) != len(z) or len(z) < 2 or np.ptp(z) == 0:
        positions = ", ".join(f"{position:g}" for position in z)
        raise LayoutError(
            f"{len(planes)} planes at {len(z)} positions ({positions} um) give no "
            "change along the axis. Give focus_um=(…), one position a plane."
        )
    offset = z - z.mean()
    n_positions = len(np.unique(offset))
    order = min(HIGHEST_ORDER if n_positions > 4 else 1, n_positions - 1)
    scale = float(np.abs(offset).max())
    powers = (offset[:, None] / scale) ** np.arange(order + 1)
    weights = np.linalg.pinv(powers)
    means = planes.mean(axis=(1, 2), dtype=np.float64)
    if not (means > 0).all():
        raise LayoutError("A plane is dark; light cannot be followed through it.")
    # Differences before rounding: a slope is a small part of the light.
    changed = np.stack(
        [
            np.asarray((plane - mean) / mean, np.float32)
            for plane, mean in zip(planes, means, strict=True)
        ]
    )
    light, slope = np.tensordot(weights[:2].astype(np.float32), changed, axes=1)
    return AxialChange(light + 1, slope / np.float32(scale))


def optical_path(
    change: AxialChange,
    series: CosineSeries,
    *,
    medium_index: float,
    largest_um: float,
    solver: Solver = Solver.AUTO,
) -> Image:
    """Return the optical path ``(Y, X)`` [um], its mean 0.

    Parameters
    ----------
    change
        Light and its slope over displacements in the medium.
    series
        For images of this shape.
    medium_index
        Refractive index of the medium, 1 for air-equivalent displacements.
    largest_um
        Structure larger than this fades out.
    solver
        Member of `Solver`.
    """
    if solver is Solver.AUTO:
        dark, bright = np.quantile(change.light[::4, ::4], (0.01, 0.99))
        is_uniform = bright < UNEVEN * max(float(dark), 1e-6)
        solver = Solver.UNIFORM if is_uniform else Solver.UNIVERSAL
    damping = (2 * np.pi / largest_um) ** 2
    source = series.coefficients(change.slope)
    source *= np.float32(-medium_index)
    match solver:
        case Solver.UNIFORM:
            return series.image(series.inverse_laplacian(source, damping))
        case Solver.TEAGUE:
            potential = series.image(series.inverse_laplacian(source))
            found = _transported(potential, np.reciprocal(_safe(change.light)), series)
            found *= series.border_ratio
            return series.image(series.inverse_laplacian(found, damping))
    found = optical_path_universal(source, _safe(change.light), series)
    squared = series.squared**2
    return series.image(found * squared / (squared + np.float32(damping**2)))


def optical_path_universal(source: Image, light: Image, series: CosineSeries) -> Image:
    """Return the series of W from ``div(I grad W)`` and any light I.

    Parameters
    ----------
    source
        Series of ``div(I grad W)``.
    light
        ``(Y, X)``, positive.
    series
        For images of this shape.

    Notes
    -----
    The equation of the universal solution (Zhang et al., Opt. Lett. 45, 6679, 2020), by
    conjugate gradients with the uniform solution as preconditioner: an iteration gains
    what depends on the light's range alone, not on the size of the frame. Flow is taken
    between pixels; what that makes of each cosine is corrected in the source.
    """
    left = source / series.border_ratio
    left[0, 0] = 0
    goal = TOLERANCE * float(np.linalg.norm(left))
    path = np.zeros_like(left)
    # The operator is negative; its sign cancels in every ratio.
    step = series.inverse_laplacian(left)
    direction, power = step.copy(), _dot(left, step)
    for _ in range(ROUNDS):
        if np.linalg.norm(left) <= goal:
            break
        moved = _transported(series.image(direction), light, series)
        size = np.float32(power / _dot(direction, moved))
        path += size * direction
        left -= size * moved
        step = series.inverse_laplacian(left)
        renewed = _dot(left, step)
        direction = step + np.float32(renewed / power) * direction
        power = renewed
    return path


def warm() -> None:
    """Compile the kernels, which fills numba's cache."""
    even = np.ones((8, 8), np.float32)
    flow_divergence(even, even, (1.0, 1.0))


def _transported(path: Image, light: Image, series: CosineSeries) -> Image:
    """Return the series of ``div(I grad W)`` of a path W ``(Y, X)``."""
    return series.coefficients(flow_divergence(path, light, series.pixel_um))


def _safe(light: Image) -> Image:
    return np.maximum(light, np.float32(DARKEST * float(light.max())))


def _dot(a: Image, b: Image) -> float:
    return float(np.vdot(a, b))
