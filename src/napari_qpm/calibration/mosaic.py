"""What polarization recordings tell of a microscope and its camera's analysers."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, ReferenceWave
from napari_qpm.calibration.analysers import Analysers, balanced_gains, fit_analysers
from napari_qpm.calibration.angle_pairs import find_pairs, pairing_of
from napari_qpm.calibration.empty_field import (
    block_means,
    contrast_finding,
    fit_signed_phase,
    light_findings,
    phase_finding,
    sign_finding,
)
from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.calibration.pinhole import fit_pinhole
from napari_qpm.jobs import CancelToken

__all__ = ["fit_mosaics"]

SAMPLES = 20_000
COMMON_PATH = (ReferenceWave.POINT_DIFFRACTION, ReferenceWave.UNSCATTERED)
"""References that are part of the object wave."""
BORDER_PX = 8
NEAR_SATURATION = 0.95


def fit_mosaics(
    acquisition: Acquisition, dark: Finding, token: CancelToken
) -> dict[str, Finding]:
    """Return what the reference, or else the first frame, tells of the instrument.

    Raises
    ------
    LayoutError
        The frames have neither one nor four channels.
    MissingMetadataError
        The layout of a mosaic is unknown.
    """
    from napari_qpm.retrieval.polarization_engine import _with_layout

    resolved = _with_layout(acquisition)
    layout = resolved.instrument.polarization_layout
    assert layout is not None
    first = acquisition.read(0)
    empty = first if acquisition.reference is None else acquisition.reference
    channels = _channels(empty, resolved) - np.float32(dark.value or 0)
    token.raise_if_cancelled()
    analysers = _fit(channels, _saturation(acquisition, dark))
    if resolved.instrument.reference_wave in COMMON_PATH:
        analysers = _gains_only(channels)
    found = {
        "polarization_layout": _layout_check(empty, layout),
        "analyser_gains": analysers.gains,
        "analyser_angle_errors_deg": analysers.angle_errors_deg,
        "retardance_error_deg": analysers.retardance_error_deg,
        "extinction_ratio": _extinction(resolved, analysers.contrast),
    }
    if resolved.instrument.reference_wave is ReferenceWave.POINT_DIFFRACTION:
        found["pinhole_cycles_per_px"] = _pinhole(resolved, first, dark)
    token.raise_if_cancelled()
    return found | _field(resolved, channels, analysers, dark, token)


def _channels(frame: NDArray[Any], acquisition: Acquisition) -> NDArray[np.float32]:
    """Return the images behind 0, 45, 90, 135 degrees ``(4, Y, X)``."""
    from napari_qpm.retrieval.demosaic import ANGLES, demosaic

    instrument = acquisition.instrument
    layout = instrument.polarization_layout
    assert layout is not None
    if len(frame) == 4:
        order = [layout.index(angle) for angle in ANGLES]
        return np.asarray(frame[order], dtype=np.float32)
    return demosaic(frame[0], layout, instrument.roi_offset_px)


def _saturation(acquisition: Acquisition, dark: Finding) -> float:
    level = acquisition.saturation_level
    return float("inf") if level is None else level - float(dark.value or 0)


def _fit(channels: NDArray[np.float32], saturation: float) -> Analysers:
    """Return the fit to a random sample of pixels with enough, and not too much, light.

    All four intensities of a pixel are taken at one place: where phase rises from pixel
    to pixel, those of a raw 2x2 cell would look like wrong angles.
    """
    _, height, width = channels.shape
    rng = np.random.default_rng(0)
    y = rng.integers(BORDER_PX, height - BORDER_PX, SAMPLES)
    x = rng.integers(BORDER_PX, width - BORDER_PX, SAMPLES)
    values = channels[:, y, x]
    usable = np.isfinite(values).all(axis=0) & (values > 0).all(axis=0)
    usable &= (values < NEAR_SATURATION * saturation).all(axis=0)
    light = values.mean(axis=0)
    if usable.any():
        usable &= light > 0.1 * np.median(light[usable])
    if usable.sum() < SAMPLES // 20:
        none = unknown("Not identifiable: most of the frame is dark or saturated.")
        return Analysers(none, none, none, none)
    positions = np.stack([2 * y / (height - 1) - 1, 2 * x / (width - 1) - 1])
    return fit_analysers(values[:, usable], positions[:, usable].astype(np.float32))


def _layout_check(frame: NDArray[Any], layout: tuple[int, int, int, int]) -> Finding:
    """Return the layout with a verdict: crossed analysers must add up to the same.

    The balance tells which pixels are crossed pairs, not which of a pair is which.
    """
    best, stated = find_pairs(frame).best, pairing_of(layout)
    if best is None:
        return Finding(
            layout, None, "As stated; the light differs too little to check it."
        )
    if best != stated:
        return Finding(
            layout,
            None,
            f"Doubtful: by their light, crossed analysers lie {best}, while this order "
            f"has them {stated}. Check polarization_layout and roi_offset_px.",
        )
    return Finding(
        layout,
        None,
        f"As stated, and I0 + I90 = I45 + I135 holds for it (crossed analysers lie "
        f"{best}); which angle of a pair is which cannot be seen.",
    )


def _gains_only(channels: NDArray[np.float32]) -> Analysers:
    """Return what the sum rule tells where contrast follows the object."""
    inside = channels[:, BORDER_PX:-BORDER_PX:3, BORDER_PX:-BORDER_PX:3].reshape(4, -1)
    usable = np.isfinite(inside).all(axis=0) & (inside > 0).all(axis=0)
    none = unknown(
        "Not identifiable: a reference that is made of the object wave has another "
        "strength from place to place, and contrast with it."
    )
    if usable.sum() < SAMPLES // 20:
        return Analysers(none, none, none, none)
    gains = balanced_gains(inside[:, usable].astype(np.float64))
    return Analysers(gains, none, none, none)


def _pinhole(acquisition: Acquisition, frame: NDArray[Any], dark: Finding) -> Finding:
    """Return the cut-off of the reference's pinhole: stated, or seen in a frame."""
    stated = acquisition.instrument.pinhole_cycles_per_px
    if stated is not None:
        return Finding(stated, None, "As stated.")
    channels = _channels(frame, acquisition) - np.float32(dark.value or 0)
    gains = np.array(_gains_only(channels).gains.value or (1, 1, 1, 1), np.float32)
    return fit_pinhole(channels / gains[:, None, None])


def _extinction(acquisition: Acquisition, contrast: Finding) -> Finding:
    """Return the analysers' leak, which only a known visibility tells."""
    stated, known = acquisition.instrument.extinction_ratio, contrast.value
    if stated is not None:
        return Finding(stated, None, "As stated.")
    if known is None:
        return contrast
    visibility = acquisition.instrument.visibility
    if visibility is None:
        bound = (1 - known) / (1 + known)
        return unknown(
            "Not identifiable: it lowers the fringe contrast just as an imperfect "
            f"interference does. It is {bound:.2g} at most; with a known visibility "
            "(visibility=1 for a linear polarizer in front) it can be found."
        )
    ratio = known / visibility
    error = 2 * contrast.uncertainty / visibility / (1 + ratio) ** 2
    value = (1 - ratio) / (1 + ratio)
    if value < -3 * error:
        return unknown(
            f"Not identifiable: the fringe contrast {known:.4f} is above the stated "
            f"visibility {visibility:g}."
        )
    return Finding(
        max(value, 0.0), error, f"Contrast {known:.4f} over the stated visibility."
    )


def _field(
    acquisition: Acquisition,
    channels: NDArray[np.float32],
    analysers: Analysers,
    dark: Finding,
    token: CancelToken,
) -> dict[str, Finding]:
    """Return light, contrast, sign and phase of the empty field."""
    gains = np.array(analysers.gains.value or (1, 1, 1, 1), np.float32)
    i0, i45, i90, i135 = channels / gains[:, None, None]
    cosine, sine = i0 - i90, i135 - i45
    level = block_means((i0 + i45 + i90 + i135) / 4)
    contrast = block_means(np.hypot(cosine, sine) / 2) / np.maximum(level, 1e-6)
    taken_off = dark if dark.value is None else Finding(0.0)
    everywhere = np.ones(level.shape, bool)
    if acquisition.instrument.reference_wave is ReferenceWave.UNSCATTERED:
        none = unknown(
            "Not identifiable: with an unscattered reference an empty field has no "
            "fringes."
        )
        found = light_findings(level, everywhere, taken_off)
        return found | {"visibility": none, "background_rad": none}
    seen = contrast_finding(contrast, everywhere, dark)
    if not seen.is_known:
        none = unknown(f"No fringes of an empty field. {seen.how}")
        found = light_findings(level, everywhere, taken_off)
        light = found["brightness_counts"]
        how = "Mean light of the frame, which does not look like an empty field."
        found["brightness_counts"] = replace(light, how=how)
        scene = {"visibility": seen, "unevenness": none, "background_rad": none}
        return found | scene
    wrapped = np.arctan2(sine, cosine)
    sign = _sign(acquisition, wrapped, token)
    field = fit_signed_phase(np.asarray(wrapped, np.float32), sign.value)
    mask = field.fit.mask
    found = light_findings(level, mask, taken_off)
    seen = contrast_finding(contrast, mask, dark)
    found["visibility"] = _visibility(acquisition, seen, analysers.contrast)
    if acquisition.instrument.handedness is None:
        found["phase_sign"] = sign
    found["background_rad"] = phase_finding(field, without=())
    return found


def _visibility(acquisition: Acquisition, seen: Finding, fitted: Finding) -> Finding:
    """Return the contrast of the interference, the analysers' leak taken off."""
    stated = acquisition.instrument.visibility
    if stated is not None:
        return Finding(stated, None, "As stated.")
    best = fitted if fitted.is_known else seen
    if best.value is None:
        return best
    ratio = acquisition.instrument.extinction_ratio
    if ratio is None:
        how = f"{best.how} The analysers' leak, which is unknown, is part of it."
        return Finding(best.value, best.uncertainty, how)
    factor = (1 + ratio) / (1 - ratio)
    value = min(best.value * factor, 1.0)
    return Finding(value, best.uncertainty * factor, f"{best.how} Leak taken off.")


def _sign(
    acquisition: Acquisition, wrapped: NDArray[np.float32], token: CancelToken
) -> Finding:
    """Return the factor that makes cells thicker than the medium."""
    from napari_qpm.retrieval.polarization_engine import phase_sign

    instrument = acquisition.instrument
    if instrument.handedness is not None or instrument.phase_sign is not None:
        return Finding(phase_sign(acquisition), None, "As stated.")
    phase = np.asarray(wrapped, dtype=np.float32)
    return sign_finding(phase, token, "handedness or phase_sign")
