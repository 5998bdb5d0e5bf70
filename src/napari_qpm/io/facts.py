"""What the metadata of a file state, collected from its different blocks."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["FileFacts", "focus_of_planes"]


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
    plane_spacing_um
        Between planes along the optical axis.
    times_s
        Time of every frame [s].
    notes
        What is doubtful, in sentences for the user.
    """

    instrument: dict[str, Any] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    position_names: tuple[str, ...] = ()
    plane_spacing_um: float | None = None
    times_s: tuple[float, ...] = ()
    notes: list[str] = field(default_factory=list)

    def add(self, other: "FileFacts") -> None:
        """Take over what `other` knows; it wins where both know something."""
        known = {k: v for k, v in other.instrument.items() if v is not None}
        self.instrument.update(known)
        self.channel_names = other.channel_names or self.channel_names
        self.position_names = other.position_names or self.position_names
        self.plane_spacing_um = other.plane_spacing_um or self.plane_spacing_um
        self.times_s = other.times_s or self.times_s
        self.notes += other.notes


def focus_of_planes(
    n_planes: int, spacing_um: float | None
) -> tuple[dict[str, Any], list[str]]:
    """Return the `Instrument` field of evenly spaced planes, and a note on its zero."""
    if spacing_um is None or n_planes < 2:
        return {}, []
    middle = (n_planes - 1) / 2
    focus = tuple((k - middle) * spacing_um for k in range(n_planes))
    note = (
        f"The file states planes {spacing_um:g} um apart; their middle is taken as "
        "focus. Say it with focus_um=(…) if another plane is."
    )
    return {"focus_um": focus}, [note]
