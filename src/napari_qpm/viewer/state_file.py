"""What the viewer remembers between sessions: small JSON files in the user's place.

A damaged file never stops anything: it is put aside, and a fresh one is begun.
"""

import json
from pathlib import Path
from typing import Any

from napari_qpm.files import write_atomically

__all__ = ["StateFile", "state_folder"]

ASIDE = ".damaged"


def state_folder() -> Path:
    """Return where state is kept: the platform's place for states of programs."""
    import platformdirs

    return Path(platformdirs.user_state_dir("napari-qpm", appauthor=False))


class StateFile:
    """One JSON object on disk.

    Parameters
    ----------
    path
        Of the file; its folder is made when it is first written.
    label
        What a file of this kind says of itself, with its version.
    """

    def __init__(self, path: Path, label: str):
        self.path, self._label = path, label
        self.problem = ""

    def read(self) -> dict[str, Any]:
        """Return what is on disk; nothing if it is absent, damaged or of others."""
        try:
            values = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            self._put_aside(str(error))
            return {}
        if not isinstance(values, dict) or values.pop("format", "") != self._label:
            self._put_aside("it holds something else")
            return {}
        return values

    def write(self, values: dict[str, Any]) -> None:
        """Replace what is on disk.

        Raises
        ------
        OutputError
            The disk is full or read-only.
        """
        content = json.dumps({"format": self._label, **values}, indent=1)
        # Not worth the wait of a flush to the disk: it runs on the GUI thread.
        write_atomically(self.path, content.encode(), is_flushed=False)

    def _put_aside(self, reason: str) -> None:
        aside = self.path.with_name(self.path.name + ASIDE)
        try:
            self.path.replace(aside)
        except OSError:
            aside = self.path
        self.problem = (
            f"What was remembered in {self.path.name} cannot be read ({reason}), so it "
            f"is begun anew. The old file is {aside}."
        )
