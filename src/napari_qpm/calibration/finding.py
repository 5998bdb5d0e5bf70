"""What a fit says about one fact: its value, how sure that is, and how it was found."""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Finding", "combined", "unknown"]

LARGEST_TERMS = 4
"""Terms of a surface that its description shows."""


@dataclass(frozen=True)
class Finding:
    """One fact about an instrument, or the reason why it stays unknown.

    Parameters
    ----------
    value
        As the `Instrument` field of that name holds it; `None` is unknown.
    uncertainty
        One standard deviation in the same unit, where there is one.
    how
        One sentence: what it was found from, or why it was not found.
    """

    value: Any
    uncertainty: Any = None
    how: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def rounded(self) -> "Finding":
        """Return it with as many digits as a file should hold."""
        value, uncertainty = _rounded(self.value, 8), _rounded(self.uncertainty, 3)
        return Finding(value, uncertainty, self.how)

    def describe(self) -> str:
        """Return value and uncertainty as short text."""
        if self.value is None:
            return "unknown"
        text = _text(self.value)
        if self.uncertainty is not None:
            text += f" +- {_text(self.uncertainty)}"
        return text


def unknown(reason: str) -> Finding:
    """Return the finding that a fact cannot be found, and why."""
    return Finding(None, None, reason)


def combined(findings: list[Finding]) -> Finding:
    """Return what several recordings of one instrument say together.

    Values are averaged with the inverse square of their uncertainties as weights; the
    uncertainty is that of the mean, or the scatter between recordings if that is more.
    A value that cannot be averaged (or has no uncertainty) is that of the first one.
    """
    known = [finding for finding in findings if finding.is_known]
    if not known:
        return findings[0]
    first = known[0]
    if len(known) == 1 or any(finding.uncertainty is None for finding in known):
        return first
    values = np.array([finding.value for finding in known], dtype=float)
    errors = np.array([finding.uncertainty for finding in known], dtype=float)
    if values.shape != errors.shape:
        return first
    weights = 1 / np.maximum(errors, 1e-12) ** 2
    weights /= weights.sum(axis=0)
    mean = (weights * values).sum(axis=0)
    statistical = np.sqrt((weights**2 * errors**2).sum(axis=0))
    scatter = np.sqrt((weights * (values - mean) ** 2).sum(axis=0) / (len(known) - 1))
    how = f"{first.how} Mean of {len(known)} recordings."
    return Finding(_plain(mean), _plain(np.maximum(statistical, scatter)), how)


def _plain(values: Any) -> Any:
    array = np.asarray(values)
    return float(array) if array.ndim == 0 else tuple(map(float, array))


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, tuple):
        return tuple(_rounded(item, digits) for item in value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.{digits}g}")
    return value


def _text(value: Any) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return _terms_text(value)
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(_text, value)) + ")"
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return str(value)


def _terms_text(terms: tuple[tuple[int, int, float], ...]) -> str:
    """Return how many terms a surface has, and the largest ones."""
    largest = sorted(terms, key=lambda term: -abs(term[2]))[:LARGEST_TERMS]
    shown = ", ".join(f"P{i}(y)P{j}(x) {value:+.3g}" for i, j, value in largest)
    rest = f" and {len(terms) - len(largest)} smaller terms"
    return shown + (rest if len(terms) > len(largest) else "")
