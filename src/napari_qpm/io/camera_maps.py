"""Dark level and sensitivity of every pixel, and recordings with both taken out.

Maps come from a recording without light and one of even, unpolarized light. A corrected
recording is lazy like any other: frames are corrected when they are read.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, FrameSource
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.files import write_atomically
from napari_qpm.provenance import Step

__all__ = ["CameraMaps", "CorrectedSource"]

MOST_FRAMES = 64
"""Frames of a dark or flat recording that are averaged."""
SENSITIVITIES = (0.5, 2.0)
"""Of its neighbourhood; pixels beyond are dead or hot and filled from neighbours."""
HOT_SIGMA = 20.0
"""Dark level over the spread of all pixels from which a pixel is hot."""


@dataclass(frozen=True, eq=False)
class CameraMaps:
    """What a camera adds to light and takes from it, pixel by pixel.

    Parameters
    ----------
    dark
        ``(C, Y, X)`` raw counts without light.
    sensitivity
        ``(C, Y, X)`` counts for the same light, mean 1.
    broken
        ``(C, Y, X)`` dead and hot pixels.
    notes
        What they were made of, in sentences.
    """

    dark: NDArray[np.float32]
    sensitivity: NDArray[np.float32]
    broken: NDArray[np.bool_]
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def measure(
        cls, dark: Acquisition | None = None, flat: Acquisition | None = None
    ) -> Self:
        """Return the maps of a dark recording, a flat one, or both.

        Raises
        ------
        LayoutError
            Neither is given, they differ in size, or the flat one has no light.
        """
        given = dark or flat
        if given is None:
            raise LayoutError("Give a dark recording, a flat one, or both.")
        if dark is not None and flat is not None and dark.shape[1:] != flat.shape[1:]:
            raise LayoutError(
                f"The dark frames have shape {dark.shape[1:]}, the flat ones "
                f"{flat.shape[1:]} (C, Y, X). Record both with the same settings."
            )
        shape, notes = given.shape[1:], []
        level = np.zeros(shape, np.float32)
        broken = np.zeros(shape, bool)
        if dark is not None:
            level, count = _mean(dark)
            middle = float(np.median(level))
            spread = 1.4826 * float(np.median(np.abs(level - middle))) + 0.5
            broken |= level > middle + HOT_SIGMA * spread
            notes.append(f"Dark level {middle:.4g} counts, mean of {count} frames.")
        even = np.ones(shape, np.float32)
        if flat is not None:
            light, count = _mean(flat)
            light -= level
            middle = float(np.median(light))
            if not middle > 0:
                raise LayoutError(
                    f"{flat.name!r} is as dark as the dark level: it is no flat field."
                )
            even = light / middle
            low, high = SENSITIVITIES
            near = np.stack([_neighbours(channel) for channel in even])
            broken |= ~((even > low * near) & (even < high * near))
            even[broken] = 1
            even /= even.mean()
            notes.append(f"Sensitivity from the mean of {count} flat frames.")
        notes.append(f"{int(broken.sum())} dead or hot pixels.")
        return cls(level, even, broken, tuple(notes))

    def apply(self, acquisition: Acquisition) -> Acquisition:
        """Return a recording with dark level and sensitivity taken out, lazily.

        Saturated pixels become NaN: their light is not known. Facts that no longer
        hold (dark level, bits, gains of analysers) are brought up to date.

        Raises
        ------
        LayoutError
            The frames have another size than the maps.
        """
        if acquisition.shape[1:] != self.dark.shape:
            raise LayoutError(
                f"The calibration is for frames of {self.dark.shape} (C, Y, X), "
                f"{acquisition.name!r} has {acquisition.shape[1:]}. Record dark and "
                "flat frames with the same settings."
            )
        level = acquisition.saturation_level
        source = CorrectedSource(acquisition.source, self, level)
        facts: dict[str, Any] = {"bit_depth": None, "bit_shift": 0}
        if self.dark.any():
            facts["dark_counts"] = 0.0
        is_even = bool((self.sensitivity == 1).all())
        if not is_even and acquisition.instrument.analyser_gains is not None:
            facts["analyser_gains"] = (1.0, 1.0, 1.0, 1.0)
        empty = acquisition.reference
        step = Step("calibrate", "camera maps", {"notes": list(self.notes)})
        return acquisition.replace(
            source=source,
            instrument=acquisition.instrument.replace(**facts),
            reference=None if empty is None else self.correct(empty, level),
            history=(*acquisition.history, step),
        ).with_note("Dark level and sensitivity of the pixels are taken out.")

    def correct(
        self, frame: NDArray[Any], saturation: float | None = None
    ) -> NDArray[np.float32]:
        """Return a raw frame ``(C, Y, X)`` as an even camera without dark level."""
        corrected = (frame - self.dark) / self.sensitivity
        if saturation is not None:
            corrected[frame >= saturation] = np.nan
        step = _step(len(frame))
        for channel, y, x in np.argwhere(self.broken):
            image = corrected[channel]
            rows = np.clip([y - step, y + step], 0, image.shape[0] - 1)
            columns = np.clip([x - step, x + step], 0, image.shape[1] - 1)
            around = [image[row, x] for row in rows if row != y]
            around += [image[y, column] for column in columns if column != x]
            image[y, x] = np.mean(around)
        return np.asarray(corrected, np.float32)

    def dump(self, path: str | Path) -> Path:
        """Write the maps as one file (NPZ) and return its path."""
        import io

        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            dark=self.dark,
            sensitivity=self.sensitivity,
            broken=self.broken,
            notes=np.array(self.notes),
        )
        place = Path(path)
        write_atomically(place, buffer.getvalue())
        return place

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the maps of a file that `dump` wrote.

        Raises
        ------
        FileFormatError
            It is none, or cannot be read.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                maps = [stored[name] for name in ("dark", "sensitivity", "broken")]
                notes = tuple(str(note) for note in stored["notes"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise FileFormatError(
                f"{path} is no calibration of a camera: {error}. Make one with "
                "napari-qpm calibrate."
            ) from error
        return cls(maps[0], maps[1], maps[2], notes)


@dataclass(frozen=True, eq=False)
class CorrectedSource:
    """Frames of another source, corrected when they are read.

    Parameters
    ----------
    source
        Raw frames.
    maps
        Of the camera.
    saturation
        Raw value of a saturated pixel, if known.
    """

    source: FrameSource
    maps: CameraMaps
    saturation: float | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the corrected pixels."""
        return np.dtype(np.float32)

    def read(self, t: int) -> NDArray[Any]:
        """Return frame `t` as ``(C, Y, X)``."""
        return self.maps.correct(self.source.read(t), self.saturation)


def _mean(acquisition: Acquisition) -> tuple[NDArray[np.float32], int]:
    """Return the mean frame, and of how many."""
    count = min(acquisition.n_frames, MOST_FRAMES)
    total = np.zeros(acquisition.shape[1:], np.float64)
    for t in range(count):
        total += acquisition.read(t)
    return (total / count).astype(np.float32), count


def _step(n_channels: int) -> int:
    """Return how far the next pixel of the same kind is: mosaics have one channel."""
    return 2 if n_channels == 1 else 1


def _neighbours(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median around each pixel."""
    import scipy.ndimage

    return np.asarray(scipy.ndimage.median_filter(image, 5), np.float32)
