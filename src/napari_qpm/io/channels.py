"""The channel that makes the phase, where a file also holds fluorescence or others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, FrameSource, Modality
from napari_qpm.errors import UnknownNameError
from napari_qpm.io.detect import detect_modality
from napari_qpm.io.field import ChannelSource

__all__ = ["Channels", "channels_of", "choose_channel"]

_SINGLE = (Modality.POLARIZATION, Modality.OFF_AXIS, Modality.PHASE)
"""Kinds that a single channel makes by itself."""
_QPM_NAME = re.compile(
    r"phase|qp[im]|dhm|holo|interfer|polar|opd|\bsid4", re.IGNORECASE
)
_COLOURS = {"r", "g", "b", "red", "green", "blue", "a", "alpha", "rgb"}
_ANGLE = re.compile(r"^\D*(0|45|90|135)\D*$")


@dataclass(frozen=True)
class Channels:
    """Channels of a file of which one makes the phase.

    Parameters
    ----------
    names
        As the file states them; numbers where it does not, or uses a name twice.
    chosen
        The one that is used; `None` when that is not clear.
    is_stated
        Whether user or sidecar named it.
    """

    names: tuple[str, ...]
    chosen: str | None
    is_stated: bool = False


def channels_of(recording: Acquisition) -> Channels | None:
    """Return what a recording could be chosen from; `None` where nothing was chosen."""
    for step in recording.history:
        stored = step.parameters.get("channels")
        if stored is not None:
            return Channels(**{**stored, "names": tuple(stored["names"])})
    return None


def choose_channel(
    path: Path,
    source: FrameSource,
    first: NDArray[Any],
    names: Sequence[str],
    wanted: int | str | None,
    notes: list[str],
) -> tuple[FrameSource, NDArray[Any], Channels | None]:
    """Return the frames of the channel that makes the phase; all of them if unsure.

    The channels to choose from come with them, where there is a choice.

    Parameters
    ----------
    path
        File, for messages.
    source, first
        Frames ``(T, C, Y, X)`` and the first of them ``(C, Y, X)``.
    names
        Of the channels, as the file states them; may be empty.
    wanted
        Number or name of the channel, when user or sidecar name one.
    notes
        Gets a note on what was chosen, and why.

    Raises
    ------
    UnknownNameError
        There is no channel of this name or number.
    """
    n_channels = source.shape[1]
    labels = [_label(names, k) for k in range(n_channels)]
    if wanted is not None:
        chosen: int | None = _numbered(path, labels, names, wanted)
    elif n_channels == 1 or _belong_together(n_channels, names):
        return source, first, None
    else:
        chosen = _only_one(names, first)
    plain = _choices(names, n_channels)
    if chosen is None:
        return source, first, Channels(plain, None)
    if n_channels > 1:
        others = ", ".join(name for k, name in enumerate(labels) if k != chosen)
        notes.append(
            f"Channel {labels[chosen]} makes the phase; the file also holds {others}. "
            "Choose another with channel=…."
        )
    kept = ChannelSource(source, (chosen,)), first[chosen : chosen + 1]
    if n_channels == 1:
        return *kept, None
    return *kept, Channels(plain, plain[chosen], is_stated=wanted is not None)


def _choices(names: Sequence[str], n_channels: int) -> tuple[str, ...]:
    """Return a name for each channel by which `choose_channel` finds it again."""
    known = [name.strip() for name in names]
    lower = [name.lower() for name in known]
    return tuple(
        known[k]
        if k < len(known) and lower.count(lower[k]) == 1 and known[k]
        else f"{k}"
        for k in range(n_channels)
    )


def _label(names: Sequence[str], number: int) -> str:
    name = names[number] if number < len(names) else ""
    return repr(name) if name else str(number)


def _numbered(
    path: Path, labels: Sequence[str], names: Sequence[str], wanted: int | str
) -> int:
    text = str(wanted).strip()
    plain = [name.strip().lower() for name in names]
    if text.lower() in plain:
        return plain.index(text.lower())
    if text.isdecimal() and int(text) < len(labels):
        return int(text)
    options = [str(k) for k in range(len(labels))] + [name for name in names if name]
    raise UnknownNameError(f"channel (in {path.name})", text, options)


def _belong_together(n_channels: int, names: Sequence[str]) -> bool:
    """Whether channels are the colours or angles of one image, as far as known."""
    known = [name.strip().lower() for name in names if name.strip()]
    if len(known) < n_channels:
        return n_channels in (3, 4)
    if all(name in _COLOURS for name in known):
        return True
    angles = {match[1] for name in known if (match := _ANGLE.match(name))}
    return len(angles) == 4 == n_channels


def _only_one(names: Sequence[str], first: NDArray[Any]) -> int | None:
    """Return the one channel that is named, or looks, like a recording of phase."""
    named = [k for k, name in enumerate(names) if _QPM_NAME.search(name)]
    if len(named) == 1 and named[0] < len(first):
        return named[0]
    candidates = named or range(len(first))
    seen = [
        k
        for k in candidates
        if k < len(first) and detect_modality(first[k : k + 1]).modality in _SINGLE
    ]
    return seen[0] if len(seen) == 1 else None
