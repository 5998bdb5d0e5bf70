"""Facts about a microscope: what a recording states, a user gives or a fit finds.

An unknown value is `None` (or empty), never a silent default. This module needs the
standard library only.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from napari_qpm.errors import (
    LayoutError,
    MissingMetadataError,
    ParameterError,
    UnknownNameError,
)

__all__ = ["Handedness", "Instrument", "PhaseUnit", "ReferenceWave"]


class Handedness(StrEnum):
    """Sense of the circular object wave in front of a polarization camera."""

    POSITIVE = "positive"
    """phase = atan2(I135 - I45, I0 - I90)."""
    NEGATIVE = "negative"
    """phase = atan2(I45 - I135, I0 - I90): quarter-wave plate turned by 90 deg."""


class ReferenceWave(StrEnum):
    """What the object wave interferes with in a common-path polarization set-up."""

    SEPARATE = "separate"
    """A clean reference arm: plain four-step phase."""
    POINT_DIFFRACTION = "point-diffraction"
    """Low-passed object wave: plain four-step phase, with a halo that costs mass."""
    UNSCATTERED = "unscattered"
    """Only the undiffracted light is shifted; phase follows by the SLIM relation."""


class PhaseUnit(StrEnum):
    """Unit of already retrieved phase images."""

    RADIANS = "rad"
    """Phase in radians."""
    WAVES = "waves"
    """Phase in units of 2 pi."""
    NANOMETRES = "nm"
    """Optical path difference in nm."""
    MICROMETRES = "um"
    """Optical path difference in um."""
    MASS_DENSITY = "pg/um2"
    """Dry-mass density in pg/um2, as some instruments export."""
    UNKNOWN = "unknown"
    """Not stated: shapes can be measured, picograms cannot."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """Facts about a microscope; `None` is unknown.

    Parameters
    ----------
    wavelength_nm
        Vacuum wavelength of the illumination.
    pixel_size_um
        Raw pixel in object space. Filled from `camera_pixel_um / magnification` when
        only those are known.
    camera_pixel_um, magnification
        Camera pitch and lateral magnification.
    numerical_aperture, medium_index
        Of the objective, and refractive index around the cells.
    frame_interval_s
        Time between frames.
    polarization_layout
        Angles [deg] in reading order: of the 2x2 cell ``(row 0: a, b; row 1: c, d)`` of
        a mosaic, or of the four channels. Sony sensors: ``(90, 45, 135, 0)``.
    roi_offset_px
        ``(y, x)`` of the first pixel on the sensor; odd values permute a mosaic.
    handedness, reference_wave
        See `Handedness`, `ReferenceWave`.
    sideband_cycles_per_px
        Carrier ``(fy, fx)`` of the chosen sideband.
    phase_steps_deg
        Steps of the reference wave between the interferograms of a phase-shifting
        recording, the first usually 0.
    focus_um
        Position of each plane of a through-focus stack along the axis, in the medium;
        or of the focus of red, green and blue.
    phase_sign
        +1 or -1, multiplied into the phase so that cells are thicker than medium.
    phase_unit
        Unit of already retrieved phase images.
    bit_depth, bit_shift
        Significant bits of a raw pixel and how far they are shifted up.
    visibility
        Fringe contrast of an empty field, above 0 and up to 1.
    brightness_counts
        Mean raw value of an empty field, dark level taken off.
    gain_e_per_count, read_noise_e, dark_counts
        Of the camera: electrons per raw count, rms noise of a dark pixel in electrons,
        and its mean raw value.
    unevenness
        Relative deviation of an empty field's light from its mean, as terms like those
        of `background_rad`.
    background_rad
        Phase of an empty field as ``(i, j, value)`` terms ``value P_i(y) P_j(x)`` of
        Legendre polynomials, y and x running from -1 to 1 over the frame.
    scattered_share, scattered_cycles_per_px
        Of a hologram's scattered light: its power over that of the object wave, and the
        standard deviation of its Gaussian power spectrum.
    analyser_gains, analyser_angle_errors_deg
        Of the polarization camera's pixels at 0, 45, 90, 135 degrees.
    retardance_error_deg
        How far its quarter-wave plate is from 90 degrees.
    pinhole_cycles_per_px
        Highest frequency that the pinhole of a point-diffraction reference passes.
    extinction_ratio
        Intensity that its crossed analyser lets through, over that of the parallel one.
    """

    wavelength_nm: float | None = None
    pixel_size_um: float | None = None
    camera_pixel_um: float | None = None
    magnification: float | None = None
    numerical_aperture: float | None = None
    medium_index: float | None = None
    frame_interval_s: float | None = None
    polarization_layout: tuple[int, int, int, int] | None = None
    roi_offset_px: tuple[int, int] = (0, 0)
    handedness: Handedness | None = None
    reference_wave: ReferenceWave | None = None
    sideband_cycles_per_px: tuple[float, float] | None = None
    phase_steps_deg: tuple[float, ...] | None = None
    focus_um: tuple[float, ...] | None = None
    phase_sign: int | None = None
    phase_unit: PhaseUnit | None = None
    bit_depth: int | None = None
    bit_shift: int = 0
    visibility: float | None = None
    brightness_counts: float | None = None
    gain_e_per_count: float | None = None
    read_noise_e: float | None = None
    dark_counts: float | None = None
    unevenness: tuple[tuple[int, int, float], ...] = ()
    background_rad: tuple[tuple[int, int, float], ...] = ()
    scattered_share: float | None = None
    scattered_cycles_per_px: float | None = None
    analyser_gains: tuple[float, float, float, float] | None = None
    analyser_angle_errors_deg: tuple[float, float, float, float] | None = None
    retardance_error_deg: float | None = None
    pinhole_cycles_per_px: float | None = None
    extinction_ratio: float | None = None

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            self._check_number(name, "a positive number", lambda x: x > 0)
        for name in _NOT_NEGATIVE:
            self._check_number(name, "a number, 0 or above", lambda x: x >= 0)
        self._check_number("visibility", "between 0 and 1", lambda x: 0 < x <= 1)
        self._check_number(
            "retardance_error_deg", "from -90 to 90", lambda x: -90 <= x <= 90
        )
        self._check_number("extinction_ratio", "between 0 and 1", lambda x: 0 <= x < 1)
        self._check_analysers("analyser_gains", "positive", lambda x: x > 0)
        self._check_analysers("analyser_angle_errors_deg", "finite", lambda _: True)
        self._check_list("phase_steps_deg")
        self._check_list("focus_um")
        for name in ("unevenness", "background_rad"):
            object.__setattr__(self, name, _legendre(name, getattr(self, name)))
        if self.pixel_size_um is None and self.camera_pixel_um and self.magnification:
            pixel = self.camera_pixel_um / self.magnification
            object.__setattr__(self, "pixel_size_um", pixel)
        if self.phase_sign not in (None, 1, -1):
            raise ParameterError(f"phase_sign is +1 or -1, not {self.phase_sign!r}.")
        self._coerce("handedness", Handedness)
        self._coerce("reference_wave", ReferenceWave)
        self._coerce("phase_unit", PhaseUnit)
        for name in ("roi_offset_px", "polarization_layout", "sideband_cycles_per_px"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        layout = self.polarization_layout
        if layout is not None and sorted(layout) != [0, 45, 90, 135]:
            raise LayoutError(
                f"polarization_layout {layout} is not an order of 0, 45, 90, 135."
            )

    def _check_number(
        self, name: str, wanted: str, is_valid: Callable[[float], bool]
    ) -> None:
        value = getattr(self, name)
        if value is None:
            return
        number = _finite(value)
        if number is None or not is_valid(number):
            raise ParameterError(f"{name} is {wanted}, not {value!r}.")
        object.__setattr__(self, name, number)

    def _check_analysers(
        self, name: str, wanted: str, is_valid: Callable[[float], bool]
    ) -> None:
        values = getattr(self, name)
        if values is None:
            return
        is_sequence = isinstance(values, Iterable) and not isinstance(values, str)
        numbers = [_finite(value) for value in values] if is_sequence else []
        if len(numbers) != 4 or not all(x is not None and is_valid(x) for x in numbers):
            raise ParameterError(
                f"{name} are four {wanted} numbers, of the analysers at 0, 45, 90 and "
                f"135 degrees, not {values!r}."
            )
        object.__setattr__(self, name, tuple(numbers))

    def _check_list(self, name: str) -> None:
        values = getattr(self, name)
        if values is None:
            return
        is_sequence = isinstance(values, Iterable) and not isinstance(values, str)
        numbers = [_finite(value) for value in values] if is_sequence else []
        if len(numbers) < 2 or None in numbers:
            raise ParameterError(
                f"{name} is a list of two numbers or more, not {values!r}."
            )
        object.__setattr__(self, name, tuple(numbers))

    def _coerce(self, name: str, kind: type[StrEnum]) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            object.__setattr__(self, name, kind(value))
        except ValueError:
            options = [member.value for member in kind]
            raise UnknownNameError(name, str(value), options) from None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with these fields changed; unknown fields raise."""
        known = {f.name for f in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise UnknownNameError("instrument field", name, known)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the known fields as plain values (JSON and YAML take them)."""
        values = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if value is None or value == f.default:
                continue
            values[f.name] = _plain(value)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return an instrument from `to_dict` values; unknown fields raise."""
        return cls().replace(**values)

    def require(self, name: str, needed_for: str, where: str = "the recording") -> Any:
        """Return a field's value, or raise `MissingMetadataError` naming it."""
        value = getattr(self, name)
        if value is None:
            raise MissingMetadataError(name, needed_for, where)
        return value


_POSITIVE = (
    "wavelength_nm",
    "pixel_size_um",
    "camera_pixel_um",
    "magnification",
    "numerical_aperture",
    "medium_index",
    "frame_interval_s",
    "brightness_counts",
    "gain_e_per_count",
    "scattered_cycles_per_px",
    "pinhole_cycles_per_px",
)
_NOT_NEGATIVE = ("read_noise_e", "dark_counts", "scattered_share")
_HIGHEST_ORDER = 20


def _finite(value: Any) -> float | None:
    """Return the value as a finite number, or `None` if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _legendre(name: str, terms: Any) -> tuple[tuple[int, int, float], ...]:
    """Return ``(i, j, value)`` terms, checked."""
    checked: list[tuple[int, int, float]] = []
    try:
        for i, j, value in terms:
            number = _finite(value)
            orders = (int(i), int(j))
            if number is None or orders != (i, j):
                raise ValueError
            if not all(0 <= order <= _HIGHEST_ORDER for order in orders):
                raise ValueError
            checked.append((*orders, number))
    except (TypeError, ValueError):
        raise ParameterError(
            f"{name} is a list of (i, j, value): orders of Legendre polynomials in y "
            f"and x from 0 to {_HIGHEST_ORDER} and a number, not {terms!r}."
        ) from None
    return tuple(checked)


def _plain(value: Any) -> Any:
    """Return a value as JSON and YAML hold it."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
