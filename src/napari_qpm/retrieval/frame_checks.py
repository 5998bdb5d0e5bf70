"""What a raw frame says of itself before any phase: saturated, empty, broken pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition

__all__ = ["MAX_SATURATED_SHARE", "raw_frame_notes"]

MAX_SATURATED_SHARE = 0.001
"""Share of saturated pixels above which a frame is worth a warning."""


def raw_frame_notes(frame: NDArray[Any], acquisition: Acquisition) -> dict[str, Any]:
    """Return notes on a raw frame ``(C, Y, X)``.

    Keys: ``saturated_share`` where the camera's saturation level is known,
    ``nan_share`` for floats, ``warning`` on either, ``problem`` if no pixel is usable.
    """
    notes: dict[str, Any] = {}
    if frame.dtype.kind == "f":
        lost = 1 - np.count_nonzero(np.isfinite(frame)) / frame.size
        if lost == 1:
            return {"nan_share": 1.0, "problem": "All pixels are NaN."}
        if lost > 0:
            notes |= {
                "nan_share": lost,
                "warning": f"{lost:.2%} of the pixels are NaN: no phase there, and "
                "less sure phase around them.",
            }
    level = acquisition.saturation_level
    if level is None:
        return notes
    share = np.count_nonzero(frame >= level) / frame.size
    notes["saturated_share"] = share
    if share == 1:
        notes["problem"] = "All pixels are saturated."
    elif share > MAX_SATURATED_SHARE:
        notes["warning"] = (
            f"{share:.1%} of the pixels are saturated: phase is wrong there. Shorten "
            "the exposure."
        )
    return notes
