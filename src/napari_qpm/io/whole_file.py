"""Large files that others see whole or not at all, written by libraries by name."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from napari_qpm.errors import OutputError
from napari_qpm.files import ADVICE, make_folder, remove_files

__all__ = ["whole_file"]


@contextlib.contextmanager
def whole_file(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Give a temporary name to write under; rename it when the block ends well.

    Raises
    ------
    OutputError
        The file is there and must not be replaced, or the disk refuses it.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already. Choose another name or remove it.")
    make_folder(path.parent)
    # The suffix stays last: libraries choose the format by it.
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written: {reason}. {ADVICE}") from error
    finally:
        remove_files(partial)
