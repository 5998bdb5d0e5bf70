"""Cells that somebody outlined already, in a file: an engine like any other.

So the dock, the command line, pipeline files and scripts take them in the same way, and
results tell where their cells come from.
"""

import functools
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import LayoutError, ParameterError
from napari_qpm.io.label_files import LabelFile, open_labels
from napari_qpm.jobs import CancelToken
from napari_qpm.parameters import Parameters

__all__ = ["FileEngine", "FileParameters"]


class FileParameters(Parameters):
    """Where the cells are."""

    path: str | None = Field(
        None,
        title="File",
        description="Masks of the whole recording, 0 = no cell: TIFF, PNG, NPY, HDF5, "
        "OME-Zarr, a folder with a mask or a _seg.npy of Cellpose for each frame, or "
        "one _seg.npy.",
    )


class FileEngine:
    """Takes the cells from a file; numbers stay as they are there.

    Parameters
    ----------
    parameters
        See `FileParameters`.
    """

    name: ClassVar[str] = "file"
    title: ClassVar[str] = "From a file"
    Parameters: ClassVar[type[FileParameters]] = FileParameters
    companions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: FileParameters | None = None):
        self.parameters = parameters or FileParameters()

    def segment(self, phase_map: PhaseMap, token: CancelToken) -> NDArray[np.int32]:
        """Return labels ``(N, Y, X)`` of frames in memory; 0 is background.

        Raises
        ------
        ParameterError
            No file is chosen.
        FileFormatError
            It cannot be read.
        LayoutError
            It has other frames than the recording, or frames of another size.
        """
        if not self.parameters.path:
            raise ParameterError(
                "Choose the file that holds the cells: with Import cells… in the dock, "
                "or as the parameter path."
            )
        place = Path(self.parameters.path).expanduser()
        file = _opened(place, place.stat().st_mtime_ns if place.exists() else 0)
        rows, columns = _places(file, phase_map)
        labels = np.zeros(phase_map.shape, np.int32)
        for n in range(phase_map.n_frames):
            token.raise_if_cancelled()
            frame = file.read(phase_map.first_frame + n)
            labels[n] = frame[np.ix_(rows, columns)]
        return labels

    def second_opinion(self) -> None:
        """Return nothing: a file has only one."""


@functools.lru_cache(maxsize=1)
def _opened(path: Path, changed_ns: int) -> LabelFile:
    """Return the file, opened once for all frames unless it changes."""
    return open_labels(path)


def _places(
    file: LabelFile, phase_map: PhaseMap
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the file that the pixels of the phase lie on.

    Raises
    ------
    LayoutError
        The file has another shape than phase and recording.
    """
    n_frames, _, *raw = phase_map.acquisition.shape
    size = tuple(file.shape[1:])
    on_phase = size == tuple(phase_map.shape[1:])
    if file.shape[0] != n_frames or not (on_phase or size == tuple(raw)):
        raise LayoutError(
            f"The cells of {file.path} have shape {file.shape}; the phase of "
            f"{phase_map.acquisition.name!r} has {(n_frames, *phase_map.shape[1:])} "
            "(T, Y, X). Choose the cells of this recording, of all its frames."
        )
    steps = (1.0, 1.0) if on_phase else phase_map.grid_scale
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) * step, side - 1).astype(np.intp)
        for n, step, side in zip(phase_map.shape[1:], steps, size, strict=True)
    )
    return rows, columns
