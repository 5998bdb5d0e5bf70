"""Results as OME-Zarr 0.5 that fill frame by frame and survive a killed process.

One image of axes TCZYX (channel ``Phase2D``) with ``labels/cells``, one chunk a frame,
and smaller copies for large frames. A frame counts as finished only after its chunks
are written and its line is in the frame log beside the folder, and only while they have
the sizes that the line states. Zarr writes each under another name first.
"""

import contextlib
import errno
import json
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_qpm.errors import FileFormatError, LayoutError, OutputError
from napari_qpm.io.frame_log import FrameLog, plain
from napari_qpm.io.ome_layout import LABELS, create_image, create_labels, omero
from napari_qpm.io.zarr_reader import OWN_KEY, is_zarr, open_array, own_record

__all__ = ["ResultStore"]


class ResultStore:
    """One result on disk; made or resumed by `ResultStore.open`.

    Reading is safe from several threads; one thread writes.

    Parameters
    ----------
    path
        The ``.zarr`` folder, which has to be one of ours.
    """

    def __init__(self, path: Path):
        self.path = path
        record = own_record(path)
        if record is None or "id" not in record:
            raise FileFormatError(f"{path} is not a result of napari-qpm.")
        self._record: dict[str, Any] = record
        self._lock = threading.Lock()
        self._phase = _open_levels(path, "")
        self._labels: list[Any] | None = None
        if is_zarr(path / LABELS):
            self._labels = _open_levels(path, LABELS)
        with _writing(path):
            self._log = FrameLog(_beside(path, ".frames.jsonl"), record["id"])

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        shape: tuple[int, int, int],
        pixel_size_um: tuple[float, float] | None,
        frame_interval_s: float | None = None,
        record: Mapping[str, Any],
        unit: str = "rad",
        overwrite: bool = False,
    ) -> Self:
        """Return a new store, or the unfinished one that is there already.

        Parameters
        ----------
        path
            Folder to make; its parents are made too.
        shape
            ``(T, Y, X)``.
        pixel_size_um
            ``(y, x)``, if known.
        frame_interval_s
            Time between frames, if known.
        record
            Provenance; ``record["pipeline"]`` has to agree for resuming.
        unit
            Unit of the phase, as in `PhaseUnit`.
        overwrite
            Replace an existing result.

        Raises
        ------
        OutputError
            Something else is at `path`, or it cannot be written.
        """
        place = Path(path)
        settings = plain(
            {
                "shape": shape,
                "unit": unit,
                "pixel_size_um": pixel_size_um,
                "frame_interval_s": frame_interval_s,
            }
        )
        stored = plain(record) | settings
        with _writing(place):
            if place.exists() and not overwrite:
                _require_resumable(place, stored)
                return cls(place)
            if place.exists():
                _remove(place)
            create_image(place, shape, stored | {"id": uuid.uuid4().hex})
        return cls(place)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(T, Y, X)``."""
        t, _, _, y, x = self._phase[0].shape
        return int(t), int(y), int(x)

    @property
    def notes(self) -> dict[int, dict[str, Any]]:
        """Notes of every frame whose phase was written."""
        return dict(self._log.notes)

    def finished(self, kind: str) -> set[int]:
        """Return the frames whose ``"phase"`` or ``"labels"`` are on disk."""
        levels = self._levels(kind)
        if levels is None:
            return set()
        group = "" if kind == "phase" else LABELS
        with self._lock:
            logged = self._log.finished(kind)
        return {t for t, sizes in logged.items() if self._is_whole(group, t, sizes)}

    def write_phase(
        self, t: int, phase: NDArray[np.float32], notes: Mapping[str, Any]
    ) -> None:
        """Store the phase ``(Y, X)`` of frame `t`, with what is known of the frame."""
        self._write("phase", t, np.asarray(phase, np.float32), _halved_mean, notes)

    def write_labels(self, t: int, labels: NDArray[np.int32]) -> None:
        """Store the label image ``(Y, X)`` of frame `t`."""
        if self._labels is None:
            with _writing(self.path):
                create_labels(self.path, self.shape, self._record)
            self._labels = _open_levels(self.path, LABELS)
        self._write("labels", t, np.asarray(labels, np.int32), _halved_nearest, None)

    def reopen(self, kind: str) -> None:
        """Count all frames of a kind as unfinished, before they are made anew."""
        with _writing(self.path), self._lock:
            for t in sorted(self._log.finished(kind)):
                self._log.reopen(kind, t)

    def read_phase(self, t: int) -> NDArray[np.float32]:
        """Return the phase of frame `t` as ``(Y, X)``; NaN where it is unfinished."""
        return self._read(self._phase[0], t)

    def read_labels(self, t: int) -> NDArray[np.int32]:
        """Return the labels of frame `t` as ``(Y, X)``; zero where unfinished."""
        if self._labels is None:
            return np.zeros(self.shape[1:], np.int32)
        return self._read(self._labels[0], t)

    def finalise(self, record: Mapping[str, Any]) -> None:
        """Store the final provenance in the folder and in a JSON file beside it."""
        keep = {k: self._record[k] for k in ("id", "shape", "frame_interval_s")}
        self._record = self._record | plain(record) | keep
        with _writing(self.path):
            group = zarr.open_group(str(self.path), mode="r+")
            ome = dict(group.attrs["ome"])  # type: ignore[arg-type]
            ome["omero"] = omero(self._display_range())
            group.attrs.update({"ome": ome, OWN_KEY: self._record})
            text = json.dumps(self._record, indent=2, allow_nan=False)
            _write_text(_beside(self.path, ".qpm.json"), text + "\n")

    def _levels(self, kind: str) -> list[Any] | None:
        if kind not in ("phase", "labels"):
            raise ValueError(f"A store holds 'phase' and 'labels', not {kind!r}.")
        return self._phase if kind == "phase" else self._labels

    def _is_whole(self, group: str, t: int, sizes: Sequence[int]) -> bool:
        if not sizes:
            return self._chunk(group, 0, t).is_file()
        chunks = [self._chunk(group, level, t) for level in range(len(sizes))]
        try:
            return [chunk.stat().st_size for chunk in chunks] == list(sizes)
        except FileNotFoundError:
            return False

    def _chunk(self, group: str, level: int, t: int) -> Path:
        return self.path / group / str(level) / "c" / str(t) / "0" / "0" / "0" / "0"

    def _write(
        self,
        kind: str,
        t: int,
        image: NDArray[Any],
        halve: Any,
        notes: Mapping[str, Any] | None,
    ) -> None:
        levels = self._levels(kind)
        assert levels is not None
        n_frames, *size = self.shape
        if list(image.shape) != size or not 0 <= t < n_frames:
            raise LayoutError(
                f"Frame {t} of shape {image.shape} does not fit {self.path.name}, "
                f"which holds {n_frames} frames of {tuple(size)}."
            )
        group = "" if kind == "phase" else LABELS
        with _writing(self.path), self._lock:
            self._log.reopen(kind, t)
            sizes = []
            for number, level in enumerate(levels):
                image = halve(image) if number else image
                level[t] = image[None, None]
                sizes.append(self._chunk(group, number, t).stat().st_size)
            self._log.finish(kind, t, sizes, notes)

    def _read(self, array: Any, t: int) -> NDArray[Any]:
        try:
            return np.asarray(array[t, 0, 0])
        except (ValueError, TypeError, RuntimeError, KeyError, OSError) as error:
            raise FileFormatError(
                f"Frame {t} of {self.path} cannot be read ({error}). The result is "
                "damaged; run it again with overwrite."
            ) from error

    def _display_range(self) -> tuple[float, float]:
        """Return robust limits of a few small frames, for viewers."""
        finished = sorted(self.finished("phase"))
        picked = finished[:: max(1, len(finished) // 4)][:5]
        coarse = self._phase[-1]
        values = [np.asarray(coarse[t, 0, 0]).ravel() for t in picked]
        finite = np.concatenate(values) if values else np.zeros(1, np.float32)
        finite = finite[np.isfinite(finite)]
        if not finite.size:
            return 0.0, 1.0
        low, high = (float(v) for v in np.percentile(finite, (0.5, 99.8)))
        return low, max(high, low + 1e-3)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn failures of the file system into an `OutputError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(_write_problem(path, error)) from error


def _write_problem(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk is full while writing {path}. Free some space and run it again: "
            "finished frames are kept."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{path} cannot be written: the folder is read-only. Choose another output "
            "folder."
        )
    return f"{path} cannot be written: {error.strerror or error}."


def _beside(path: Path, suffix: str) -> Path:
    """Return the companion file of a store: ``phase.ome.zarr`` -> ``phase<suffix>``."""
    name = path.name.removesuffix(".zarr").removesuffix(".ome")
    return path.with_name(name + suffix)


def _require_resumable(path: Path, record: Mapping[str, Any]) -> None:
    stored = own_record(path) if path.is_dir() else None
    remedy = "Choose another output folder, or allow overwriting."
    if stored is None or "id" not in stored:
        raise OutputError(f"{path} exists and is not a result of napari-qpm. {remedy}")
    if stored.get("shape") != record["shape"]:
        raise OutputError(
            f"{path} holds results of shape {stored.get('shape')}, this run makes "
            f"{record['shape']} (T, Y, X). {remedy}"
        )
    if stored.get("pipeline") != record.get("pipeline"):
        raise OutputError(
            f"{path} was made with other settings, so this run cannot continue it. "
            f"{remedy}"
        )


def _remove(path: Path) -> None:
    """Delete a former result; anything that is no Zarr folder is refused."""
    if not (path.is_dir() and is_zarr(path)):
        raise OutputError(
            f"{path} exists and is not a Zarr folder; it is not deleted. Choose "
            "another name."
        )
    shutil.rmtree(path)
    for suffix in (".frames.jsonl", ".qpm.json"):
        _beside(path, suffix).unlink(missing_ok=True)


def _open_levels(path: Path, group: str) -> list[Any]:
    """Return the arrays of an image, finest first, for reading and writing."""
    levels: list[Any] = []
    while is_zarr(path / group / str(len(levels))):
        name = f"{group}/{len(levels)}" if group else str(len(levels))
        # Empty frames must leave a chunk, or they could not be told from lost ones;
        # zarr 3.1 ignores this setting when it is given to open_array.
        with zarr.config.set({"array.write_empty_chunks": True}):
            array = open_array(path, name, mode="r+")
        levels.append(array)
    return levels


def _halved_mean(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each 2x2 block; an odd last row or column is left out."""
    half = np.float32(0.5)
    y, x = (size // 2 * 2 for size in image.shape)
    if y:
        image = (image[0:y:2] + image[1:y:2]) * half
    if x:
        image = (image[:, 0:x:2] + image[:, 1:x:2]) * half
    return image


def _halved_nearest(image: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return every second pixel, on the same grid as `_halved_mean`."""
    y, x = (max(size // 2, 1) for size in image.shape)
    return image[::2, ::2][:y, :x]


def _write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name, then rename it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
