"""Facts that users fill in are remembered for the next recording of the same folder.

They are kept apart for each kind of recording, and only what a user stated is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import OutputError, QPMError
from napari_qpm.instrument import Instrument
from napari_qpm.viewer.state_file import StateFile, state_folder

__all__ = ["REMEMBERED", "FolderMemory", "Remembered"]

REMEMBERED = (
    "wavelength_nm",
    "pixel_size_um",
    "numerical_aperture",
    "medium_index",
    "focus_um",
    "phase_steps_deg",
    "polarization_layout",
    "phase_unit",
    "phase_sign",
    "frame_interval_s",
)
"""Facts that recordings of one folder share, in the order in which they are told."""

FILE_NAME = "folders.json"
LABEL = "napari-qpm folders 1"
MOST_FOLDERS = 200
ANY_KIND = "any kind"


@dataclass(frozen=True)
class Remembered:
    """What was stated for an earlier recording of a folder.

    Parameters
    ----------
    facts
        `Instrument` fields.
    recording
        Name of the recording that they were last stated for.
    when
        Date and time (ISO 8601).
    reference
        File of its reference frame.
    """

    facts: dict[str, Any]
    recording: str
    when: str = ""
    reference: Path | None = None


class FolderMemory:
    """What was stated for the recordings of each folder.

    Parameters
    ----------
    folder
        Where the memory is kept; the platform's place by default.
    """

    def __init__(self, folder: Path | None = None):
        place = state_folder() if folder is None else folder
        self._file = StateFile(place / FILE_NAME, LABEL)
        self._failure = ""

    @property
    def problem(self) -> str:
        """What the user should know of the memory itself; empty when all is well."""
        return self._failure or self._file.problem

    def recall(self, acquisition: Acquisition) -> Remembered | None:
        """Return what was stated for this kind of recording in this folder."""
        key = _key(acquisition)
        if key is None:
            return None
        entry = _entry(self._folders(), key)
        facts = {
            name: entry["facts"][name]
            for name in REMEMBERED
            if _is_possible(name, entry["facts"].get(name))
        }
        reference = entry["reference"]
        if not facts and reference is None:
            return None
        return Remembered(
            facts,
            str(entry["recording"]),
            str(entry["when"]),
            Path(reference) if isinstance(reference, str) else None,
        )

    def remember(self, acquisition: Acquisition, facts: Mapping[str, Any]) -> None:
        """Keep facts for recordings to come; `None` forgets one."""
        kept = {name: value for name, value in facts.items() if name in REMEMBERED}
        if kept:
            self._change(acquisition, kept, {}, _key(acquisition))

    def remember_reference(self, acquisition: Acquisition, path: Path | None) -> None:
        """Keep the file of a reference frame; `None` forgets it."""
        name = None if path is None else str(path.absolute())
        self._change(acquisition, {}, {"reference": name}, _key(acquisition))

    def recall_channel(self, acquisition: Acquisition) -> str | None:
        """Return the channel that was chosen in this folder, whatever its kind."""
        key = _channel_key(acquisition)
        return None if key is None else _entry(self._folders(), key)["channel"]

    def remember_channel(self, acquisition: Acquisition, name: str) -> None:
        """Keep which channel of this folder's files makes the phase."""
        self._change(acquisition, {}, {"channel": name}, _channel_key(acquisition))

    def _change(
        self,
        acquisition: Acquisition,
        facts: Mapping[str, Any],
        rest: Mapping[str, Any],
        key: tuple[str, str] | None,
    ) -> None:
        if key is None:
            return
        folders = self._folders()
        entry = _entry(folders, key)
        known = Instrument().replace(**dict(facts)).to_dict()
        merged = {**entry["facts"], **dict.fromkeys(facts), **known}
        entry |= rest
        entry["facts"] = {k: v for k, v in merged.items() if v is not None}
        entry["recording"] = acquisition.name
        entry["when"] = datetime.now().astimezone().isoformat(timespec="seconds")
        folder, kind = key
        kinds = folders.pop(folder, {})
        kinds = kinds if isinstance(kinds, dict) else {}
        # Last in the file is what was used last.
        folders[folder] = {**kinds, kind: entry}
        newest = dict(list(folders.items())[-MOST_FOLDERS:])
        try:
            self._file.write({"folders": newest})
            self._failure = ""
        except OutputError as error:
            self._failure = f"What you fill in is not remembered: {error}"

    def _folders(self) -> dict[str, Any]:
        folders = self._file.read().get("folders")
        return folders if isinstance(folders, dict) else {}


def _key(acquisition: Acquisition) -> tuple[str, str] | None:
    """Return folder and kind; `None` for recordings that are in no file."""
    if acquisition.path is None or acquisition.modality is None:
        return None
    return str(acquisition.path.absolute().parent), acquisition.modality.value


def _channel_key(acquisition: Acquisition) -> tuple[str, str] | None:
    """Return folder and a kind of its own: the channel decides on the kind."""
    if acquisition.path is None:
        return None
    return str(acquisition.path.absolute().parent), ANY_KIND


def _entry(folders: Mapping[str, Any], key: tuple[str, str]) -> dict[str, Any]:
    """Return the entry of a folder and kind, complete whatever the file holds."""
    kinds = folders.get(key[0])
    entry = kinds.get(key[1]) if isinstance(kinds, dict) else None
    entry = dict(entry) if isinstance(entry, dict) else {}
    facts = entry.get("facts")
    reference, channel = entry.get("reference"), entry.get("channel")
    return {
        "recording": entry.get("recording", ""),
        "when": entry.get("when", ""),
        "facts": dict(facts) if isinstance(facts, dict) else {},
        "reference": reference if isinstance(reference, str) else None,
        "channel": channel if isinstance(channel, str) else None,
    }


def _is_possible(name: str, value: Any) -> bool:
    """Whether a stored value, which may be damaged, is one that an instrument takes."""
    if value is None:
        return False
    try:
        Instrument().replace(**{name: value})
    except (QPMError, TypeError, ValueError):
        return False
    return True
