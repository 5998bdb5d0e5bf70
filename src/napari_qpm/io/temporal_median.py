"""An empty field out of a time-lapse: what each pixel shows most of the time.

Cells move, dirt and aberrations stay. The median over time is the empty field wherever
a place is empty in more than half of the frames, however crowded single frames are.
"""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import LayoutError

__all__ = ["LEAST_FRAMES", "MEDIAN", "temporal_median"]

MEDIAN = "median"
"""What ``reference=`` and ``--reference`` say instead of a file."""
LEAST_FRAMES = 5
MOST_FRAMES = 25


def temporal_median(
    acquisition: Acquisition, most_frames: int = MOST_FRAMES
) -> NDArray[np.float32]:
    """Return the median frame ``(C, Y, X)`` of a recording, in raw units.

    Parameters
    ----------
    acquisition
        A time-lapse whose microscope stood still: for interferograms, its fringes too.
    most_frames
        Frames that are read, spread over the recording.

    Raises
    ------
    LayoutError
        The recording has fewer than five frames.
    """
    n_frames = acquisition.n_frames
    if n_frames < LEAST_FRAMES:
        raise LayoutError(
            f"{acquisition.name!r} has {n_frames} frames; a median over time needs "
            f"{LEAST_FRAMES} or more. Give a frame of an empty field as reference=…"
        )
    count = min(n_frames, most_frames)
    times = np.linspace(0, n_frames - 1, count).round().astype(int)
    frames = np.stack([acquisition.read(int(t)) for t in times])
    return np.asarray(np.median(frames, axis=0, overwrite_input=True), np.float32)
