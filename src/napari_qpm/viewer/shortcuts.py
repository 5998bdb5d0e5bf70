"""Every key of ours, in one table: bound, shown in tooltips and listed in the docs.

Keys are bound in code, on layers of ours only: napari registers none that a manifest
names, and the user's own layers keep the user's keys.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["SHORTCUTS", "Act", "Shortcut", "shortcuts_as_markdown", "tooltip"]


class Act(StrEnum):
    """What a key does."""

    RETRIEVE = "retrieve"
    """Retrieve phase."""
    SEGMENT = "segment"
    """Segment cells."""
    MEASURE = "measure"
    """Measure cells."""
    FOLLOW = "follow"
    """Let phase and cells follow the slider, or not."""
    DONE = "done"
    """Mark the frame as done, or not."""
    SUGGEST = "suggest"
    """Show the frame whose cells are most in doubt."""
    NO_CELL = "no_cell"
    """Paint where there is no cell."""
    MERGE = "merge"
    """Choose the tool that merges cells."""
    SPLIT = "split"
    """Choose the tool that splits cells."""
    DELETE = "delete"
    """Choose the tool that deletes cells."""
    NEW = "new"
    """Paint a cell with a label that is free."""
    STOP = "stop"
    """Put the tool away."""


@dataclass(frozen=True)
class Shortcut:
    """A key, and what it does.

    Parameters
    ----------
    key
        As napari spells it, for example ``"Shift-M"``.
    does
        Verb phrase for the user.
    is_for_cells
        Whether it works on the layer of cells only, not on recording and phase too.
    """

    key: str
    does: str
    is_for_cells: bool = False

    @property
    def shown(self) -> str:
        """The key as it stands on a keyboard, for example ``"Shift+M"``."""
        return self.key.replace("-", "+").replace("Escape", "Esc")


SHORTCUTS = {
    Act.RETRIEVE: Shortcut("Shift-R", "Retrieve phase"),
    Act.SEGMENT: Shortcut("Shift-C", "Segment cells"),
    Act.MEASURE: Shortcut("Shift-T", "Measure cells and show the table"),
    Act.FOLLOW: Shortcut("Shift-F", "Follow the slider, or stop following"),
    Act.DONE: Shortcut("Shift-E", "Mark the frame as done, or as not done"),
    Act.SUGGEST: Shortcut("Shift-G", "Suggest the next frame to annotate"),
    Act.NO_CELL: Shortcut("Shift-B", "Paint where there is no cell, or stop"),
    Act.MERGE: Shortcut("Shift-M", "Merge cells by clicks", is_for_cells=True),
    Act.SPLIT: Shortcut("Shift-S", "Split a cell", is_for_cells=True),
    Act.DELETE: Shortcut("Shift-D", "Delete cells by clicks", is_for_cells=True),
    Act.NEW: Shortcut("Shift-N", "Paint a new cell", is_for_cells=True),
    Act.STOP: Shortcut("Escape", "Put the tool for cells away", is_for_cells=True),
}
"""napari uses none of these keys for images and labels, but `Escape`, which it only
needs while a polygon is drawn and which is ours only while a tool of ours is chosen."""


def tooltip(text: str, act: Act) -> str:
    """Return a tooltip with its key, as rich text so that it wraps."""
    told = f"<p>{text}</p>" if text else ""
    return f"{told}<p><b>{SHORTCUTS[act].shown}</b></p>"


def shortcuts_as_markdown() -> str:
    """Return the table as the docs show it."""
    rows = ["| key | what it does | works on |", "| --- | --- | --- |"]
    for one in SHORTCUTS.values():
        where = "cells" if one.is_for_cells else "recording, phase and cells"
        rows.append(f"| {one.shown} | {one.does} | {where} |")
    return "\n".join(rows) + "\n"
