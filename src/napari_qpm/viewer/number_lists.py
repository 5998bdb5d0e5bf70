"""Lists of numbers as a user types them: one by one, or evenly spaced."""

import re
from collections.abc import Sequence

from napari_qpm.errors import ParameterError

__all__ = ["numbers_in_words", "parse_numbers"]

_SPAN = re.compile(r"^(?P<first>.+?)\s+to\s+(?P<last>.+)$")
_SEPARATORS = re.compile(r"[,;\s]+")


def parse_numbers(text: str, count: int) -> tuple[float, ...] | None:
    """Return the numbers of a text such as ``-20, 0, 20`` or ``-20 to 20``.

    Parameters
    ----------
    text
        Empty is unknown, which gives `None`.
    count
        How many numbers there must be; "to" spaces so many evenly.

    Raises
    ------
    ParameterError
        Another number of numbers, or something that is none.
    """
    plain = text.replace("−", "-").strip()
    if not plain:
        return None
    span = _SPAN.match(plain)
    if span is not None:
        first, last = (_number(span[name], text) for name in ("first", "last"))
        step = (last - first) / max(count - 1, 1)
        return tuple(round(first + k * step, 9) for k in range(count))
    values = tuple(_number(part, text) for part in _SEPARATORS.split(plain) if part)
    if len(values) != count:
        raise ParameterError(
            f"{len(values)} numbers for {count} images: type {count} of them, or the "
            "first and the last, such as -4 to 4."
        )
    return values


def numbers_in_words(values: Sequence[float] | None) -> str:
    """Return numbers as `parse_numbers` reads them; evenly spaced ones in short."""
    if values is None:
        return ""
    if len(values) > 3:
        step = (values[-1] - values[0]) / (len(values) - 1)
        even = [values[0] + k * step for k in range(len(values))]
        tolerance = 1e-6 * max(abs(values[0]), abs(values[-1]))
        if max(abs(a - b) for a, b in zip(even, values, strict=True)) <= tolerance:
            return f"{values[0]:.6g} to {values[-1]:.6g}"
    return ", ".join(f"{value:.6g}" for value in values)


def _number(part: str, text: str) -> float:
    try:
        return float(part)
    except ValueError:
        raise ParameterError(
            f"{text!r} is no list of numbers such as -20, 0, 20 or -20 to 20."
        ) from None
