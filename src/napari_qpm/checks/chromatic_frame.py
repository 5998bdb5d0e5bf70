"""The colour picture that a phase explains, by way of its optical path difference.

`physics.ChromaticBrightfield` images the optical path. What a recording does not state
of the microscope, how far each colour is out of focus and how coherent the lamp is,
is fitted: four numbers a frame, and the brightness of each channel as a smooth surface.
Objects are taken to be transparent.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.checks.frame_fit import FrameFit, usable_frame
from napari_qpm.checks.noise import colour_noise
from napari_qpm.checks.resampling import ALMOST_ALL, resample
from napari_qpm.errors import LayoutError

__all__ = ["explain_colours"]

WINDOW_PX = 256
"""Side of the part of the frame in which the optics are fitted."""
EDGE_PX = 24
"""Width of the border of a frame, or window, that light from outside reaches."""
SCAN_DEPTHS = 4.0
SCAN_STEPS = 33
"""Defocus that is tried, in depths of field to both sides."""
SCAN = {"n_wavelengths": 3}
FAST = {"n_wavelengths": 9}
EXACT = {"coherence": "abbe", "n_wavelengths": 5, "n_source_points": 19}
"""Ways to compute a picture. The fast one is off by the noise itself for a wide-open
condenser; the exact one takes ten times as long."""
ROUNDS = {"fast": 5, "exact": 3}
WORTH_EXACT = (1.05, 4.0)
"""Scores of the fast way between which the exact one can make a difference."""
COHERENCE_LIMITS = (0.02, 0.9)
START_COHERENCE = 0.3
NOTABLE_GAIN = 1e-3
"""Part of the misfit that a round must take away to be worth another."""
STEPS = (0.1, 2.0, 20.0, 0.03)
"""By which focus a0 [um], a1 [um/um], a2 [um/um^2] and coherence are varied."""
BAND_CENTRES_UM = (0.605, 0.535, 0.465)
CENTRAL_WAVELENGTH_UM = 0.55
ENVELOPE_ORDER = 2
"""Total degree of the Legendre polynomials of the brightness."""

FloatImage = NDArray[np.float32]
Way = dict[str, Any]
Picture = Callable[[NDArray[np.float64]], FloatImage]
Misfit = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class _Envelope:
    """Smooth brightness of the channels of a frame of one size."""

    basis: NDArray[np.float64]
    pick: tuple[slice, slice]

    @classmethod
    def of(cls, shape: tuple[int, int], edge: int) -> "_Envelope":
        """Return the envelope of frames ``(Y, X)``, fitted without their edge."""
        y, x = (np.linspace(-1, 1, n) for n in shape)
        py = np.polynomial.legendre.legvander(y, ENVELOPE_ORDER)
        px = np.polynomial.legendre.legvander(x, ENVELOPE_ORDER)
        terms = [
            np.outer(py[:, i], px[:, j])
            for i in range(ENVELOPE_ORDER + 1)
            for j in range(ENVELOPE_ORDER + 1 - i)
        ]
        inside = slice(edge, -edge or None)
        return cls(np.stack(terms), (inside, inside))

    def put_on(self, picture: FloatImage, raw: FloatImage) -> FloatImage:
        """Return a picture ``(3, Y, X)`` with the brightness that fits the raw best."""
        seen = np.empty_like(picture)
        terms = self.basis[:, *self.pick].reshape(len(self.basis), -1)
        for channel, (image, counts) in enumerate(zip(picture, raw, strict=True)):
            values = counts[self.pick].ravel()
            known = np.isfinite(values)
            design = (terms * image[self.pick].ravel())[:, known]
            gram, moment = design @ design.T, design @ values[known]
            factors = np.linalg.lstsq(gram, moment, rcond=1e-12)[0]
            seen[channel] = image * np.tensordot(factors, self.basis, 1)
        return seen


def explain_colours(
    frame: NDArray[Any],
    phase: NDArray[np.float32],
    acquisition: Acquisition,
    phase_map: PhaseMap,
) -> FrameFit:
    """Return the colour picture that a phase ``(y, x)`` explains.

    Raises
    ------
    MissingMetadataError
        Wavelength, aperture or pixel size are unknown.
    LayoutError
        The frame does not have three channels.
    """
    from napari_qpm.physics import one_thread

    if len(frame) != 3:
        raise LayoutError(
            f"The residual of colour pictures needs red, green and blue; "
            f"{acquisition.name!r} has {len(frame)} channels."
        )
    raw = usable_frame(frame)
    factor = phase_map.opd_nm_per_unit("The residual of a colour picture") / 1000
    path, is_known = _path_at(phase, raw.shape[1:], phase_map, factor)
    window = _busiest(raw)
    judged = np.where(is_known, raw, np.nan)
    with one_thread():
        optics, way = _fit_optics(path[window], judged[:, *window], acquisition)
        picture = _imager(path, acquisition, way)(optics)
    envelope = _Envelope.of(path.shape, _edge(path.shape))
    predicted = envelope.put_on(picture, judged)
    predicted[:, ~is_known] = np.nan
    return FrameFit(
        predicted=predicted,
        best=None,
        noise=colour_noise(raw),
        misfit_rad=np.full(phase.shape, np.nan, np.float32),
        sign=1,
        sign_is_free=True,
        margin_px=EDGE_PX,
        sees_turns=True,
    )


def _path_at(
    phase: NDArray[np.float32],
    shape: tuple[int, ...],
    phase_map: PhaseMap,
    um_per_unit: float,
) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Return the optical path difference [um] on the camera's grid, 0 where unknown."""
    known = np.isfinite(phase)
    path = np.where(known, phase, 0) * np.float32(um_per_unit)
    if phase.shape == shape:
        return path, known
    fine = resample(path, shape, phase_map.grid_scale)
    covered = resample(known.astype(np.float32), shape, phase_map.grid_scale)
    return np.asarray(fine, np.float32), covered > ALMOST_ALL


def _busiest(raw: FloatImage) -> tuple[slice, slice]:
    """Return the window of the frame with the most contrast."""
    _, ny, nx = raw.shape
    best, chosen = -1.0, (slice(0, ny), slice(0, nx))
    for y in _starts(ny):
        for x in _starts(nx):
            window = (slice(y, y + WINDOW_PX), slice(x, x + WINDOW_PX))
            contrast = float(raw[1][window].std())
            if contrast > best:
                best, chosen = contrast, window
    return chosen


def _starts(length: int) -> list[int]:
    if length <= WINDOW_PX:
        return [0]
    count = -(-length // WINDOW_PX)
    return [round(n * (length - WINDOW_PX) / (count - 1)) for n in range(count)]


def _imager(path: FloatImage, acquisition: Acquisition, way: Way) -> Picture:
    """Return what makes pictures ``(3, Y, X)`` of a path from focus and coherence."""
    import torch

    from napari_qpm.physics.models import model_for

    instrument = acquisition.instrument.replace(brightness_counts=1.0)
    model = model_for(
        instrument,
        acquisition.require_modality(),
        (path.shape[0], path.shape[1]),
        **way,
    )
    opd_um = torch.from_numpy(np.ascontiguousarray(path))[None]

    def picture(optics: NDArray[np.float64]) -> FloatImage:
        coherence = float(np.clip(optics[3], *COHERENCE_LIMITS))
        model.set_values(focus_curve_um=optics[:3], coherence_ratio=coherence)
        with torch.no_grad():
            image: FloatImage = model(opd_um)[0].numpy()
        return image

    return picture


def _fit_optics(
    path: FloatImage, raw: FloatImage, acquisition: Acquisition
) -> tuple[NDArray[np.float64], Way]:
    """Return what explains a window best: focus curve and coherence, and the way."""
    envelope = _Envelope.of(path.shape, _edge(path.shape))
    start = _scan_focus(path, raw, acquisition, envelope)

    def misfit_with(way: Way) -> Misfit:
        imager = _imager(path, acquisition, way)

        def misfit(values: NDArray[np.float64]) -> NDArray[np.float64]:
            part = (raw - envelope.put_on(imager(values), raw))[:, *envelope.pick]
            return np.asarray(np.nan_to_num(part).ravel(), np.float64)

        return misfit

    fast, fast_cost = _refine(misfit_with(FAST), start, ROUNDS["fast"])
    noise = float(np.mean(colour_noise(usable_frame(raw)) ** 2))
    score = np.sqrt(fast_cost / (raw[:, *envelope.pick].size * noise))
    if not WORTH_EXACT[0] < score < WORTH_EXACT[1]:
        return fast, FAST
    exact, exact_cost = _refine(misfit_with(EXACT), fast, ROUNDS["exact"])
    return (exact, EXACT) if exact_cost < fast_cost else (fast, FAST)


def _refine(
    misfit: Misfit, optics: NDArray[np.float64], n_rounds: int
) -> tuple[NDArray[np.float64], float]:
    """Return the optics with the least misfit nearby (Gauss-Newton), and its square."""
    here = misfit(optics)
    for _ in range(n_rounds):
        slopes = np.stack(
            [
                (misfit(optics + step * unit) - here) / step
                for step, unit in zip(STEPS, np.eye(len(STEPS)), strict=True)
            ],
            axis=1,
        )
        update = np.linalg.lstsq(slopes.T @ slopes, -slopes.T @ here, rcond=1e-9)[0]
        for shortened in (1.0, 0.3, 0.1):
            tried = optics + shortened * update
            tried[3] = np.clip(tried[3], *COHERENCE_LIMITS)
            there = misfit(tried)
            if there @ there < here @ here:
                break
        else:
            break
        gain = 1 - (there @ there) / (here @ here)
        optics, here = tried, there
        if gain < NOTABLE_GAIN:
            break
    return optics, float(here @ here)


def _scan_focus(
    path: FloatImage, raw: FloatImage, acquisition: Acquisition, envelope: _Envelope
) -> NDArray[np.float64]:
    """Return the focus curve through the best defocus of each channel."""
    needed = "The residual of a colour picture"
    where = repr(acquisition.name)
    na = acquisition.instrument.require("numerical_aperture", needed, where)
    depth_um = CENTRAL_WAVELENGTH_UM / na**2
    imager = _imager(path, acquisition, SCAN)
    tried = np.linspace(-SCAN_DEPTHS, SCAN_DEPTHS, SCAN_STEPS) * depth_um
    costs = np.empty((SCAN_STEPS, 3))
    for n, defocus in enumerate(tried):
        picture = imager(np.array([defocus, 0.0, 0.0, START_COHERENCE]))
        part = (raw - envelope.put_on(picture, raw))[:, *envelope.pick]
        costs[n] = np.nansum(part.astype(np.float64) ** 2, axis=(1, 2))
    offsets = np.array(BAND_CENTRES_UM) - CENTRAL_WAVELENGTH_UM
    curve = np.polynomial.polynomial.polyfit(offsets, tried[costs.argmin(axis=0)], 2)
    return np.array([*curve, START_COHERENCE])


def _edge(shape: tuple[int, ...]) -> int:
    return min(EDGE_PX, math.floor(min(shape) / 8))
