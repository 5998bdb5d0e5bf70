"""Which frames of a result are finished: one line a frame, written after its data.

Lines are appended, never changed, so that a killed process leaves at most one broken
last line, which is ignored. Nothing is forced to disk, which would take longer than all
the rest: a power cut may lose what was written last, and the sizes in a line tell.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FrameLog", "plain"]


def plain(value: Any) -> Any:
    """Return `value` as JSON takes it: no NumPy types, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


class FrameLog:
    """Finished frames of one result store.

    Parameters
    ----------
    path
        The log file.
    store_id
        Identity of the store it belongs to; the log of another one is started anew.
    """

    def __init__(self, path: Path, store_id: str):
        self._path = path
        self._finished: dict[str, dict[int, tuple[int, ...]]] = {}
        self.notes: dict[int, dict[str, Any]] = {}
        """What was noted on each frame when its phase was finished."""
        if not self._load(store_id):
            with path.open("w", encoding="utf-8") as file:
                _append(file, {"store": store_id})

    def _load(self, store_id: str) -> bool:
        """Read an existing log; return whether it belongs to this store."""
        if not self._path.is_file():
            return False
        data = self._path.read_bytes()
        complete = data[: data.rfind(b"\n") + 1]
        entries = [_parsed(line) for line in complete.splitlines()]
        if not entries or (entries[0] or {}).get("store") != store_id:
            return False
        if len(complete) < len(data):
            with self._path.open("r+b") as file:
                file.truncate(len(complete))
        for entry in entries[1:]:
            if entry is not None:
                self._apply(entry)
        return True

    def _apply(self, entry: Mapping[str, Any]) -> None:
        try:
            kind, t, done = str(entry["kind"]), int(entry["t"]), bool(entry["done"])
        except (KeyError, TypeError, ValueError):
            return
        frames = self._finished.setdefault(kind, {})
        if not done:
            frames.pop(t, None)
            return
        frames[t] = _sizes(entry.get("bytes"))
        if isinstance(entry.get("notes"), dict):
            self.notes[t] = entry["notes"]

    def finished(self, kind: str) -> dict[int, tuple[int, ...]]:
        """Return the finished frames of this kind and the sizes of their files."""
        return dict(self._finished.get(kind, {}))

    def reopen(self, kind: str, t: int) -> None:
        """Record that a finished frame is about to be rewritten."""
        if t in self._finished.get(kind, ()):
            self._record({"kind": kind, "t": t, "done": False})

    def finish(
        self,
        kind: str,
        t: int,
        sizes: Sequence[int],
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Record that the files of a frame, of these sizes, are written."""
        entry = {"kind": kind, "t": t, "done": True, "bytes": list(sizes)}
        if notes is not None:
            entry["notes"] = plain(notes)
        self._record(entry)

    def _record(self, entry: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            _append(file, entry)
        self._apply(entry)


def _append(file: Any, entry: Mapping[str, Any]) -> None:
    file.write(json.dumps(entry, allow_nan=False) + "\n")
    file.flush()


def _sizes(value: Any) -> tuple[int, ...]:
    """Return sizes as a line holds them; none for lines of earlier versions."""
    is_list = isinstance(value, list) and all(isinstance(n, int) for n in value)
    return tuple(value) if is_list else ()


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
