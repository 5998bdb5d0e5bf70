"""Frames that a file is far too small to hold: a damaged header, not a recording."""

import os
from pathlib import Path

import numpy as np

from napari_qpm.acquisition import FrameSource
from napari_qpm.errors import FileFormatError

__all__ = ["LARGEST_FRAME_BYTES", "require_plausible"]

LARGEST_FRAME_BYTES = 1 << 28
"""Frames up to this size are read even from a tiny file: blank ones compress well."""


def require_plausible(path: Path, source: FrameSource) -> None:
    """Raise before memory is asked for a frame that the file cannot hold.

    Raises
    ------
    FileFormatError
        A frame is larger than the file and than any camera's.
    """
    if not path.is_file():
        return
    frame = int(np.prod(source.shape[1:], dtype=object)) * source.dtype.itemsize
    if frame <= max(LARGEST_FRAME_BYTES, os.stat(path).st_size):
        return
    raise FileFormatError(
        f"The header of {path} states frames of {source.shape[1:]} (C, Y, X), which "
        "the file is far too small to hold. Copy it again from the camera."
    )
