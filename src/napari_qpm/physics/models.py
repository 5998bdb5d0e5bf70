"""From an instrument to its forward model: what simulation, fit and residual use."""

from typing import Any

from napari_qpm.acquisition import (
    Handedness,
    Instrument,
    Modality,
    ReferenceWave,
)
from napari_qpm.errors import ModalityError
from napari_qpm.physics._frame_model import FrameModel
from napari_qpm.physics.chromatic import ChromaticBrightfield
from napari_qpm.physics.detector import Detector
from napari_qpm.physics.legendre import coefficient_matrix
from napari_qpm.physics.off_axis import OffAxisInterferometer
from napari_qpm.physics.polarization import ANGLES_DEG, PolarizationCamera

__all__ = ["assume_gain", "detector_for", "model_for"]

ASSUMED_FULL_WELL_E = 15_000.0
"""Electrons of a saturated pixel of a usual microscope camera."""


def model_for(
    instrument: Instrument,
    modality: Modality | str,
    shape: tuple[int, int],
    **values: Any,
) -> FrameModel:
    """Return the forward model of a microscope for frames ``(Y, X)``.

    What the image formation cannot do without must be known. What a fit finds, or what
    ideal optics do not have, starts at its ideal value where the instrument does not
    state it: visibility, brightness 1, no background, perfect analysers.

    Parameters
    ----------
    instrument
        What is known of the microscope.
    modality
        Polarization, off-axis or chromatic.
    shape
        ``(Y, X)`` of the frames.
    **values
        Further arguments of the model, for example ``mosaic=False``, ``pupil=…``,
        ``pinhole_cycles_per_px=…`` or ``focus_curve_um=…``.

    Raises
    ------
    MissingMetadataError
        Something indispensable is unknown.
    ModalityError
        There is no forward model of this modality.
    """
    modality = Modality.parse(modality)
    match modality:
        case Modality.OFF_AXIS:
            return OffAxisInterferometer(shape, **_off_axis(instrument) | values)
        case Modality.POLARIZATION:
            return PolarizationCamera(shape, **_polarization(instrument, values))
        case Modality.CHROMATIC:
            return ChromaticBrightfield(shape, **_chromatic(instrument) | values)
    raise ModalityError(
        f"There is no forward model of {modality.value} recordings. There is one of "
        "polarization, off-axis and chromatic ones."
    )


def detector_for(instrument: Instrument, **values: Any) -> Detector:
    """Return the camera of a microscope; further keywords are arguments of `Detector`.

    Raises
    ------
    MissingMetadataError
        The gain is unknown, without which noise has no size.
    """
    needed = "Noise of the camera"
    known = {
        "gain_e_per_count": instrument.require("gain_e_per_count", needed),
        "bit_depth": instrument.bit_depth,
    }
    known |= _stated(instrument, "read_noise_e", "dark_counts")
    return Detector(**known | values)


def assume_gain(instrument: Instrument) -> tuple[Instrument, str]:
    """Return an instrument whose gain is known, and what was assumed for it.

    Where no recording tells the gain, a simulation must not be free of noise: the
    camera is taken for photon-limited, with a usual full well at its highest count.

    Returns
    -------
    instrument
        As it was, if its gain is known.
    note
        One sentence for the user; empty when nothing was assumed.
    """
    if instrument.gain_e_per_count is not None:
        return instrument, ""
    bits = instrument.bit_depth or 12
    gain = ASSUMED_FULL_WELL_E / ((1 << bits) - 1)
    note = (
        f"The gain of the camera is unknown: assumed {gain:.3g} electrons a count, a "
        f"photon-limited {bits}-bit camera with {ASSUMED_FULL_WELL_E:.0f} electrons in "
        "a saturated pixel."
    )
    return instrument.replace(gain_e_per_count=gain), note


def _off_axis(instrument: Instrument) -> dict[str, Any]:
    needed = "A simulated hologram"
    return {
        "carrier_cycles_per_px": instrument.require("sideband_cycles_per_px", needed),
        "phase_sign": instrument.phase_sign or 1,
        **_interference(instrument),
        **_stated(instrument, "scattered_share", "scattered_cycles_per_px"),
    }


def _polarization(instrument: Instrument, values: dict[str, Any]) -> dict[str, Any]:
    known = {
        "handedness": _handedness(instrument),
        "reference_wave": instrument.reference_wave or ReferenceWave.SEPARATE,
        "roi_offset_px": instrument.roi_offset_px,
        **_interference(instrument),
        **_stated(
            instrument,
            "extinction_ratio",
            "retardance_error_deg",
            "pinhole_cycles_per_px",
        ),
    }
    if values.get("mosaic", True):
        layout = instrument.require("polarization_layout", "A simulated mosaic")
    else:
        layout = instrument.polarization_layout or ANGLES_DEG
    known["layout"] = layout
    if instrument.analyser_gains is not None:
        known["gains"] = instrument.analyser_gains
    if instrument.analyser_angle_errors_deg is not None:
        known["angle_errors_deg"] = instrument.analyser_angle_errors_deg
    return known | values


def _chromatic(instrument: Instrument) -> dict[str, Any]:
    needed = "A simulated colour picture"
    return {
        "na": instrument.require("numerical_aperture", needed),
        "pixel_um": instrument.require("pixel_size_um", needed),
        **_stated(instrument, "brightness_counts"),
    }


def _interference(instrument: Instrument) -> dict[str, Any]:
    known = _stated(instrument, "visibility", "brightness_counts")
    for name in ("unevenness", "background_rad"):
        if terms := getattr(instrument, name):
            known[name] = coefficient_matrix(terms)
    return known


def _handedness(instrument: Instrument) -> Handedness:
    """Return the sense that makes thicker objects positive; `phase_sign` turns it."""
    stated = instrument.handedness or Handedness.POSITIVE
    if instrument.phase_sign != -1:
        return stated
    if stated is Handedness.POSITIVE:
        return Handedness.NEGATIVE
    return Handedness.POSITIVE


def _stated(instrument: Instrument, *names: str) -> dict[str, Any]:
    """Return the fields that are known."""
    values = {name: getattr(instrument, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
