"""What a check says: a verdict, the values behind it, and what it is blind to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Check", "Verdict", "grade"]


class Verdict(StrEnum):
    """How far a result can be trusted, as one check sees it."""

    GOOD = "good"
    """Nothing wrong was seen."""
    DOUBTFUL = "doubtful"
    """Look before using the numbers."""
    BAD = "bad"
    """The phase is wrong, or it is not the phase of this recording."""

    @property
    def rank(self) -> int:
        """0 for good, 2 for bad."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Check:
    """The outcome of one check of one frame.

    Parameters
    ----------
    title
        What was checked, in one or two words.
    verdict
        Good, doubtful or bad.
    values
        Numbers behind the verdict; units are part of their names.
    finding
        What the check sees, in a sentence for a biologist.
    blind_to
        What it cannot see, in a sentence.
    """

    title: str
    verdict: Verdict
    values: Mapping[str, float]
    finding: str
    blind_to: str

    @property
    def sentence(self) -> str:
        """What it sees, and what it cannot see."""
        return f"{self.finding} {self.blind_to}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them; what is not a number is None."""
        numbers = {
            name: value if math.isfinite(value) else None
            for name, value in self.values.items()
        }
        return {
            "verdict": self.verdict.value,
            **numbers,
            "finding": self.finding,
            "blind_to": self.blind_to,
        }

    def describe(self) -> str:
        """Return title, verdict and sentence in one line."""
        return f"{self.title}: {self.verdict.value}. {self.sentence}"


def grade(value: float, doubtful_from: float, bad_from: float) -> Verdict:
    """Return the verdict of a value of which more is worse; not a number is bad."""
    if value < doubtful_from:
        return Verdict.GOOD
    return Verdict.DOUBTFUL if value < bad_from else Verdict.BAD
