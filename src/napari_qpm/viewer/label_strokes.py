"""What the ``paint`` event of a Labels layer says: frames that changed, and labels."""

from typing import Any

import numpy as np

__all__ = ["highest_label", "touched_frames"]


def touched_frames(atoms: Any, ndim: int) -> frozenset[int] | None:
    """Return the frames that an edit of ``(T, Y, X)`` or ``(Y, X)`` labels changed.

    Parameters
    ----------
    atoms
        ``event.value``: what napari adds to the layer's history.
    ndim
        Axes of the layer.

    Returns
    -------
    Frames, or `None` when the event does not say.
    """
    if ndim == 2:
        return frozenset({0})
    frames: set[int] = set()
    for atom in atoms or ():
        place = getattr(atom, "slice_key", None)
        if place is not None:
            frames |= set(range(place[-3].start, place[-3].stop))
        elif isinstance(atom, tuple) and len(atom) == 3:
            frames |= set(np.unique(atom[0][-3]).tolist())
        else:
            return None
    return frozenset(frames)


def highest_label(atoms: Any) -> int:
    """Return the highest label that an edit wrote; 0 when the event does not say."""
    highest = 0
    for atom in atoms or ():
        is_plain = isinstance(atom, tuple) and len(atom) == 3
        value = atom[2] if is_plain else getattr(atom, "new_value", 0)
        highest = max(highest, int(np.max(value, initial=0)))
    return highest
