"""Small files that are either whole or absent."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from napari_qpm.errors import OutputError

__all__ = ["make_folder", "remove_files", "write_atomically"]


ADVICE = "Free some space or choose another folder."


def write_atomically(
    path: Path,
    content: bytes | Callable[[BinaryIO], Any],
    advice: str = ADVICE,
    is_flushed: bool = True,
) -> Path:
    """Write `content` under a temporary name, rename it, and return `path`.

    Parameters
    ----------
    path
        Of the file; its folder is made.
    content
        Bytes, or what writes them into an open file.
    advice
        End of the error message.
    is_flushed
        Whether to wait until the disk has it; without, a crash of the machine (not of
        the program) may lose it.

    Raises
    ------
    OutputError
        The disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            if is_flushed:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}. {advice}"
        ) from error
    return path


def make_folder(path: Path) -> Path:
    """Create a folder with its parents and return it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {path} cannot be made: {error.strerror or error}. "
            "Choose another folder."
        ) from error
    return path


def remove_files(*paths: Path) -> None:
    """Remove files that are out of date; those that are not there are no matter."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{path} is out of date and cannot be removed: "
                f"{error.strerror or error}. Close it in other programs."
            ) from error
