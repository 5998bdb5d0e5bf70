"""Holograms written anew: on a coarser grid, or with a reference divided out.

A network that was trained on cells of some hundred pixels does not know larger ones,
and fringes of 2 to 3 pixels cannot be binned. So the fringes are taken out of the
frame, the complex field behind them is thinned, and fringes of a period that the
coarser grid can hold are written back. Brightness and contrast stay as they are.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.retrieval.demodulation import cached_demodulator

__all__ = ["lossless_step", "rewrite_fringes"]

SHORTEST_PERIOD_PX = 4.5
"""Of written fringes; shorter ones leave no room for their sideband."""
FILTER_SHARE = 0.55
"""Radius of the filter around the sideband over the carrier frequency."""
LARGEST_RADIUS = 1 / 8
"""Radius of that filter on the coarse grid [cycles/px]: with fringes of 4.5 px, what it
passes keeps clear of the brightness and of the grid's limit."""
BRIGHTNESS_PERIODS = 0.6
BRIGHTNESS_STEPS = 0.5
"""Width of the low-pass of the brightness, in fringe periods and in coarse pixels."""

Carrier = tuple[float, float]
Frames = NDArray[np.float32]


def lossless_step(carrier: Carrier) -> int:
    """Return raw pixels per pixel of the coarsest grid that keeps the whole sideband.

    Fringes that are sampled at 9 px a period lose nothing at every second pixel.
    """
    period = 1 / float(np.hypot(*carrier))
    return max(1, int(period / SHORTEST_PERIOD_PX))


def rewrite_fringes(
    frames: Frames,
    carrier: Carrier,
    step: int = 1,
    reference: Frames | None = None,
) -> tuple[Frames, Carrier]:
    """Return holograms on every `step`-th pixel, and their carrier there.

    Parameters
    ----------
    frames
        ``(N, Y, X)`` raw counts without NaN.
    carrier
        ``(fy, fx)`` of the sideband [cycles/px].
    step
        Raw pixels per pixel of the result: pixel i lies at raw pixel ``i * step``.
    reference
        ``(1, Y, X)`` hologram of the empty field; the phase of its fringes is taken
        out, so that what is left is that of the cells.

    Returns
    -------
    ``(N, ceil(Y / step), ceil(X / step))`` counts and ``(fy, fx)`` [cycles/px]. The
    carrier keeps its direction. Detail of the phase beyond the coarse grid is lost.
    """
    if step == 1 and reference is None:
        return frames, carrier
    frequency = float(np.hypot(*carrier))
    radius = min(FILTER_SHARE * frequency, LARGEST_RADIUS / step)
    shape = (int(frames.shape[1]), int(frames.shape[2]))
    demodulator = cached_demodulator(shape, carrier, radius, full=True)
    field = demodulator.field(frames)
    brightness = frames - _fringes(field, carrier)
    if reference is not None:
        empty = demodulator.field(reference)
        field *= np.conj(empty) / np.maximum(np.abs(empty), np.float32(1e-12))
    if step == 1:
        return brightness + _fringes(field, carrier), carrier
    width = max(BRIGHTNESS_PERIODS / frequency, BRIGHTNESS_STEPS * step)
    smooth = ndimage.gaussian_filter(brightness, (0, width, width), truncate=3.0)
    shrink = min(step, 1 / (SHORTEST_PERIOD_PX * frequency))
    coarse = (carrier[0] * shrink, carrier[1] * shrink)
    thin = np.ascontiguousarray(field[:, ::step, ::step])
    return smooth[:, ::step, ::step] + _fringes(thin, coarse), coarse


def _fringes(field: NDArray[np.complex64], carrier: Carrier) -> Frames:
    """Return twice the real part of fields ``(N, Y, X)`` on a carrier."""
    rows, columns = (
        np.exp(2j * np.pi * f * np.arange(n)).astype(np.complex64)
        for f, n in zip(carrier, field.shape[1:], strict=True)
    )
    on_rows = field * (2 * rows[:, None])
    return np.asarray(
        on_rows.real * columns.real - on_rows.imag * columns.imag, np.float32
    )
