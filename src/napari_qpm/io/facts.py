"""What the metadata of a file state, collected from its different blocks."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["FileFacts"]


@dataclass
class FileFacts:
    """Facts that a file states; unknown ones are absent.

    Parameters
    ----------
    instrument
        `Instrument` fields.
    channel_names
        Of the channels, in order.
    position_names
        Of the fields of view, in order.
    times_s
        Time of every frame [s].
    notes
        What is doubtful, in sentences for the user.
    """

    instrument: dict[str, Any] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    position_names: tuple[str, ...] = ()
    times_s: tuple[float, ...] = ()
    notes: list[str] = field(default_factory=list)

    def add(self, other: "FileFacts") -> None:
        """Take over what `other` knows; it wins where both know something."""
        known = {k: v for k, v in other.instrument.items() if v is not None}
        self.instrument.update(known)
        self.channel_names = other.channel_names or self.channel_names
        self.position_names = other.position_names or self.position_names
        self.times_s = other.times_s or self.times_s
        self.notes += other.notes
