"""What a network that finds cells sees of a frame: the four angles, and the phase.

Angles are divided by their mean, so that exposure does not matter. Phase is brought to
radians at the wavelength of training, with its background at zero.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import resize

from napari_qpm.acquisition import Acquisition, PhaseMap, PhaseUnit
from napari_qpm.errors import MissingMetadataError
from napari_qpm.segmentation.background_level import background_level

__all__ = ["ANGLES", "angle_images", "cell_input", "phase_factor"]

ANGLES = (0, 45, 90, 135)
WAVELENGTH_NM = 532.0
"""That phases of training have."""
NM_PER_DENSITY = 180.0
"""Optical path of 1 pg/um2 of dry mass."""
TYPICAL_RAD, TYPICAL_QUANTILE = 5.0, 0.995
"""What few pixels exceed: for phase of an unknown unit."""
SMOOTHING_PX = 1.3
BILINEAR = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 4


def cell_input(
    phase_map: PhaseMap, t: int, channels: tuple[str, ...]
) -> NDArray[np.float32]:
    """Return the network's input ``(C, Y, X)`` of frame `t`; no pixel is NaN.

    Parameters
    ----------
    channels
        What it asks for, such as ``("angle 0", "phase")``.
    """
    phase = phase_map.read(t)
    shape = (phase.shape[0], phase.shape[1])
    known: dict[str, NDArray[np.float32]] = {}
    if "phase" in channels:
        known["phase"] = _phase(phase, phase_map)
    if any(name != "phase" for name in channels):
        images = angle_images(phase_map.read_raw(t), phase_map.acquisition)
        if images.shape[1:] != shape:
            images = resize(images, (4, *shape), order=1, anti_aliasing=True)
        images = np.nan_to_num(images / max(float(np.nanmean(images)), 1e-6))
        known |= {f"angle {a}": i for a, i in zip(ANGLES, images, strict=True)}
    return np.stack([known[name] for name in channels]).astype(np.float32)


def angle_images(frame: NDArray[Any], acquisition: Acquisition) -> NDArray[np.float32]:
    """Return the images ``(4, Y, X)`` behind 0, 45, 90 and 135 degrees.

    Parameters
    ----------
    frame
        Raw ``(C, Y, X)``: a mosaic, whose missing angles are the means of their
        neighbours, or four images.

    Raises
    ------
    MissingMetadataError
        The layout of a mosaic is unknown.
    """
    instrument = acquisition.instrument
    values = frame.astype(np.float32) - np.float32(instrument.dark_counts or 0.0)
    layout = instrument.polarization_layout
    if len(values) == len(ANGLES):
        order = [(layout or ANGLES).index(angle) for angle in ANGLES]
        return np.asarray(values[order], np.float32)
    if layout is None:
        where = repr(acquisition.name)
        raise MissingMetadataError(
            "polarization_layout", "The images behind each angle", where
        )
    shift = tuple(-n % 2 for n in instrument.roi_offset_px)
    cell = np.roll(np.array(layout).reshape(2, 2), shift, axis=(0, 1))
    images = np.zeros((len(ANGLES), *values.shape[1:]), np.float32)
    for image, angle in zip(images, ANGLES, strict=True):
        (row,), (column,) = np.nonzero(cell == angle)
        image[row::2, column::2] = values[0, row::2, column::2]
        # Mirrored about the edge pixel, which keeps the pattern.
        image[...] = ndimage.convolve(image, BILINEAR, mode="mirror")
    return images


def _phase(phase: NDArray[np.float32], phase_map: PhaseMap) -> NDArray[np.float32]:
    valid = np.isfinite(phase)
    filled = np.where(valid, phase, np.float32(0))
    smooth = ndimage.gaussian_filter(filled, SMOOTHING_PX)
    level = background_level(np.where(valid, smooth, np.nan)).level
    height = np.where(valid, filled - np.float32(level), np.float32(0))
    factor = phase_factor(phase_map)
    if factor is None:
        top = float(np.quantile(height, TYPICAL_QUANTILE))
        factor = TYPICAL_RAD / top if top > 0 else 1.0
    return np.asarray(height * np.float32(factor), np.float32)


def phase_factor(phase_map: PhaseMap) -> float | None:
    """Return the factor to radians at the training's wavelength; None if unknown.

    Radians of an unknown wavelength are taken as they are.
    """
    if phase_map.unit is PhaseUnit.UNKNOWN:
        return None
    per_nm = 2 * math.pi / WAVELENGTH_NM
    if phase_map.unit is PhaseUnit.MASS_DENSITY:
        return per_nm * NM_PER_DENSITY
    if phase_map.unit in (PhaseUnit.RADIANS, PhaseUnit.WAVES):
        wavelength = phase_map.acquisition.instrument.wavelength_nm or WAVELENGTH_NM
        turns = wavelength / WAVELENGTH_NM
        is_radians = phase_map.unit is PhaseUnit.RADIANS
        return turns if is_radians else 2 * math.pi * turns
    return per_nm * phase_map.opd_nm_per_unit("Cells by a network")
