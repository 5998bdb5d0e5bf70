"""Nikon's ND2 files, read by the optional package ``nd2``.

Positions are fields of view. The wavelength of an ND2 channel is that of its
fluorescence filter, not of a phase microscope, so that it is not taken.
"""

import contextlib
import importlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.facts import focus_of_planes
from napari_qpm.io.field import RawField
from napari_qpm.io.units import positive

__all__ = ["Nd2Source", "read_nd2"]

_MOST_TIMES = 1000
"""Frames whose metadata are read for their times."""
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
)


def _package() -> Any:
    try:
        return importlib.import_module("nd2")
    except ImportError as error:
        raise FileFormatError(
            "ND2 files need the package nd2. Install it with "
            "pip install 'napari-qpm[nd2]', or export the recording as OME-TIFF."
        ) from error


class Nd2Source:
    """Frames of one position of an ND2 file.

    Parameters
    ----------
    path
        The file.
    frames
        For each frame, the numbers of the images that make it (one, or its planes).
    shape
        ``(C, Y, X)`` of a frame.
    dtype
        Of the raw pixels.
    """

    def __init__(
        self,
        path: Path,
        frames: Sequence[Sequence[int]],
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
    ):
        self._arguments = (path, frames, shape, dtype)
        self._lock = threading.Lock()
        self._file: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Nd2Source, self._arguments

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        _, frames, shape, _ = self._arguments
        return len(frames), *shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw pixels."""
        return self._arguments[3]

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        path, frames, shape, dtype = self._arguments
        with self._lock:
            try:
                if self._file is None:
                    self._file = _package().ND2File(path)
                images = [np.asarray(self._file.read_frame(k)) for k in frames[t]]
                return np.stack(images).astype(dtype, copy=False).reshape(shape)
            except _DAMAGE as error:
                raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(
        f"{path} cannot be read as ND2 ({error}). It is damaged or of a version that "
        "the package nd2 does not know; export it as OME-TIFF."
    )


def read_nd2(path: Path, planes: bool = False) -> list[RawField]:
    """Return every position of an ND2 file.

    Raises
    ------
    FileFormatError
        The package nd2 is missing, or the file is damaged.
    LayoutError
        It has planes as well as channels or times.
    """
    nd2 = _package()
    try:
        with nd2.ND2File(path) as file:
            return _read(path, file, planes)
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _read(path: Path, file: Any, planes: bool) -> list[RawField]:
    sizes = dict(file.sizes)
    n_channels, n_planes = int(sizes.get("C", 1)), int(sizes.get("Z", 1))
    if "S" in sizes:
        raise LayoutError(f"{path} holds colour images; export it as OME-TIFF.")
    if n_planes > 1 and (n_channels > 1 or (not planes and sizes.get("T", 1) > 1)):
        raise LayoutError(
            f"{path} holds {n_planes} planes of {n_channels} channels. Save one plane "
            "or one channel, or open a focus stack with modality='through-focus'."
        )
    size = int(sizes["Y"]), int(sizes["X"])
    places = [dict(index) for index in file.loop_indices] or [{}]
    instrument, notes = _instrument(file, n_planes if planes else 1)
    names = tuple(str(c.channel.name) for c in file.metadata.channels or ())
    fields = []
    n_positions = int(sizes.get("P", 1))
    for position in range(n_positions):
        own = [k for k, at in enumerate(places) if at.get("P", 0) == position]
        own.sort(key=lambda k: (places[k].get("T", 0), places[k].get("Z", 0)))
        group = n_planes if planes else 1
        frames = [own[k : k + group] for k in range(0, len(own), group)]
        shape = (group if group > 1 else n_channels, *size)
        fields.append(
            RawField(
                source=Nd2Source(path, frames, shape, np.dtype(file.dtype)),
                reader="ND2",
                instrument=instrument,
                notes=tuple(notes),
                position=f"position {position}" if n_positions > 1 else "",
                channel_names=names if n_channels > 1 else (),
                times_s=_times(file, [frame[0] for frame in frames]),
            )
        )
    return fields


def _instrument(file: Any, n_planes: int) -> tuple[dict[str, Any], list[str]]:
    voxel = file.voxel_size()
    bits = positive(getattr(file.attributes, "bitsPerComponentSignificant", None))
    found: dict[str, Any] = {
        "pixel_size_um": positive(voxel.x),
        "bit_depth": None if bits is None else int(bits),
    }
    for channel in file.metadata.channels or ():
        scope = channel.microscope
        found["numerical_aperture"] = positive(scope.objectiveNumericalAperture)
        found["magnification"] = positive(scope.objectiveMagnification)
        break
    focus, notes = focus_of_planes(n_planes, positive(voxel.z))
    found |= focus
    return {name: value for name, value in found.items() if value is not None}, notes


def _times(file: Any, images: Sequence[int]) -> tuple[float, ...]:
    """Return the time [s] of each of these images; nothing when one has none."""
    if not 2 <= len(images) <= _MOST_TIMES:
        return ()
    with contextlib.suppress(*_DAMAGE):
        stamps = [file.frame_metadata(k).channels[0].time for k in images]
        return tuple(float(stamp.relativeTimeMs) / 1000 for stamp in stamps)
    return ()
