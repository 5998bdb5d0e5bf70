"""What an empty field looks like: its light, its fringe contrast and its phase.

Everything is taken where the background fit of the phase found no object, on that fit's
coarse grid.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.jobs import CancelToken

if TYPE_CHECKING:
    from napari_qpm.retrieval.background import BackgroundFit, Surface

__all__ = [
    "LIGHT_ORDER",
    "PHASE_ORDER",
    "EmptyField",
    "block_means",
    "contrast_finding",
    "fit_phase",
    "fit_signed_phase",
    "light_findings",
    "phase_finding",
    "sign_finding",
]

PHASE_ORDER = 4
"""Total degree of the fitted phase: tilt, curvature, coma, spherical."""
LIGHT_ORDER = 4
LEAST_RELIEF = 0.1
"""Height of objects [rad] below which the field is empty, and shows no sign."""
MAX_CONTRAST_RANGE = 2.5
"""90 % quantile of the contrast over the 10 % quantile; real holograms have 1.6."""
BLOCKS_PER_INDEPENDENT = 9
"""Blocks of the coarse grid whose misfit counts as one independent value."""


@dataclass(frozen=True, eq=False)
class EmptyField:
    """The phase of a field outside the objects.

    Parameters
    ----------
    surface
        Its phase [rad], tilt and curvature included.
    fit
        The background fit: mask, share and noise.
    relief
        How far the highest objects leave the background [rad].
    """

    surface: "Surface"
    fit: "BackgroundFit"
    relief: float

    @property
    def shows_objects(self) -> bool:
        """Whether something stands out far more than the background is uneven."""
        return self.relief > max(LEAST_RELIEF, 10 * self.fit.noise)

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard errors of the coefficients [rad], from the misfit."""
        count = max(self.fit.mask.sum() / BLOCKS_PER_INDEPENDENT, 1)
        rows, columns = map(np.arange, self.surface.coefficients.shape)
        norm = (2 * rows[:, None] + 1) * (2 * columns + 1)
        return np.asarray(self.fit.noise * np.sqrt(norm / count))


def fit_phase(wrapped: NDArray[np.float32], order: int = PHASE_ORDER) -> EmptyField:
    """Return the phase of the empty field of a wrapped phase ``(Y, X)`` [rad].

    Objects are thicker than the medium here (positive).

    Parameters
    ----------
    order
        Highest total degree of its terms.
    """
    from napari_qpm.retrieval._surface_kernels import subtract_surface
    from napari_qpm.retrieval.background import fit_background, fit_wrapped_slopes
    from napari_qpm.retrieval.engine import Background, Unwrapping
    from napari_qpm.retrieval.unwrapping import unwrap

    slopes = fit_wrapped_slopes(wrapped)
    flat = subtract_surface(wrapped, slopes, wrap=True)
    phase = unwrap(flat, Unwrapping.AUTO).phase
    fit = fit_background(phase, Background.ZERNIKE, order, removed=slopes.curvature())
    height = subtract_surface(phase, fit.surface, wrap=False)
    # Filters ring at the frame's edge; objects are looked for inside.
    rim = 1 + min(fit.mask.shape) // 16
    heights = np.abs(block_means(height))[rim:-rim, rim:-rim]
    relief = float(np.nanquantile(heights, 0.997)) if np.isfinite(heights).any() else 0
    return EmptyField(slopes + fit.surface, fit, relief)


def fit_signed_phase(
    wrapped: NDArray[np.float32], sign: int | None, order: int = PHASE_ORDER
) -> EmptyField:
    """Return the empty field's phase, objects being thicker under a sign.

    Parameters
    ----------
    sign
        Multiplied into the phase. Where it is unknown, the phase is that of +1, fitted
        below what stands out or above it, whichever leaves the flatter field.
    """
    if sign is not None:
        return fit_phase(np.asarray(sign * wrapped, np.float32), order)
    below = fit_phase(wrapped, order)
    above = fit_phase(np.asarray(-wrapped, np.float32), order)
    trust_above, trust_below = (
        (one.fit.is_trusted, one.fit.density) for one in (above, below)
    )
    if trust_above <= trust_below:
        return below
    return replace(above, surface=-above.surface)


def sign_finding(
    wrapped: NDArray[np.float32], token: CancelToken, fields: str
) -> Finding:
    """Return the sign of a wrapped phase ``(Y, X)`` that makes objects thicker.

    Parameters
    ----------
    fields
        What the user can state instead.
    """
    from napari_qpm.retrieval.object_sign import infer_sign

    guess = infer_sign(wrapped[None], token=token)
    if guess.is_clear:
        oriented = np.asarray(guess.sign * wrapped, dtype=np.float32)
        field = fit_phase(oriented)
        if field.shows_objects:
            return Finding(
                guess.sign, None, "Objects are then thicker than the medium."
            )
    return unknown(
        "Nothing in the field stands out to one side; +1 is used for the background. "
        f"Give {fields}."
    )


def phase_finding(field: EmptyField, without: tuple[tuple[int, int], ...]) -> Finding:
    """Return the terms of the empty field's phase, some orders left out.

    The piston is between -pi and pi, like the phase that it is part of.
    """
    fit = field.fit
    if not fit.is_trusted:
        return unknown(
            f"Not identifiable: {fit.share:.0%} of the field looks empty and varies by "
            f"{fit.noise:.2f} rad after the fit. Give a frame of an empty field."
        )
    terms, errors = [], []
    for (i, j), coefficient in np.ndenumerate(field.surface.coefficients):
        if i + j > PHASE_ORDER or (i, j) in without:
            continue
        value = float(coefficient)
        if (i, j) == (0, 0):
            value = float(np.angle(np.exp(1j * value)))
        terms.append((i, j, round(value, 5)))
        errors.append(float(field.errors[i, j]))
    how = (
        f"Legendre terms up to degree {PHASE_ORDER}, fitted to the {fit.share:.0%} of "
        f"the field that look empty; misfit {fit.noise:.3f} rad. The uncertainty is "
        "that of the least certain term."
    )
    return Finding(tuple(terms), max(errors), how)


def block_means(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return means of an image ``(Y, X)`` over the blocks of a background fit's grid.

    They have the shape of that fit's mask.
    """
    from napari_qpm.retrieval.background import FIT_SIDE

    block = max(1, -(-max(image.shape) // FIT_SIDE))
    rows, columns = (max(1, n // block) for n in image.shape)
    cut = np.asarray(image[: rows * block, : columns * block], dtype=np.float64)
    return np.asarray(cut.reshape(rows, block, columns, block).mean(axis=(1, 3)))


def light_findings(
    light: NDArray[np.float64], mask: NDArray[np.bool_], dark: Finding
) -> dict[str, Finding]:
    """Return mean light and its relative unevenness over the field.

    Parameters
    ----------
    light
        Block means of the frame, ``(y, x)`` raw counts, fringes averaged out.
    mask
        Blocks without objects.
    dark
        Dark level, taken off if it is known.
    """
    usable = mask & np.isfinite(light)
    if usable.sum() < 100:
        usable = np.isfinite(light)
    coefficients, error = _fit_legendre(light, usable, LIGHT_ORDER)
    brightness = float(coefficients[0, 0])
    if dark.value is not None:
        brightness -= float(dark.value)
        level = "dark level taken off"
    else:
        level = "the dark level is unknown and still in it"
    if brightness <= 0:
        none = unknown("Not identifiable: the frame is as dark as the dark level.")
        return {"brightness_counts": none, "unevenness": none}
    terms = tuple(
        (i, j, round(float(value) / brightness, 5))
        for (i, j), value in np.ndenumerate(coefficients)
        if 0 < i + j <= LIGHT_ORDER
    )
    return {
        "brightness_counts": Finding(
            brightness, error, f"Mean light of the empty field, {level}."
        ),
        "unevenness": Finding(
            terms,
            3 * error / brightness,
            f"Legendre terms up to degree {LIGHT_ORDER} of the light's relative "
            "deviation from its mean.",
        ),
    }


def contrast_finding(
    visibility: NDArray[np.float64], mask: NDArray[np.bool_], dark: Finding
) -> Finding:
    """Return the median fringe contrast of a map ``(y, x)`` outside objects."""
    usable = mask & np.isfinite(visibility)
    if not usable.any():
        return unknown("Not identifiable: no part of the field is empty.")
    values = visibility[usable]
    centre = float(np.median(values))
    low, high = (float(v) for v in np.quantile(values, (0.1, 0.9)))
    if not 0 < centre <= 1:
        return unknown(
            f"Not identifiable: the fringe contrast comes out as {centre:.3g}. Check "
            "dark_counts."
        )
    if high > MAX_CONTRAST_RANGE * low:
        return unknown(
            f"Not identifiable: the fringe contrast differs from place to place (80 % "
            f"from {low:.3f} to {high:.3f}), so this is no empty field."
        )
    quarters = [
        np.median(part[part_mask])
        for part, part_mask in zip(
            _quarters(visibility), _quarters(usable), strict=True
        )
        if part_mask.sum() > 10
    ]
    error = float(np.std(quarters, ddof=1) / 2) if len(quarters) > 1 else 0.1 * centre
    how = (
        "Fringe amplitude over the light, median of the empty field (80 % of it from "
        f"{low:.3f} to {high:.3f})."
    )
    if dark.value is None:
        how += " With a dark level, which is unknown, the true contrast is higher."
    return Finding(centre, max(error, 1e-4), how)


def _quarters(image: NDArray[Any]) -> list[NDArray[Any]]:
    return [
        half for part in np.array_split(image, 2) for half in np.array_split(part, 2, 1)
    ]


def _fit_legendre(
    values: NDArray[np.float64], usable: NDArray[np.bool_], order: int
) -> tuple[NDArray[np.float64], float]:
    """Return coefficients up to a total degree and the standard error of the mean.

    Values far from the surface (dirt, absorbing objects) lose their weight.
    """
    y = 2 * (np.arange(values.shape[0]) + 0.5) / values.shape[0] - 1
    x = 2 * (np.arange(values.shape[1]) + 0.5) / values.shape[1] - 1
    legvander = np.polynomial.legendre.legvander
    rows, columns = legvander(y, order), legvander(x, order)
    orders = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    products = [np.outer(rows[:, i], columns[:, j])[usable] for i, j in orders]
    design, target = np.stack(products, axis=1), values[usable]
    weight = np.ones(target.size)
    misfit = target
    for _ in range(4):
        solved = np.linalg.lstsq(design * weight[:, None], target * weight, rcond=None)
        misfit = target - design @ solved[0]
        scale = 1.4826 * float(np.median(np.abs(misfit))) + 1e-9
        weight = np.sqrt(1 / (1 + (misfit / (3 * scale)) ** 2))
    coefficients = np.zeros((order + 1, order + 1))
    for (i, j), value in zip(orders, solved[0], strict=True):
        coefficients[i, j] = value
    count = max(target.size / BLOCKS_PER_INDEPENDENT, 1)
    return coefficients, float(1.4826 * np.median(np.abs(misfit)) / np.sqrt(count))
