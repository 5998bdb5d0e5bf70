"""Corrections of cells on disk, so that they survive a crash.

One folder a layer: ``about.json`` and one small file a corrected frame, each written
under another name first and then renamed, so that a half-written file never counts.
"""

import hashlib
import io
import json
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import FileFormatError
from napari_qpm.files import write_atomically

__all__ = ["Corrections", "corrections_of", "new_corrections", "recovery_folder"]

ABOUT = "about.json"
FORMAT = "napari-qpm corrections 1"
KEY_LENGTH = 16
NO_CELLS = "-no-cells"


def recovery_folder() -> Path:
    """Return where corrections are kept: the platform's place for data of programs."""
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-qpm", appauthor=False)) / "recovery"


@dataclass(frozen=True)
class Corrections:
    """Corrected frames of one layer of cells, on disk.

    Parameters
    ----------
    folder
        Where they are.
    """

    folder: Path

    def about(self) -> dict[str, Any]:
        """Return ``recording``, ``shape`` ``(T, Y, X)``, ``saved`` [s] and ``done``.

        Raises
        ------
        FileFormatError
            The folder is damaged, or holds something else.
        """
        try:
            about = json.loads((self.folder / ABOUT).read_text("utf-8"))
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']!r}")
            return {
                "recording": str(about["recording"]),
                "shape": tuple(int(n) for n in about["shape"]),
                "saved": float(about["saved"]),
                "done": frozenset(int(t) for t in about.get("done", ())),
            }
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise FileFormatError(
                f"The saved corrections in {self.folder} cannot be read ({error}). "
                "They are left as they are."
            ) from error

    @property
    def frames(self) -> list[int]:
        """Numbers of the frames that are there."""
        names = (path.stem for path in self.folder.glob("[0-9]*.npz"))
        return sorted(int(name) for name in names if name.isdigit())

    def when(self) -> str:
        """Return when they were saved, in local time."""
        saved = datetime.fromtimestamp(self.about()["saved"]).astimezone()
        is_today = saved.date() == datetime.now().astimezone().date()
        return saved.strftime("%H:%M" if is_today else "%d %B, %H:%M")

    def describe(
        self, acquisition: Acquisition, shape: tuple[int, ...], done: frozenset[int]
    ) -> None:
        """Write whose corrections these are, and which frames are marked as done.

        Raises
        ------
        OutputError
            The disk is full or read-only.
        """
        about = {
            "format": FORMAT,
            "recording": _name(acquisition),
            "shape": list(shape),
            "saved": time.time(),
            "done": sorted(done),
        }
        write_atomically(self.folder / ABOUT, json.dumps(about).encode())

    def save(self, t: int, labels: NDArray[np.integer]) -> None:
        """Write the labels ``(Y, X)`` of a frame.

        Raises
        ------
        OutputError
            The disk is full or read-only.
        """
        self._write(f"{t:06d}.npz", labels)

    def save_no_cells(self, t: int, mask: NDArray[np.integer]) -> None:
        """Write where a frame has no cell, ``(Y, X)``, not 0 there.

        Raises
        ------
        OutputError
            The disk is full or read-only.
        """
        self._write(f"{t:06d}{NO_CELLS}.npz", mask)

    def _write(self, name: str, labels: NDArray[np.integer]) -> None:
        content = io.BytesIO()
        np.savez_compressed(content, labels=labels)
        write_atomically(self.folder / name, content.getvalue())

    def read(self) -> Iterator[tuple[int, NDArray[np.integer]]]:
        """Yield the number and labels ``(Y, X)`` of every frame.

        Raises
        ------
        FileFormatError
            A file is damaged.
        """
        for t in self.frames:
            yield t, _read(self.folder / f"{t:06d}.npz", t)

    def read_no_cells(self) -> Iterator[tuple[int, NDArray[np.integer]]]:
        """Yield number and mask ``(Y, X)`` of the frames where it says something.

        Raises
        ------
        FileFormatError
            A file is damaged.
        """
        for t in self.frames:
            path = self.folder / f"{t:06d}{NO_CELLS}.npz"
            if path.exists():
                yield t, _read(path, t)

    def remove(self) -> None:
        """Delete them; what cannot be deleted stays."""
        shutil.rmtree(self.folder, ignore_errors=True)


def new_corrections(acquisition: Acquisition, root: Path) -> Corrections:
    """Return an empty place for corrections of this recording."""
    return Corrections(root / f"{_key(acquisition)}-{uuid.uuid4().hex[:8]}")


def corrections_of(acquisition: Acquisition, root: Path) -> list[Corrections]:
    """Return what is saved for this recording, the newest first."""
    folders = [path for path in root.glob(f"{_key(acquisition)}-*") if path.is_dir()]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [Corrections(path) for path in folders]


def _read(path: Path, t: int) -> NDArray[np.integer]:
    try:
        # Opened here, so that a damaged file is closed, too.
        with (
            path.open("rb") as stream,
            np.load(stream, allow_pickle=False) as file,
        ):
            labels: NDArray[np.integer] = file["labels"]
        if labels.ndim != 2 or labels.dtype.kind not in "iu":
            raise ValueError(f"it holds {labels.dtype} {labels.shape}")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as bad:
        raise FileFormatError(
            f"The saved corrections of frame {t} cannot be read: {path} is damaged "
            f"({bad}). It is left as it is."
        ) from bad
    return labels


def _key(acquisition: Acquisition) -> str:
    """Return what tells one recording from others: its place and its shape."""
    described = f"{_name(acquisition)} {tuple(acquisition.shape)}"
    return hashlib.sha256(described.encode()).hexdigest()[:KEY_LENGTH]


def _name(acquisition: Acquisition) -> str:
    if acquisition.path is None:
        return acquisition.name
    return f"{acquisition.path.absolute()} {acquisition.name}"
