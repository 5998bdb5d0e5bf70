"""The arctangent of fused kernels: a polynomial that LLVM vectorises."""

from typing import Any

import numba as nb
import numpy as np

__all__ = ["FAST", "arctangent"]

FAST = {"contract", "reassoc", "nsz", "arcp"}
"""Liberties a kernel may take; NaN is not among them."""

_HALF_PI = np.float32(np.pi / 2)
_PI = np.float32(np.pi)
_TINY = np.float32(1e-30)

# Odd minimax polynomial of atan on [0, 1], fitted by Lawson's iteration: largest error
# 2.5e-7 rad, about one rounding of a float32 at pi.
_A1 = np.float32(0.9999961115494592)
_A3 = np.float32(-0.33317368048271734)
_A5 = np.float32(0.1980781548216361)
_A7 = np.float32(-0.1323334172848875)
_A9 = np.float32(0.07962366505484081)
_A11 = np.float32(-0.0336042138535109)
_A13 = np.float32(0.00681179097903277)


@nb.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy", inline="always")
def arctangent(sine: Any, cosine: Any) -> Any:
    """Return atan2(sine, cosine) to 4e-7 rad; 0 for (0, 0)."""
    height, width = abs(sine), abs(cosine)
    is_steep = height > width
    longer = height if is_steep else width
    shorter = width if is_steep else height
    ratio = shorter / (longer + _TINY)
    square = ratio * ratio
    angle = _A13
    angle = angle * square + _A11
    angle = angle * square + _A9
    angle = angle * square + _A7
    angle = angle * square + _A5
    angle = angle * square + _A3
    angle = angle * square + _A1
    angle = angle * ratio
    angle = _HALF_PI - angle if is_steep else angle
    angle = _PI - angle if cosine < 0 else angle
    return -angle if sine < 0 else angle
