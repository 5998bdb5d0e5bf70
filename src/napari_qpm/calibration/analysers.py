"""Gains and angles of a polarization camera's analysers, from the light itself.

Behind analyser k a pixel has ``I_k = g_k L (1 + V cos(phi + 2 (theta_k + d_k)))``. Four
values, two unknowns (light L and phase phi) leave two equations a pixel; over many
pixels whose phases cover the circle they give gains g, angle errors d and contrast V.
Without that, ``I0 / g0 + I90 / g90 = I45 / g45 + I135 / g135`` still gives the gains of
analysers whose angles are right.

A quarter-wave plate that is off by r lowers the contrast behind 45 and 135 degrees to
cos r of that behind 0 and 90, if all analysers leak alike: that ratio is the eighth
and last number that the light tells. For the intensities are a 4 x 3 matrix times
``L (1, cos phi, sin phi)``, and of its 12 numbers 4 change with the unknown light and
phase of the pixels: a factor, a turn, and the two boosts that keep that cone.

Not to be known from any light: a common factor of the gains (their mean is 1 here), a
turn of all analysers (a piston of the phase; the mean error is 0 here), what part of a
low contrast is the analysers' leak, and the sign of r, which shows only where object
and reference differ in strength, and there looks like gains (one of the boosts).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.calibration.finding import Finding, unknown

__all__ = ["Analysers", "balanced_gains", "fit_analysers"]

ANGLES_DEG = np.array([0.0, 45.0, 90.0, 135.0])
BALANCE = np.array([1.0, -1.0, 1.0, -1.0])
N_CONTRAST = 6
"""Terms of the contrast over the field: constant, tilt and curvature."""
RATIO = 8
"""Column of the contrast behind 45 and 135 degrees over that behind 0 and 90."""
N_INSTRUMENT = 9
"""Gains, angles and the ratio."""
MAX_GAIN_ERROR = 0.005
MAX_ANGLE_ERROR_DEG = 0.3
MAX_MISFIT = 0.15
"""Misfit over the fringe amplitude above which the contrast is not smooth: the light is
no interference with one reference wave."""
MIN_COVERAGE = 0.5
"""Share of the circle that phases must cover for a fit of angles."""
LEAST_PLANE = 10.0
"""Variance of the light along its weakest direction over that of noise."""
MIN_INLIERS = 0.7
"""Share of the pixels that a contrast, smooth over the field, must explain."""
SYSTEMATIC_GAIN = 5e-4
SYSTEMATIC_ANGLE_DEG = 0.02
SYSTEMATIC_RATIO = 3e-4
CLEAR_RETARDANCE = 3.0
"""Fall of the ratio below 1, over its uncertainty, that tells a retardance error."""
ITERATIONS = 25


@dataclass(frozen=True)
class Analysers:
    """What the light says of the four analysers, at 0, 45, 90 and 135 degrees.

    Parameters
    ----------
    gains, angle_errors_deg
        See `Instrument`.
    contrast
        Visibility times the contrast of the analysers.
    retardance_error_deg
        How far the quarter-wave plate is from 90 degrees, without its sign.
    """

    gains: Finding
    angle_errors_deg: Finding
    contrast: Finding
    retardance_error_deg: Finding


def fit_analysers(
    channels: NDArray[np.float32], positions: NDArray[np.float32]
) -> Analysers:
    """Return gains, angles and contrast.

    Parameters
    ----------
    channels
        ``(4, n)`` intensities behind 0, 45, 90, 135 degrees at the same place, dark
        level taken off, unsaturated.
    positions
        ``(2, n)``: y and x of each, from -1 to 1 over the frame.
    """
    values = np.asarray(channels, dtype=np.float64)
    gains = balanced_gains(values)
    start = gains.value if gains.is_known else (1.0, 1.0, 1.0, 1.0)
    fit = _Ellipse.fit(values, np.asarray(positions, np.float64), np.array(start))
    if isinstance(fit, str):
        return Analysers(gains, *(unknown(fit) for _ in range(3)))
    angle = float(np.max(fit.angle_sd))
    how = (
        f"Least squares over {values.shape[1]} pixels whose phases cover "
        f"{fit.coverage:.0%} of the circle."
    )
    if np.max(fit.gain_sd) > MAX_GAIN_ERROR or angle > MAX_ANGLE_ERROR_DEG:
        reason = (
            f"Not identifiable: phases cover {fit.coverage:.0%} of the circle, which "
            f"leaves angles uncertain by {angle:.2g} degrees. Record a tilted empty "
            "field, with a whole fringe or more."
        )
        none = unknown(reason)
        return Analysers(gains, none, fit.contrast_finding(), none)
    return Analysers(
        Finding(
            _four(fit.gains),
            _four(np.hypot(fit.gain_sd, SYSTEMATIC_GAIN)),
            f"{how} Their mean is set to 1.",
        ),
        Finding(
            _four(fit.angles),
            _four(np.hypot(fit.angle_sd, SYSTEMATIC_ANGLE_DEG)),
            f"{how} Their mean is set to 0: a turn of the camera is a piston.",
        ),
        fit.contrast_finding(),
        fit.retardance_finding(),
    )


def balanced_gains(values: NDArray[np.float64]) -> Finding:
    """Return the gains that make I0 + I90 equal I45 + I135 over all pixels.

    The four intensities of a pixel depend on three numbers, so they lie in a plane of
    three dimensions; its normal is ``(1/g0, -1/g45, 1/g90, -1/g135)``.
    """
    scaled = values / np.maximum(values.mean(axis=0), 1e-9)
    keep = np.ones(scaled.shape[1], bool)
    normal, spread = BALANCE / 2, np.zeros(4)
    for _ in range(6):
        used = scaled[:, keep]
        spread, vectors = np.linalg.eigh(used @ used.T / used.shape[1])
        normal = vectors[:, 0]
        distance = np.abs(normal @ scaled)
        keep = distance < 4 * 1.4826 * np.median(distance[keep]) + 1e-12
    too_little = unknown(
        "Not identifiable: the light behind the analysers differs too little to tell "
        "gains from polarization."
    )
    if spread[1] < LEAST_PLANE * spread[0]:
        return too_little
    inverse = normal * BALANCE
    inverse = inverse if inverse.sum() > 0 else -inverse
    if (inverse <= 0).any():
        return unknown(
            "Not identifiable: I0 + I90 = I45 + I135 does not hold for any positive "
            "gains. Check polarization_layout."
        )
    gains = 1 / inverse
    gains /= gains.mean()
    # Errors of the normal along the other directions, from noise in the plane.
    count = max(int(keep.sum()) // 4, 1)
    error = np.zeros(4)
    for value, vector in zip(spread[1:], vectors.T[1:], strict=True):
        ratio = spread[0] / max(value - spread[0], 1e-15)
        error += (vector**2) * (ratio + ratio**2) / count
    relative = np.sqrt(error) / np.abs(normal)
    if np.max(relative) > 2 * MAX_GAIN_ERROR:
        return too_little
    return Finding(
        _four(gains),
        _four(np.hypot(gains * relative, SYSTEMATIC_GAIN)),
        "From I0 / g0 + I90 / g90 = I45 / g45 + I135 / g135 over "
        f"{int(keep.sum())} pixels, analyser angles taken as exact. Their mean is set "
        "to 1.",
    )


@dataclass(frozen=True)
class _Ellipse:
    """Result of the full fit."""

    gains: NDArray[np.float64]
    gain_sd: NDArray[np.float64]
    angles: NDArray[np.float64]
    angle_sd: NDArray[np.float64]
    contrast: float
    contrast_sd: float
    ratio: float
    ratio_sd: float
    coverage: float

    def retardance_finding(self) -> Finding:
        """Return how far the quarter-wave plate is off, from the ratio of contrasts."""
        deviation = float(np.hypot(self.ratio_sd, SYSTEMATIC_RATIO))
        seen = (
            f"The contrast behind 45 and 135 degrees is {self.ratio:.4f} +- "
            f"{deviation:.1g} of that behind 0 and 90"
        )
        if 1 - self.ratio < CLEAR_RETARDANCE * deviation:
            most = max(1 - self.ratio, 0) + CLEAR_RETARDANCE * deviation
            limit = np.rad2deg(np.arccos(1 - min(most, 1)))
            return unknown(
                f"Not identifiable: it is below {limit:.1f} degrees. {seen}, and that "
                "ratio is the cosine of the error."
            )
        error = float(np.arccos(np.clip(self.ratio, 0, 1)))
        return Finding(
            float(np.rad2deg(error)),
            float(np.rad2deg(deviation / np.sin(error))),
            f"{seen}: the cosine of the error, whose sign is not seen, if all "
            "analysers leak alike.",
        )

    def contrast_finding(self) -> Finding:
        """Return visibility times analyser contrast, middle of the field."""
        return Finding(
            self.contrast, max(self.contrast_sd, 5e-4), "Fit of the four analysers."
        )

    @classmethod
    def fit(
        cls,
        values: NDArray[np.float64],
        positions: NDArray[np.float64],
        gains: NDArray[np.float64],
    ) -> "_Ellipse | str":
        """Return the fit, or why there is none."""
        polynomials = _contrast_terms(positions)
        angles, contrast, ratio = np.zeros(4), np.zeros(N_CONTRAST), 1.0
        light, phase, strength = _pixel_start(values / gains[:, None])
        contrast[0] = np.median(strength)
        coverage = _coverage(phase)
        if coverage < MIN_COVERAGE:
            return (
                f"Not identifiable: the phases cover {coverage:.0%} of the circle. "
                "Record a tilted empty field, with a whole fringe or more."
            )
        weight = np.ones(values.shape[1])
        sigma = 0.0
        normal = np.eye(N_INSTRUMENT + N_CONTRAST)
        for _ in range(ITERATIONS):
            state = (gains, angles, ratio, contrast)
            model, pixel_jacobian, jacobian = _model(light, phase, *state, polynomials)
            misfit = (values - model) / light
            normal, step, pixel_step, left = _gauss_newton(
                misfit, pixel_jacobian, jacobian, weight
            )
            gains = gains * (1 + step[:4])
            angles = angles + step[4:8]
            ratio = float(np.clip(ratio + step[RATIO], 0.3, 1.7))
            contrast = contrast + step[N_INSTRUMENT:]
            gains = gains / gains.mean()
            angles = angles - angles.mean()
            light = light * np.clip(1 + pixel_step[0], 0.5, 2)
            phase = phase + np.clip(pixel_step[1], -0.5, 0.5)
            size = np.sqrt((left**2).sum(axis=0) / 2)
            # Two misfits a pixel: their rms has the median 0.83 sigma.
            sigma = float(np.median(size)) / 0.8326 + 1e-12
            weight = np.clip(1 - (size / (6 * sigma)) ** 2, 0, 1) ** 2
            if np.abs(step).max() < 1e-8:
                break
        amplitude = float(np.median(polynomials.T @ contrast))
        is_smooth = 0 < amplitude <= 1.02 and sigma < MAX_MISFIT * amplitude
        if not is_smooth or np.mean(weight > 0) < MIN_INLIERS:
            return (
                "Not identifiable: the fringe contrast is not smooth over the field, "
                "so this is not the interference of one object and one reference wave."
            )
        # Interpolated pixels share noise: about four count as one.
        covariance = 4 * sigma**2 * np.linalg.pinv(normal, rcond=1e-12)
        deviations = np.sqrt(np.maximum(np.diag(covariance), 0))
        return cls(
            gains,
            deviations[:4],
            np.rad2deg(angles),
            np.rad2deg(deviations[4:8]),
            min(amplitude, 1.0),
            float(deviations[N_INSTRUMENT]),
            ratio,
            float(deviations[RATIO]),
            coverage,
        )


def _contrast_terms(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    y, x = positions
    return np.stack([np.ones_like(y), y, x, y * x, y**2 - 1 / 3, x**2 - 1 / 3])


def _pixel_start(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return light, phase and contrast of each pixel for ideal analysers."""
    i0, i45, i90, i135 = values
    light = np.maximum(values.mean(axis=0), 1e-9)
    cosine, sine = i0 - i90, i135 - i45
    return light, np.arctan2(sine, cosine), np.hypot(cosine, sine) / (2 * light)


def _coverage(phase: NDArray[np.float64]) -> float:
    """Return the share of the circle in which phases lie."""
    counts = np.histogram(phase, bins=36, range=(-np.pi, np.pi))[0]
    return float(np.mean(counts > 0.1 * phase.size / 36))


def _model(
    light: NDArray[np.float64],
    phase: NDArray[np.float64],
    gains: NDArray[np.float64],
    angles: NDArray[np.float64],
    ratio: float,
    contrast: NDArray[np.float64],
    polynomials: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return intensities and their derivatives, over the light.

    Returns
    -------
    model
        ``(4, n)``.
    pixel_jacobian
        ``(n, 4, 2)``: by relative light and phase of the pixel.
    jacobian
        ``(n, 4, N_INSTRUMENT + N_CONTRAST)``: by relative gains, angles [rad], ratio of
        contrasts, contrast terms.
    """
    factor = np.where(np.arange(4) % 2, ratio, 1.0)[:, None]
    common = polynomials.T @ contrast
    visibility = factor * common
    argument = phase + 2 * (np.deg2rad(ANGLES_DEG) + angles)[:, None]
    cosine, sine = np.cos(argument), np.sin(argument)
    relative = gains[:, None] * (1 + visibility * cosine)
    slope = -gains[:, None] * visibility * sine
    pixel_jacobian = np.stack([relative.T, slope.T], axis=2)
    n = phase.size
    jacobian = np.zeros((n, 4, N_INSTRUMENT + N_CONTRAST))
    for k in range(4):
        jacobian[:, k, k] = relative[k]
        jacobian[:, k, 4 + k] = 2 * slope[k]
    for k in (1, 3):
        jacobian[:, k, RATIO] = gains[k] * common * cosine[k]
    by_contrast = (gains[:, None] * factor * cosine).T
    jacobian[:, :, N_INSTRUMENT:] = by_contrast[:, :, None] * polynomials.T[:, None, :]
    return relative * light, pixel_jacobian, jacobian


def _gauss_newton(
    misfit: NDArray[np.float64],
    pixel_jacobian: NDArray[np.float64],
    jacobian: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
]:
    """Return normal matrix, steps of the instrument and of the pixels, and misfit left.

    The two unknowns of each pixel are projected out first.
    """
    target = misfit.T[:, :, None]
    basis, triangle = np.linalg.qr(pixel_jacobian)

    def projected(columns: NDArray[Any]) -> NDArray[Any]:
        inside: NDArray[Any] = np.swapaxes(basis, 1, 2) @ columns
        return np.asarray(columns - basis @ inside)

    reduced, left = projected(jacobian), projected(target)
    weighted = reduced * weight[:, None, None]
    normal = np.einsum("nki,nkj->ij", weighted, reduced)
    moment = np.einsum("nki,nk->i", weighted, left[:, :, 0])
    # Mean gain and mean angle change nothing that can be seen: fix them.
    scale = float(np.trace(normal)) / len(normal)
    for start in (0, 4):
        gauge = np.zeros(len(normal))
        gauge[start : start + 4] = 0.5
        normal = normal + scale * np.outer(gauge, gauge)
    step = np.linalg.lstsq(normal, moment, rcond=1e-12)[0]
    remainder = target - (jacobian @ step)[:, :, None]
    inside = np.swapaxes(basis, 1, 2) @ remainder
    pixel_step = np.linalg.solve(triangle, inside)[:, :, 0].T
    left_after = (remainder - basis @ inside)[:, :, 0].T
    return normal, step, pixel_step, left_after


def _four(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
