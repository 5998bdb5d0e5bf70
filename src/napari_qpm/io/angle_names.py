"""Files and folders named by polarizer angle, in any usual spelling.

``I0``, ``cell_045``, ``90deg_t3``, ``pol-135°``: one number in every name is an angle.
Which one, counted from the end of the name, is where all names make complete groups of
four.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_qpm.errors import LayoutError

__all__ = ["ANGLES", "natural_key", "order_by_angle"]

ANGLES = (0, 45, 90, 135)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MOST_NUMBERS = 4


def natural_key(path: Path) -> list[Any]:
    """Return a sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.stem.lower())
    return [int(part) if part.isdecimal() else part for part in parts]


def order_by_angle(folder: Path, paths: Sequence[Path]) -> list[Path] | None:
    """Return paths as 0, 45, 90, 135 of each frame when their names hold angles.

    Parameters
    ----------
    folder
        Where they are, for messages.
    paths
        Files or folders.

    Raises
    ------
    LayoutError
        Names hold angles, but one angle is missing.
    """
    incomplete: dict[str, dict[int, Path]] | None = None
    for number in range(1, _MOST_NUMBERS + 1):
        groups = _grouped(paths, number)
        if groups is None:
            continue
        if all(len(group) == len(ANGLES) for group in groups.values()):
            keys = sorted(groups, key=lambda key: natural_key(Path(key)))
            return [groups[key][angle] for key in keys for angle in ANGLES]
        found = {angle for group in groups.values() for angle in group}
        if len(found) >= 3 and incomplete is None and _mostly_full(groups):
            incomplete = groups
    if incomplete is not None:
        raise _missing(folder, incomplete)
    return None


def _grouped(paths: Sequence[Path], number: int) -> dict[str, dict[int, Path]] | None:
    """Return paths by the angle that the `number`-th number from their end is."""
    groups: dict[str, dict[int, Path]] = {}
    for path in paths:
        name = path.name if path.is_dir() else path.stem
        matches = list(_NUMBER.finditer(name))
        if len(matches) < number:
            return None
        match = matches[-number]
        angle = float(match[0])
        rest = f"{name[: match.start()]}#{name[match.end() :]}"
        group = groups.setdefault(rest, {})
        if angle not in ANGLES or angle in group:
            return None
        group[int(angle)] = path
    return groups


def _mostly_full(groups: dict[str, dict[int, Path]]) -> bool:
    """Whether names were meant as angles: three of four in most groups."""
    full = sum(len(group) >= 3 for group in groups.values())
    return 2 * full > len(groups)


def _missing(folder: Path, groups: dict[str, dict[int, Path]]) -> LayoutError:
    key, group = next((k, g) for k, g in groups.items() if len(g) < len(ANGLES))
    missing = ", ".join(str(angle) for angle in ANGLES if angle not in group)
    where = f"for {key.replace('#', '…')!r} " if len(groups) > 1 else ""
    return LayoutError(
        f"The folder {folder} holds images of {len(group)} polarizer angles "
        f"{where}(by their names); {missing} degrees is missing. Four are needed."
    )
