"""Lengths and times in the units that files use; what is no number stays unknown."""

import math
from typing import Any

__all__ = ["micrometres_per", "positive", "seconds_per", "square"]

_UM_PER = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "å": 1e-4,
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "meter": 1e6,
    "metre": 1e6,
    "inch": 25400.0,
}
_SECONDS_PER = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "min": 60.0,
    "h": 3600.0,
}


def micrometres_per(unit: str | None) -> float | None:
    """Return how many um a unit is, or `None` for an unknown one."""
    plain = (unit or "").strip().replace("\\u00B5", "u").replace("µ", "u")
    return _UM_PER.get(plain.replace("μ", "u").lower())


def seconds_per(unit: str | None) -> float | None:
    """Return how many seconds a unit is, or `None` for an unknown one."""
    plain = (unit or "s").strip().replace("µ", "u").replace("μ", "u")
    return _SECONDS_PER.get(plain.lower())


def positive(value: Any) -> float | None:
    """Return the value as a finite number above zero, or `None` if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def square(x: float | None, y: float | None, notes: list[str]) -> float | None:
    """Return the pixel size when x and y agree to a percent."""
    if x is None or y is None:
        return x or y
    if abs(x - y) > 0.01 * x:
        notes.append(
            f"The file states pixels of {x:g} x {y:g} um (x, y); only square pixels "
            "are supported, so the pixel size stays unknown."
        )
        return None
    return x
