"""Four-step phase of a polarization camera, from mosaics and from ready angle images.

With object and reference wave in opposite circular polarizations, the image behind an
analyser at angle theta is ``a + b cos(phi + 2 theta)``. So I0 - I90 = 2 b cos(phi) and
I135 - I45 = 2 b sin(phi): the phase needs two difference images only, and
I0 + I90 = I45 + I135 must hold, which tells pixels that cannot be trusted.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval._demosaic_kernels import (
    angle_fringe_rows,
    angle_phase_rows,
    interpolate_rows,
    mosaic_fringe_rows,
    mosaic_phase_rows,
    subtract_phase_rows,
)
from napari_qpm.retrieval._threads import run_blocks
from napari_qpm.retrieval.analyser_matrix import AnalyserWeights, corrected_angles
from napari_qpm.retrieval.demosaic import (
    ANGLES,
    SMALLEST_SIDE,
    Demosaicing,
    Layout,
    angle_pattern,
    difference_weights,
    interpolation_reach,
    interpolation_taps,
    kernel_input,
)

__all__ = [
    "AngleSampling",
    "DifferenceImages",
    "FringeCheck",
    "Fringes",
    "check_fringes",
    "difference_images",
    "fringes",
    "saturated_mask",
    "subtract_phase",
    "warm",
    "wrapped_phase",
]

SAMPLED_CELLS = 20_000
"""2x2 cells that decide whether a frame has fringes at all."""
BRIGHT_QUANTILE = 0.9
"""Fringes may fill a small part of the field: its brightest tenth decides."""
LEAST_VISIBILITY = 0.01
LEAST_POWER_OVER_NOISE = 3.0
"""Fringe power over that of I0 + I90 - I45 - I135; pure noise has about 0.9."""
MOSTLY = 0.9


@dataclass(frozen=True)
class AngleSampling:
    """How a frame holds the four angles.

    Parameters
    ----------
    layout
        Angles [deg] of the mosaic's 2x2 cell in reading order, or of four channels.
    roi_offset
        ``(y, x)`` of the first pixel on the sensor; for mosaics only.
    method
        Interpolation of mosaics.
    analysers
        Weights that make up for imperfect analysers; `None` for perfect ones.
    """

    layout: Layout
    roi_offset: tuple[int, int] = (0, 0)
    method: Demosaicing = Demosaicing.BICUBIC
    analysers: AnalyserWeights | None = None

    def weights(self, width: int) -> NDArray[np.float32]:
        """Return the weights of the difference images of mosaics of this width."""
        return difference_weights(self.layout, self.roi_offset, width, self.analysers)

    def of_frame(self, frame: NDArray[Any]) -> tuple[NDArray[Any], "AngleSampling"]:
        """Return a raw frame as the kernels take it, and how that holds the angles."""
        raw = _prepared(frame)
        if len(raw) == 1 or self.analysers is None:
            return raw, self
        images = np.asarray(raw[list(self.channel_order)], np.float32)
        even = corrected_angles(images, self.analysers)
        return even, AngleSampling(ANGLES, method=self.method)

    @property
    def channel_order(self) -> tuple[int, int, int, int]:
        """Channels of 0, 45, 90 and 135 degrees in ready angle images."""
        first, second, third, fourth = (self.layout.index(angle) for angle in ANGLES)
        return first, second, third, fourth


@dataclass(frozen=True)
class Fringes:
    """What a frame ``(Y, X)``, or a stack of them, says about the object wave.

    Parameters
    ----------
    wrapped
        Phase [rad] between -pi and pi.
    amplitude
        Half the fringe contrast, ``|Z| / 2`` with Z = (I0 - I90) + i (I135 - I45), in
        raw units: object times reference amplitude.
    quality
        Visibility ``|Z| / (I0 + I90)`` times ``1 - |mismatch| / |Z|``, between 0 and 1,
        where the mismatch is I0 + I90 - I45 - I135.
    """

    wrapped: NDArray[np.float32]
    amplitude: NDArray[np.float32]
    quality: NDArray[np.float32]

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Self:
        """Return arrays of this shape to be filled."""
        wrapped, amplitude, quality = np.empty((3, *shape), np.float32)
        return cls(wrapped, amplitude, quality)

    def __getitem__(self, n: int) -> Self:
        """Return views of frame `n` of a stack."""
        return type(self)(self.wrapped[n], self.amplitude[n], self.quality[n])


@dataclass(frozen=True)
class DifferenceImages:
    """The linear images that everything follows from, ``(Y, X)`` each.

    Parameters
    ----------
    cosine, sine
        I0 - I90 and I135 - I45.
    axial, diagonal
        I0 + I90 and I45 + I135, equal where the data are sound.
    """

    cosine: NDArray[np.float32]
    sine: NDArray[np.float32]
    axial: NDArray[np.float32]
    diagonal: NDArray[np.float32]

    @property
    def fringe(self) -> NDArray[np.complex64]:
        """Z = cosine + i sine."""
        return self.cosine + np.complex64(1j) * self.sine

    @property
    def total(self) -> NDArray[np.float32]:
        """Sum of the four images."""
        return self.axial + self.diagonal


@dataclass(frozen=True)
class FringeCheck:
    """Whether a frame can have a phase.

    Parameters
    ----------
    problem
        What is wrong, as a sentence; empty when the frame is usable.
    saturated_share
        Part of the raw pixels at saturation.
    visibility
        Visibility of the clearest tenth of the field.
    """

    problem: str
    saturated_share: float
    visibility: float


def _prepared(frame: NDArray[Any]) -> NDArray[Any]:
    if frame.ndim != 3 or frame.shape[0] not in (1, 4):
        raise LayoutError(
            "A polarization frame is one raw mosaic or four angle images (C, Y, X), "
            f"not shape {frame.shape}."
        )
    return kernel_input(frame)


def wrapped_phase(frame: NDArray[Any], sampling: AngleSampling) -> NDArray[np.float32]:
    """Return the wrapped phase [rad], ``(Y, X)``, of a ``(C, Y, X)`` frame.

    Raises
    ------
    LayoutError
        The frame has neither one nor four channels, or is tiny.
    """
    raw, sampling = sampling.of_frame(frame)
    _, height, width = raw.shape
    wrapped = np.empty((height, width), np.float32)
    if len(raw) == 4:
        order = sampling.channel_order
        run_blocks(angle_phase_rows, height, raw, order, wrapped, row_size=width)
    else:
        weights = sampling.weights(width)
        taps = interpolation_taps(sampling.method)
        arguments = (raw[0], weights, taps, wrapped)
        run_blocks(mosaic_phase_rows, height, *arguments, row_size=width)
    return wrapped


def fringes(
    frame: NDArray[Any], sampling: AngleSampling, out: Fringes | None = None
) -> Fringes:
    """Return phase, amplitude and quality of a ``(C, Y, X)`` frame in one pass.

    Parameters
    ----------
    frame, sampling
        Raw frame and how it holds the angles.
    out
        Where to write; new arrays by default.
    """
    raw, sampling = sampling.of_frame(frame)
    _, height, width = raw.shape
    found = out or Fringes.empty((height, width))
    outputs = (found.wrapped, found.amplitude, found.quality)
    if len(raw) == 4:
        order = sampling.channel_order
        run_blocks(angle_fringe_rows, height, raw, order, *outputs, row_size=width)
    else:
        weights = sampling.weights(width)
        taps = interpolation_taps(sampling.method)
        inputs = (raw[0], weights, taps)
        run_blocks(mosaic_fringe_rows, height, *inputs, *outputs, row_size=width)
    return found


def difference_images(frame: NDArray[Any], sampling: AngleSampling) -> DifferenceImages:
    """Return differences and sums of the angles of a ``(C, Y, X)`` frame."""
    raw, sampling = sampling.of_frame(frame)
    _, height, width = raw.shape
    if len(raw) == 4:
        i0, i45, i90, i135 = (raw[c].astype(np.float32) for c in sampling.channel_order)
        return DifferenceImages(i0 - i90, i135 - i45, i0 + i90, i45 + i135)
    weights = sampling.weights(width)
    taps = interpolation_taps(sampling.method)
    images = np.empty((4, height, width), np.float32)
    for weight, image in zip(weights, images, strict=True):
        arguments = (raw[0], weight, taps, image)
        run_blocks(interpolate_rows, height, *arguments, row_size=width)
    return DifferenceImages(*images)


def subtract_phase(phase: NDArray[np.float32], reference: NDArray[np.float32]) -> None:
    """Subtract a wrapped phase from another in place; the result is wrapped again."""
    height, width = phase.shape
    run_blocks(subtract_phase_rows, height, phase, reference, row_size=width)


def warm() -> None:
    """Compile the kernels for the usual pixel types, which fills numba's cache."""
    sampling = AngleSampling(ANGLES)
    for dtype in (np.uint8, np.uint16, np.float32):
        for n_channels in (1, 4):
            frame = np.zeros((n_channels, SMALLEST_SIDE, SMALLEST_SIDE), dtype)
            fringes(frame, sampling)
            phase = wrapped_phase(frame, sampling)
    subtract_phase(phase, phase)


def saturated_mask(
    frame: NDArray[Any], level: float, sampling: AngleSampling
) -> NDArray[np.bool_]:
    """Return pixels ``(Y, X)`` whose phase a saturated raw pixel spoils.

    Parameters
    ----------
    frame
        ``(C, Y, X)``.
    level
        Raw value at which the camera saturates.
    sampling
        Its interpolation decides how far a raw pixel reaches.
    """
    mask: NDArray[np.bool_] = np.any(frame >= level, axis=0)
    if len(frame) == 4:
        return mask
    for axis in (0, 1):
        line = np.moveaxis(mask, axis, 0)
        grown = line.copy()
        for step in range(1, interpolation_reach(sampling.method) + 1):
            grown[step:] |= line[:-step]
            grown[:-step] |= line[step:]
        mask = np.moveaxis(grown, 0, axis)
    return mask


def check_fringes(
    frame: NDArray[Any],
    sampling: AngleSampling,
    saturation: float | None,
    needs_fringes: bool = True,
) -> FringeCheck:
    """Return whether a ``(C, Y, X)`` frame can have a phase, from a sample of cells.

    Parameters
    ----------
    frame
        Raw frame.
    sampling
        How it holds the angles.
    saturation
        Raw value at which the camera saturates, if known.
    needs_fringes
        False for a set-up whose empty field has none: the frame must only be exposed.
    """
    share = 0.0
    if saturation is not None and frame.max() >= saturation:
        share = float(np.mean(frame >= saturation))
    cells = _sampled_cells(frame, sampling)
    cells = cells[:, np.isfinite(cells).all(axis=0)]
    if cells.shape[1] == 0:
        return FringeCheck(
            "The frame holds no valid numbers (NaN), so it has no phase.", share, 0.0
        )
    if not cells.any():
        return FringeCheck("The frame is black, so it has no phase.", share, 0.0)
    if share > MOSTLY:
        return FringeCheck(
            f"{share:.0%} of the frame is saturated, so it has no phase: expose less.",
            share,
            0.0,
        )
    i0, i45, i90, i135 = cells
    power = (i0 - i90) ** 2 + (i135 - i45) ** 2
    mismatch = (i0 + i90 - i45 - i135) ** 2
    total = np.maximum((i0 + i45 + i90 + i135) / 2, np.float32(1e-30))
    visibility = float(np.quantile(np.sqrt(power) / total, BRIGHT_QUANTILE))
    bright, noise = (
        float(np.quantile(values, BRIGHT_QUANTILE)) for values in (power, mismatch)
    )
    is_flat = visibility < LEAST_VISIBILITY or bright < LEAST_POWER_OVER_NOISE * noise
    if needs_fringes and is_flat:
        return FringeCheck(
            "The images behind the four analysers do not differ beyond noise: there "
            "are no fringes and so there is no phase. Check that the reference wave "
            "reaches the camera.",
            share,
            visibility,
        )
    return FringeCheck("", share, visibility)


def _sampled_cells(frame: NDArray[Any], sampling: AngleSampling) -> NDArray[np.float32]:
    """Return intensities ``(4, cells)`` behind 0, 45, 90, 135 deg, evenly sampled."""
    _, height, width = frame.shape
    if len(frame) == 4:
        step = max(1, int(np.sqrt(height * width / SAMPLED_CELLS)))
        images = [frame[c, ::step, ::step] for c in sampling.channel_order]
    else:
        step = max(1, int(np.sqrt(height * width / 4 / SAMPLED_CELLS)))
        even = frame[0, : height // 2 * 2, : width // 2 * 2]
        pattern = angle_pattern(sampling.layout, sampling.roi_offset)
        images = []
        for angle in ANGLES:
            (y,), (x,) = np.nonzero(pattern == angle)
            images.append(even[y :: 2 * step, x :: 2 * step])
    return np.stack([image.ravel() for image in images]).astype(np.float32)
