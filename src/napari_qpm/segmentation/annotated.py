"""Frames whose cells a person outlined: what a network can learn from.

A pixel with a label is cell. One without is background where the frame is done, or
where somebody marked it; elsewhere nobody has judged it, and it teaches nothing.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import (
    Acquisition,
    ArraySource,
    Instrument,
    Modality,
    PhaseMap,
    PhaseUnit,
)
from napari_qpm.errors import FileFormatError, LayoutError, ParameterError, QPMError
from napari_qpm.files import write_atomically

__all__ = ["AnnotatedFrame", "annotated_frames", "load_frames", "save_frames"]

PATTERN = "frame-*.npz"
_DAMAGES = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    QPMError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged archive raises."""


@dataclass(frozen=True, eq=False)
class AnnotatedFrame:
    """One frame and what a person says of its pixels.

    Parameters
    ----------
    phase_map
        Of this frame alone, in memory.
    labels
        ``(Y, X)`` cells, 0 = none.
    is_done
        Whether all that has no label is background.
    background
        ``(Y, X)`` what is background in a frame that is not done.
    name
        Recording and number, for people.
    """

    phase_map: PhaseMap
    labels: NDArray[np.integer]
    is_done: bool = True
    background: NDArray[np.bool_] | None = None
    name: str = "frame"

    def __post_init__(self) -> None:
        shape = self.phase_map.shape
        given = [self.labels] + ([] if self.background is None else [self.background])
        if shape[0] != 1 or any(one.shape != shape[1:] for one in given):
            raise LayoutError(
                f"The cells of {self.name} have shape {self.labels.shape}, its phase "
                f"{shape[1:]} (Y, X). Take the cells that were outlined on this phase."
            )

    @property
    def n_cells(self) -> int:
        """Number of outlined cells."""
        values = np.unique(self.labels)
        return int((values > 0).sum())

    def judged(self) -> NDArray[np.bool_]:
        """Return ``(Y, X)`` where somebody said what there is."""
        if self.is_done:
            return np.ones(self.labels.shape, np.bool_)
        is_cell: NDArray[np.bool_] = self.labels > 0
        return is_cell if self.background is None else is_cell | self.background


def annotated_frames(
    phase_map: PhaseMap,
    labels: Any,
    *,
    done: Iterable[int] | None = None,
    background: Any = None,
) -> list[AnnotatedFrame]:
    """Return the frames of a recording that somebody annotated.

    Parameters
    ----------
    phase_map
        ``(T, Y, X)``, in memory or lazy; only annotated frames are read.
    labels
        ``(T, Y, X)`` cells, 0 = none.
    done
        Frames in which all that has no label is background; None = all with a label.
    background
        ``(T, Y, X)`` what is background in the others.

    Raises
    ------
    LayoutError
        The labels have another shape.
    ParameterError
        There is no such frame.
    """
    name = repr(phase_map.acquisition.name)
    if tuple(labels.shape) != phase_map.shape:
        raise LayoutError(
            f"The cells have shape {tuple(labels.shape)}, the phase of {name} has "
            f"{phase_map.shape} (T, Y, X). Take the cells that were outlined on it."
        )
    is_done = None if done is None else set(done)
    unknown = sorted((is_done or set()) - set(range(phase_map.n_frames)))
    if unknown:
        raise ParameterError(
            f"There is no frame {unknown[0]}: {name} has frames 0 to "
            f"{phase_map.n_frames - 1}."
        )
    found = []
    for t in range(phase_map.n_frames):
        cells = np.asarray(labels[t])
        empty = None if background is None else np.asarray(background[t], np.bool_)
        is_marked = empty is not None and bool(empty.any())
        if (is_done is not None and t in is_done) or cells.any() or is_marked:
            whole = t in is_done if is_done is not None else True
            found.append(annotate(phase_map, t, cells, is_done=whole, background=empty))
    return found


def annotate(
    phase_map: PhaseMap,
    t: int,
    labels: NDArray[np.integer],
    *,
    is_done: bool,
    background: NDArray[np.bool_] | None = None,
) -> AnnotatedFrame:
    """Return frame `t` of a map with its cells; raw frames stay with the recording."""
    acquisition = phase_map.acquisition
    name = acquisition.name
    if acquisition.n_frames > 1:
        name += f" frame {phase_map.first_frame + t}"
    alone = phase_map.replace(
        phase=phase_map.read(t)[None],
        first_frame=phase_map.first_frame + t,
        frame_notes=(),
        **dict.fromkeys(("wrapped", "amplitude", "quality", "standard_deviation")),
    )
    return AnnotatedFrame(
        alone, np.asarray(labels, np.int32), is_done, background, name
    )


def save_frames(frames: Sequence[AnnotatedFrame], folder: Path) -> Path:
    """Write frames into a folder, one file each, and return the folder.

    Raises
    ------
    OutputError
        The disk is full or the folder cannot be written.
    """
    for number, frame in enumerate(frames):
        content = io.BytesIO()
        np.savez_compressed(content, **_arrays(frame))
        write_atomically(folder / f"frame-{number:04d}.npz", content.getvalue())
    return folder


def load_frames(folder: Path | str) -> list[AnnotatedFrame]:
    """Return the frames that `save_frames` wrote.

    Raises
    ------
    FileFormatError
        The folder holds none, or one is damaged.
    """
    paths = sorted(Path(folder).glob(PATTERN))
    if not paths:
        raise FileFormatError(f"{folder} holds no annotated frames ({PATTERN}).")
    return [_load(path) for path in paths]


def _arrays(frame: AnnotatedFrame) -> dict[str, Any]:
    """Return what one file holds: pixels, and all that is known of them as JSON."""
    phase_map = frame.phase_map
    acquisition = phase_map.acquisition
    about = {
        "name": frame.name,
        "is_done": frame.is_done,
        "recording": acquisition.name,
        "instrument": acquisition.instrument.to_dict(),
        "unit": phase_map.unit.value,
        "grid_scale": list(phase_map.grid_scale),
    }
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(about)),
        "phase": phase_map.read(0),
        "labels": frame.labels,
    }
    if frame.background is not None:
        arrays["background"] = frame.background
    if acquisition.modality is Modality.POLARIZATION:
        arrays["raw"] = phase_map.read_raw(0)
    return arrays


def _load(path: Path) -> AnnotatedFrame:
    try:
        # From memory: NumPy leaves damaged files open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        phase, raw = arrays["phase"], arrays.get("raw")
        acquisition = Acquisition(
            source=ArraySource((phase if raw is None else raw)[None]),
            modality=Modality.PHASE if raw is None else Modality.POLARIZATION,
            instrument=Instrument.from_dict(about["instrument"]),
            name=str(about["recording"]),
        )
        phase_map = PhaseMap(
            phase=phase[None],
            acquisition=acquisition,
            grid_scale=tuple(about["grid_scale"]),
            unit=PhaseUnit(about["unit"]),
        )
        return AnnotatedFrame(
            phase_map,
            arrays["labels"],
            bool(about["is_done"]),
            arrays.get("background"),
            str(about["name"]),
        )
    except _DAMAGES as error:
        raise FileFormatError(
            f"{path} is no annotated frame, or is damaged: {error}"
        ) from error
