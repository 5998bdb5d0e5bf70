"""Bit depth of raw pixels, and how far they are shifted up, from their values.

Cameras of 10, 12 or 14 bits store 16; some fill the high bits, so that every value is a
multiple of 4, 16 or 64.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["detect_bits"]

_DEPTHS = (8, 10, 12, 14, 16)


def detect_bits(frame: NDArray[Any]) -> tuple[int | None, int, str]:
    """Return bit depth, bit shift and a note on how they were found.

    Parameters
    ----------
    frame
        One raw frame, any shape. Only 8- and 16-bit unsigned integers say something.

    Returns
    -------
    bit_depth, bit_shift, note
        The depth is `None` when the values do not tell; the note is empty when nothing
        had to be assumed.
    """
    if frame.dtype == np.uint8:
        return 8, 0, ""
    if frame.dtype != np.uint16:
        return None, 0, ""
    used = int(np.bitwise_or.reduce(frame, axis=None))
    if used == 0:
        return None, 0, ""
    shift = (used & -used).bit_length() - 1
    n_values = used.bit_length()
    if shift >= 2 and n_values > 14 - shift and 16 - shift in _DEPTHS:
        depth = 16 - shift
        note = (
            f"All values are multiples of {1 << shift}: {depth}-bit data in the high "
            "bits. Correct with bit_depth=… and bit_shift=… if this is wrong."
        )
        return depth, shift, note
    brightest = int(frame.max())
    depth = next(d for d in _DEPTHS if brightest < 1 << d)
    note = (
        f"The brightest pixel is {brightest}: {depth}-bit data assumed, for finding "
        "saturated pixels. Correct with bit_depth=… if this is wrong."
    )
    return depth, 0, note
